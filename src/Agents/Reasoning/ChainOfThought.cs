using System.Runtime.CompilerServices;
using Kotonoha.Agents.Prompts;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// Lets the model write its reasoning first and the answer after a marker, zero-shot (Kojima et al., 2022) or after worked examples (Wei et
/// al., 2022), and returns the two separately.
/// </summary>
/// <remarks>
/// The answer is what follows the last line that starts with <c>Answer:</c>, <c>答え：</c> or the like, otherwise the last "the answer is …".
/// A reply without a marker is noted in the trace and, unless switched off, asked for once more; it is never taken for an answer.
/// Thread-safe, as far as the client is.
/// </remarks>
/// <param name="chat">The chat client.</param>
/// <param name="options">How to ask; null for zero-shot with the client's own options.</param>
public sealed class ChainOfThought(IChatClient chat, ChainOfThoughtOptions? options = null) : IReasoningStrategy
{
    private readonly IChatClient _chat = chat ?? throw new ArgumentNullException(nameof(chat));
    private readonly ChainOfThoughtOptions _options = options ?? new ChainOfThoughtOptions();

    /// <inheritdoc/>
    public async IAsyncEnumerable<AgentStep> RunAsync(
        string question, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(question);
        var language = StrategyPrompts.Resolve(_options.Language, question);
        var clock = new RunClock(TimeProvider.System);
        var messages = new List<ChatMessage>(await AskAsync(question, language, cancellationToken).ConfigureAwait(false));

        var response = await _chat.GetResponseAsync(messages, _options.ChatOptions?.Clone(), cancellationToken).ConfigureAwait(false);
        var duration = clock.Lap();
        var (answer, reasoning) = Read(response);
        yield return clock.Stamp(new AgentStep(AgentStepKind.Thought, reasoning) { Turn = 1, Duration = duration, Usage = response.Usage });
        if (answer is not null)
        {
            yield return clock.Stamp(new AgentStep(AgentStepKind.Answer, answer) { Turn = 1, StopReason = StopReason.Answered });
            yield break;
        }

        bool isCut = response.FinishReason == ChatFinishReason.Length;
        var problem = isCut ? "The reply was cut off at its length limit before a marked answer." : "The reply holds no marked answer.";
        yield return clock.Stamp(new AgentStep(AgentStepKind.Note, problem) { Turn = 1 });
        if (_options.AsksAgain)
        {
            messages.Add(new ChatMessage(ChatRole.Assistant, response.Text));
            messages.AddRange(await StrategyPrompts.RenderAsync("extract-answer", language, cancellationToken).ConfigureAwait(false));
            response = await _chat.GetResponseAsync(messages, _options.ChatOptions?.Clone(), cancellationToken).ConfigureAwait(false);
            duration = clock.Lap();
            isCut = response.FinishReason == ChatFinishReason.Length;
            answer = AnswerReader.Read(response.Text).Answer;
            bool isMarked = answer is not null;
            // Asked for the answer alone, one finished line without the marker is that answer; more than one line may be anything.
            if (!isMarked && !isCut && response.Text.Trim() is { Length: > 0 } line && !line.Contains('\n'))
                answer = LabeledText.Unwrap(line);
            var outcome = answer is null ? $"Asked again, the reply holds no answer either: {response.Text.Trim()}"
                : isMarked ? "Asked again, the model marked its answer."
                : "Asked again, the model gave one line without the marker.";
            yield return clock.Stamp(new AgentStep(AgentStepKind.Note, outcome) { Turn = 2, Duration = duration, Usage = response.Usage });
            if (answer is not null)
            {
                yield return clock.Stamp(new AgentStep(AgentStepKind.Answer, answer) { Turn = 2, StopReason = StopReason.Answered });
                yield break;
            }
        }

        yield return clock.Stamp(new AgentStep(AgentStepKind.Stopped, "No answer was marked.")
        {
            Turn = _options.AsksAgain ? 2 : 1,
            StopReason = isCut ? StopReason.ReplyCutOff : StopReason.AnswerMissing,
        });
    }

    private static (string? Answer, string Reasoning) Read(ChatResponse response)
    {
        var (answer, reasoning) = AnswerReader.Read(response.Text);
        var own =
            string.Join('\n',
                response.Messages.SelectMany(message => message.Contents).OfType<TextReasoningContent>().Select(content => content.Text));
        if (own.Length == 0)
            return (answer, reasoning);
        // A client that keeps the reasoning apart itself leaves the answer alone in the text.
        return answer is not null ? (answer, reasoning.Length == 0 ? own : $"{own}\n{reasoning}")
            : response.FinishReason != ChatFinishReason.Length && response.Text.Trim() is { Length: > 0 } text ? (text, own)
            : (null, own);
    }

    private async Task<IReadOnlyList<ChatMessage>> AskAsync(string question, PromptLanguage language, CancellationToken cancellationToken)
    {
        var chosen = _options.Examples.Select(example => new FewShotExample(example.Question,
            language == PromptLanguage.Japanese
                ? $"{example.Reasoning}\n答え：{example.Answer}"
                : $"{example.Reasoning}\nAnswer: {example.Answer}")).ToList();
        IReadOnlyList<FewShotExample> shown = _options.ExampleSelector is null ? chosen
            : await _options.ExampleSelector.SelectAsync(chosen, question, cancellationToken).ConfigureAwait(false);
        var messages = await StrategyPrompts.RenderAsync("chain-of-thought", language, cancellationToken, ("question", question))
            .ConfigureAwait(false);
        var examples = new List<ChatMessage>();
        foreach (var example in shown)
        {
            // An example asks in the same words as the question.
            var asked = await StrategyPrompts.RenderAsync("chain-of-thought", language, cancellationToken, ("question", example.Input))
                .ConfigureAwait(false);
            examples.Add(asked[^1]);
            examples.Add(new ChatMessage(ChatRole.Assistant, example.Output));
        }

        // Worked examples stand between the instructions and the question.
        return [.. messages.SkipLast(1), .. examples, messages[^1]];
    }
}

/// <summary>How a <see cref="ChainOfThought"/> asks.</summary>
public sealed record ChainOfThoughtOptions
{
    /// <summary>The worked examples shown before the question; none makes it zero-shot.</summary>
    public IReadOnlyList<ReasonedExample> Examples { get; init; } = [];

    /// <summary>Chooses among <see cref="Examples"/>; null shows all of them.</summary>
    public IExampleSelector? ExampleSelector { get; init; }

    /// <summary>The language of the prompt.</summary>
    public PromptLanguage Language { get; init; }

    /// <summary>
    /// Whether to ask once more for the answer alone where the first reply marks none, as in the second stage of zero-shot chain of thought
    /// (Kojima et al., 2022); true unless said otherwise.
    /// </summary>
    public bool AsksAgain { get; init; } = true;

    /// <summary>Options passed on with each model call; null for the client's own.</summary>
    public ChatOptions? ChatOptions { get; init; }
}

/// <summary>A worked example for few-shot chain of thought (Wei et al., 2022).</summary>
/// <param name="Question">The question.</param>
/// <param name="Reasoning">The steps from the question to the answer.</param>
/// <param name="Answer">The answer.</param>
public sealed record ReasonedExample(string Question, string Reasoning, string Answer);
