using System.Globalization;
using System.Text;
using Kotonoha.Agents.Prompts;
using Kotonoha.Foundation.Unicode;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// Lets the model write its reasoning first and the answer after a marker, zero-shot (Kojima et al., 2022) or after worked examples (Wei et
/// al., 2022), and keeps the two apart.
/// </summary>
/// <remarks>
/// The answer is what follows the last line that starts with <c>Answer:</c>, <c>答え：</c> or the like, otherwise the last "the answer is …".
/// A reply without a marker is asked for once more; it is never taken for an answer.
/// </remarks>
public sealed class ChainOfThoughtAgent : StrategyAgent
{
    private readonly ChainOfThoughtOptions _options;

    /// <summary>Creates the agent.</summary>
    /// <param name="chat">The chat client.</param>
    /// <param name="options">How to ask; null for zero-shot with the client's own options.</param>
    public ChainOfThoughtAgent(IChatClient chat, ChainOfThoughtOptions? options = null)
        : base(chat, options ??= new ChainOfThoughtOptions())
        => _options = options;

    private protected override async Task<string> ReasonAsync(ReasoningRun run)
    {
        var (value, reply) = await run.AskAsync(await PromptAsync(run, _options).ConfigureAwait(false), new AnswerReply(run.Language))
            .ConfigureAwait(false);
        run.Emit(AgentStepKind.Thought, value.Reasoning, reply);
        return value.Answer;
    }

    /// <summary>Instructions, worked examples between them and the question, and the question.</summary>
    internal static async Task<List<ChatMessage>> PromptAsync(ReasoningRun run, ChainOfThoughtOptions options)
    {
        var prompt = await StrategyPrompts.RenderAsync("chain-of-thought", run.Language, run.Meter.Cancellation).ConfigureAwait(false);
        string marker = run.Language == PromptLanguage.Japanese ? "答え：" : "Answer: ", nudge = prompt[1].Text;
        var chosen = options.Examples
            .Select(example => new FewShotExample(example.Question, $"{example.Reasoning}\n{marker}{example.Answer}")).ToList();
        IReadOnlyList<FewShotExample> shown = options.ExampleSelector is null ? chosen
            : await options.ExampleSelector.SelectAsync(chosen, run.Question, run.Meter.Cancellation).ConfigureAwait(false);
        // An example asks in the same words as the question.
        var examples = shown.SelectMany(example => new FewShotExample($"{example.Input}\n{nudge}", example.Output).ToMessages());
        return run.Prompt(prompt[0].Text, nudge, examples);
    }
}

/// <summary>How a <see cref="ChainOfThoughtAgent"/> asks.</summary>
public record ChainOfThoughtOptions : StrategyOptions
{
    /// <summary>The worked examples shown before the question; none makes it zero-shot.</summary>
    public IReadOnlyList<ReasonedExample> Examples { get; init; } = [];

    /// <summary>Chooses among <see cref="Examples"/>; null shows all of them.</summary>
    public IExampleSelector? ExampleSelector { get; init; }
}

/// <summary>A worked example for few-shot chain of thought (Wei et al., 2022).</summary>
/// <param name="Question">The question.</param>
/// <param name="Reasoning">The steps from the question to the answer.</param>
/// <param name="Answer">The answer.</param>
public sealed record ReasonedExample(string Question, string Reasoning, string Answer);

/// <summary>
/// Samples several chains of thought and gives the answer that most of them come to (self-consistency: Wang et al., 2022).
/// </summary>
/// <remarks>
/// Answers are compared by their number where they are one ("1,200 yen" and "1200"), else without case, width and closing marks. The
/// samples run at the same time; a sample without an answer has no vote.
/// </remarks>
public sealed class SelfConsistencyAgent : StrategyAgent
{
    private readonly SelfConsistencyOptions _options;

    /// <summary>Creates the agent.</summary>
    /// <param name="chat">The chat client.</param>
    /// <param name="options">How many samples and how to ask; null for the defaults.</param>
    public SelfConsistencyAgent(IChatClient chat, SelfConsistencyOptions? options = null)
        : base(chat, options ??= new SelfConsistencyOptions())
        => _options = options;

