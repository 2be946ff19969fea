namespace Kotonoha.Agents.Reasoning;

/// <summary>A way to come from a question to an answer with a chat client; strategies are values that can be swapped.</summary>
public interface IReasoningStrategy
{
    /// <summary>Works on a question and gives each step as soon as it is finished.</summary>
    /// <param name="question">The question.</param>
    /// <param name="cancellationToken">Cancels the work; the stream then throws <see cref="OperationCanceledException"/>.</param>
    /// <returns>The steps; the last one is an answer or says why there is none (<see cref="AgentStep.StopReason"/>).</returns>
    IAsyncEnumerable<AgentStep> RunAsync(string question, CancellationToken cancellationToken = default);
}

/// <summary>What every reasoning strategy can do.</summary>
public static class ReasoningStrategyExtensions
{
    /// <summary>Works on a question to the end.</summary>
    /// <param name="strategy">The strategy.</param>
    /// <param name="question">The question.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <returns>The answer with its trace.</returns>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public static async Task<ReasoningResult> SolveAsync(
        this IReasoningStrategy strategy, string question, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(strategy);
        var steps = new List<AgentStep>();
        await foreach (var step in strategy.RunAsync(question, cancellationToken).ConfigureAwait(false))
            steps.Add(step);
        return new ReasoningResult(steps);
    }
}
