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
