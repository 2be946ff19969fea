using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Foundation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Optimization;

/// <summary>What a prompt answered to one example.</summary>
/// <param name="Example">The example.</param>
/// <param name="Text">The answer.</param>
/// <param name="Score">Its score, from 0 to 1.</param>
/// <param name="Problem">Why the answer breaks the output schema, which makes the score 0; or null.</param>
public sealed record ScoredAnswer(PromptExample Example, string Text, double Score, string? Problem);

/// <summary>What a prompt scored on examples.</summary>
/// <param name="Answers">The answers in the order of the examples.</param>
/// <param name="Usage">The tokens of all requests, where the client tells.</param>
public sealed record PromptEvaluation(IReadOnlyList<ScoredAnswer> Answers, UsageDetails Usage)
{
    /// <summary>The mean of the scores.</summary>
    public double Score => Answers.Average(answer => answer.Score);

    /// <summary>Asks a prompt for every example, once each: an answer that breaks the output schema is not repaired and scores 0.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="client">Answers.</param>
    /// <param name="examples">The examples.</param>
    /// <param name="metric">Scores the answers.</param>
    /// <param name="defaults">Options for what the file leaves open, for example those of the model.</param>
    /// <param name="concurrency">How many requests run at the same time.</param>
    /// <param name="progress">Hears of every answer.</param>
    /// <param name="cancellationToken">Cancels the requests.</param>
    /// <returns>The answers and the score.</returns>
    /// <exception cref="PromptFileException">An example does not fit the prompt.</exception>
    public static Task<PromptEvaluation> RunAsync(
        PromptFile prompt, IChatClient client, IReadOnlyList<PromptExample> examples, PromptMetric metric, ChatOptions? defaults = null,
        int concurrency = 1, IProgress<ProgressReport>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(metric);
        ArgumentOutOfRangeException.ThrowIfZero(examples.Count);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(concurrency);
        return new Evaluator(metric, concurrency, budget: null).RunAsync(
            prompt, client, defaults, examples, "answer", progress, cancellationToken)!;
    }
}

/// <summary>Two evaluations on the same examples, compared in pairs.</summary>
/// <param name="Difference">The second mean score less the first.</param>
/// <param name="Low">The lower end of the difference's 95% interval.</param>
/// <param name="High">The upper end.</param>
/// <param name="Wins">The examples on which the second scores higher.</param>
/// <param name="Losses">Those on which it scores lower.</param>
/// <param name="Ties">Those on which both score the same.</param>
/// <param name="Seed">The seed of the interval.</param>
public sealed record PromptComparison(double Difference, double Low, double High, int Wins, int Losses, int Ties, int Seed)
{
    private const int Resamples = 10_000;

    /// <summary>
    /// Compares two evaluations: the interval is that of the paired bootstrap (Efron and Tibshirani, 1993; percentiles of 10,000
    /// resamples of the examples).
    /// </summary>
    /// <param name="first">The one.</param>
    /// <param name="second">The other, on the same examples in the same order.</param>
    /// <param name="seed">The seed of the resamples.</param>
    /// <returns>The comparison.</returns>
    /// <exception cref="ArgumentException">The examples are not the same.</exception>
    public static PromptComparison Of(PromptEvaluation first, PromptEvaluation second, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Answers.Count != second.Answers.Count
            || first.Answers.Zip(second.Answers).Any(pair => !ReferenceEquals(pair.First.Example, pair.Second.Example)))
            throw new ArgumentException("The two evaluations must be of the same examples.", nameof(second));
        double[] differences = [.. first.Answers.Zip(second.Answers, (a, b) => b.Score - a.Score)];
        var random = new Random(seed);
        double[] means = new double[Resamples];
        for (int i = 0; i < Resamples; i++)
        {
            double sum = 0;
            for (int j = 0; j < differences.Length; j++)
                sum += differences[random.Next(differences.Length)];
            means[i] = sum / differences.Length;
        }

