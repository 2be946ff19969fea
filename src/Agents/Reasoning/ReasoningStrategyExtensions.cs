namespace Kotonoha.Agents.Reasoning;

/// <summary>What every reasoning strategy can do.</summary>
public static class ReasoningStrategyExtensions
{
    /// <summary>Works on a question to the end.</summary>
    /// <param name="strategy">The strategy.</param>
    /// <param name="question">The question.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <returns>The answer with its trace.</returns>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public static async Task<ReasoningResult> SolveAsync(this IReasoningStrategy strategy, string question, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(strategy);
        var steps = new List<AgentStep>();
        await foreach (var step in strategy.RunAsync(question, cancellationToken).ConfigureAwait(false))
            steps.Add(step);
        return new ReasoningResult(steps);
    }
}
