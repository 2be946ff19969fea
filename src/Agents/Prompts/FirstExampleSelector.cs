namespace Kotonoha.Agents.Prompts;

/// <summary>Shows the first examples.</summary>
/// <param name="count">How many at most.</param>
public sealed class FirstExampleSelector(int count) : IExampleSelector
{
    private readonly int _count = count >= 0 ? count : throw new ArgumentOutOfRangeException(nameof(count), count, "The number of examples must not be negative.");

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<FewShotExample>> SelectAsync(
        IReadOnlyList<FewShotExample> examples, string input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        return new([.. examples.Take(_count)]);
    }
}
