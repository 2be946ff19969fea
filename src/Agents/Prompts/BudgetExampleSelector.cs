namespace Kotonoha.Agents.Prompts;

/// <summary>Shows the examples that fit into a budget, in their given order; an example that does not fit is left out and the next one tried.</summary>
/// <param name="budget">The most that all shown examples may measure together.</param>
/// <param name="measure">Measures a text: a tokenizer's count of tokens, or its length in UTF-16 units when null.</param>
public sealed class BudgetExampleSelector(int budget, Func<string, int>? measure = null) : IExampleSelector
{
    private readonly int _budget = budget >= 0 ? budget : throw new ArgumentOutOfRangeException(nameof(budget), budget, "The budget must not be negative.");
    private readonly Func<string, int> _measure = measure ?? (static text => text.Length);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<FewShotExample>> SelectAsync(
        IReadOnlyList<FewShotExample> examples, string input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        var chosen = new List<FewShotExample>();
        long left = _budget;
        foreach (var example in examples)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long size = (long)_measure(example.Input) + _measure(example.Output);
            if (size > left)
                continue;
            left -= size;
            chosen.Add(example);
        }

        return new(chosen);
    }
}
