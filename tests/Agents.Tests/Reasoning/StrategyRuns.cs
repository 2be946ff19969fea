using Kotonoha.Agents.Reasoning;
using Microsoft.Agents.AI;

namespace Kotonoha.Agents.Tests.Reasoning;

internal static class StrategyRuns
{
    /// <summary>Runs a strategy on one question and gives its trace.</summary>
    internal static async Task<ReasoningResult> SolveAsync(
        this AIAgent agent, string question, CancellationToken cancellationToken = default)
        => (await agent.RunAsync(question, cancellationToken: cancellationToken)).GetReasoning()!;
}