    private protected override async Task<string> ReasonAsync(ReasoningRun run)
    {
        var prompt = await ChainOfThoughtAgent.PromptAsync(run, _options).ConfigureAwait(false);
        using var gate = new SemaphoreSlim(Math.Min(_options.MaxConcurrency, _options.Samples));
        RunStoppedException? stopped = null;
        var samples = await Task.WhenAll(Enumerable.Range(0, _options.Samples).Select(SampleAsync)).ConfigureAwait(false);
        var votes = samples.OfType<ReasonedAnswer>().GroupBy(sample => _options.AnswerKey(sample.Answer), StringComparer.Ordinal)
            // The grouping keeps the order of the samples, so that of two equal counts the earlier answer stays first.
            .OrderByDescending(group => group.Count()).ToList();
        if (votes.Count == 0)
            throw stopped!;
        foreach (var vote in votes)
            run.Emit(new AgentStep(AgentStepKind.Evaluation, string.Create(CultureInfo.InvariantCulture,
                $"{vote.Count()} of {_options.Samples} samples: {vote.First().Answer}"))
            {
                Turn = run.Meter.Calls,
                Score = (double)vote.Count() / _options.Samples,
            });
        return votes[0].First().Answer;

        async Task<ReasonedAnswer?> SampleAsync(int sample)
        {
            await gate.WaitAsync(run.Meter.Cancellation).ConfigureAwait(false);
            try
            {
                var options = run.ChatOptions.Clone();
                options.Temperature ??= _options.SampleTemperature;
                options.Seed += sample;
                var (value, reply) = await (run with { ChatOptions = options })
                    .AskAsync(prompt, new AnswerReply(run.Language), share: Math.Min(_options.MaxConcurrency, _options.Samples))
                    .ConfigureAwait(false);
                run.Emit(AgentStepKind.Thought, value.Reasoning, reply);
                return value;
            }
            catch (RunStoppedException e)
            {
                stopped = e;
                run.Emit(AgentStepKind.Note, $"Sample {sample + 1} has no vote: {e.Message}");
                return null;
            }
            finally
            {
                gate.Release();
            }
        }
    }

    /// <summary>
    /// What makes two answers the same: the number in them where there is just one, else the text without case, width and closing marks.
    /// </summary>
    /// <param name="answer">The answer.</param>
    /// <returns>A text that equal answers share.</returns>
    public static string NormalizeAnswer(string answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var text = Normalizer.FoldCase(Normalizer.Normalize(answer, NormalizationForm.FormKC)).Trim();
        var numbers = System.Text.RegularExpressions.Regex.Matches(text, @"(?<![\p{L}\d])-?\d+(,\d{3})*(\.\d+)?(?!\d)");
        if (numbers.Count == 1 && decimal.TryParse(numbers[0].Value, NumberStyles.Number, CultureInfo.InvariantCulture, out var number))
            return (number / 1.000000000000000000000000000m).ToString(CultureInfo.InvariantCulture);
        return string.Join(' ', text.Trim('.', '!', '。', '、', '"', '\'', '「', '」', '*').Split((char[]?)null,
            StringSplitOptions.RemoveEmptyEntries));
    }
}

/// <summary>How a <see cref="SelfConsistencyAgent"/> samples and votes.</summary>
public sealed record SelfConsistencyOptions : ChainOfThoughtOptions
{
    /// <summary>How many chains of thought are sampled; 5 unless said otherwise.</summary>
    public int Samples { get; init; } = 5;

    /// <summary>How many samples run at the same time; all of them unless said otherwise.</summary>
    public int MaxConcurrency { get; init; } = int.MaxValue;

    /// <summary>
    /// The temperature of the samples where <see cref="StrategyOptions.ChatOptions"/> gives none; 0.7 unless said otherwise.
    /// </summary>
    public float SampleTemperature { get; init; } = 0.7f;

    /// <summary>Answers with the same key are the same; <see cref="SelfConsistencyAgent.NormalizeAnswer"/> unless said otherwise.</summary>
    public Func<string, string> AnswerKey { get; init; } = SelfConsistencyAgent.NormalizeAnswer;

    private protected override void CheckOwn()
    {
        Positive(Samples, nameof(Samples));
        Positive(MaxConcurrency, nameof(MaxConcurrency));
        ArgumentNullException.ThrowIfNull(AnswerKey);
    }
}