        Array.Sort(means);
        return new PromptComparison(
            differences.Average(), means[(int)(0.025 * Resamples)], means[(int)(0.975 * Resamples) - 1], differences.Count(d => d > 0),
            differences.Count(d => d < 0), differences.Count(d => d == 0), seed);
    }
}

/// <summary>Runs prompts over examples, in groups of requests that run at the same time, for as long as the budget lasts.</summary>
internal sealed class Evaluator(PromptMetric metric, int concurrency, SpentBudget? budget)
{
    // An answer is scored as the model gives it.
    private static readonly PromptRunOptions Once = new() { MaxRepairs = 0 };

    /// <returns>The evaluation, or null where the budget ends before it.</returns>
    public async Task<PromptEvaluation?> RunAsync(
        PromptFile prompt, IChatClient client, ChatOptions? defaults, IReadOnlyList<PromptExample> examples, string stage,
        IProgress<ProgressReport>? progress, CancellationToken cancellationToken)
    {
        if (budget is { } limit && !limit.Allows(examples.Count))
            return null;
        var answers = new List<ScoredAnswer>();
        var usage = new UsageDetails();
        foreach (var group in examples.Chunk(concurrency))
        {
            if (budget?.IsSpent == true)
                return null;
            foreach (var (answer, used) in await Task.WhenAll(
                group.Select(example => AskAsync(prompt, client, defaults, example, cancellationToken))).ConfigureAwait(false))
            {
                answers.Add(answer);
                usage.Add(used);
            }

            progress?.Report(new ProgressReport(stage, answers.Count, examples.Count));
        }

        return new PromptEvaluation(answers, usage);
    }

    public async Task<(ScoredAnswer Answer, UsageDetails Usage)> AskAsync(
        PromptFile prompt, IChatClient client, ChatOptions? defaults, PromptExample example, CancellationToken cancellationToken)
    {
        var trace = new CallTrace();
        string text;
        string? problem = null;
        try
        {
            text = (await prompt.RunAsync(
                client, example.Values, Once with { Defaults = defaults, Trace = trace }, cancellationToken).ConfigureAwait(false)).Text;
        }
        catch (PromptOutputException exception)
        {
            (text, problem) = (exception.Text, exception.Problem);
        }

        budget?.Count(trace.Usage);
        return (new ScoredAnswer(example, text, problem is null ? metric.Score(text, example) : 0, problem), trace.Usage ?? new());
    }

    private sealed class CallTrace : IProgress<PromptTraceEvent>
    {
        public UsageDetails? Usage { get; private set; }

        public void Report(PromptTraceEvent value) => Usage = value.Step == PromptTraceStep.Call ? value.Usage : Usage;
    }
}

/// <summary>What an optimisation has spent of its budget.</summary>
internal sealed class SpentBudget(int? maxCalls, long? maxTokens)
{
    private readonly Lock _lock = new();

    public int Calls { get; private set; }

    public UsageDetails Usage { get; } = new();

    /// <summary>Whether it was in the way of anything.</summary>
    public bool HasStopped { get; private set; }

    public bool IsSpent => !Allows(1);

    public bool Allows(int calls)
    {
        lock (_lock)
        {
            bool isEnough = (maxCalls is not { } most || Calls + calls <= most) && (maxTokens is not { } tokens || Total < tokens);
            HasStopped |= !isEnough;
            return isEnough;
        }
    }

    public void Count(UsageDetails? used)
    {
        lock (_lock)
        {
            Calls++;
            if (used is not null)
                Usage.Add(used);
            else if (maxTokens is not null)
                throw new PromptOptimizationException(
                    "The budget counts tokens, and the client does not tell how many an answer took; set a budget of calls instead.");
        }
    }

    private long Total => (Usage.InputTokenCount ?? 0) + (Usage.OutputTokenCount ?? 0);
}
