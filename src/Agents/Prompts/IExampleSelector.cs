namespace Kotonoha.Agents.Prompts;

/// <summary>Chooses which examples a prompt shows for an input.</summary>
public interface IExampleSelector
{
    /// <summary>Chooses examples.</summary>
    /// <param name="examples">All examples.</param>
    /// <param name="input">The input that the prompt is for.</param>
    /// <param name="cancellationToken">Cancels the choice.</param>
    /// <returns>The chosen examples in the order in which they are shown.</returns>
    ValueTask<IReadOnlyList<FewShotExample>> SelectAsync(
        IReadOnlyList<FewShotExample> examples, string input, CancellationToken cancellationToken = default);
}
