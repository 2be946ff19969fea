using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>A fixed list of worked examples and the way to choose among them.</summary>
/// <param name="examples">All examples.</param>
/// <param name="selector">Chooses which are shown; null shows all.</param>
public sealed class FewShotExamples(IReadOnlyList<FewShotExample> examples, IExampleSelector? selector = null)
{
    private readonly IReadOnlyList<FewShotExample> _examples = examples ?? throw new ArgumentNullException(nameof(examples));

    /// <summary>Chooses examples for an input and writes them as pairs of a user and an assistant message.</summary>
    /// <param name="input">The input that the prompt is for.</param>
    /// <param name="cancellationToken">Cancels the choice.</param>
    /// <returns>Two messages per example.</returns>
    public async Task<IReadOnlyList<ChatMessage>> SelectMessagesAsync(string input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        var chosen = selector is null ? _examples : await selector.SelectAsync(_examples, input, cancellationToken).ConfigureAwait(false);
        return [.. chosen.SelectMany(example => example.ToMessages())];
    }
}

/// <summary>One worked example: what a user says and what the assistant should reply.</summary>
/// <param name="Input">What the user says.</param>
/// <param name="Output">What the assistant replies.</param>
public sealed record FewShotExample(string Input, string Output)
{
    /// <summary>The example as a user message and an assistant message.</summary>
    /// <returns>Two messages.</returns>
    public IReadOnlyList<ChatMessage> ToMessages() => [new(ChatRole.User, Input), new(ChatRole.Assistant, Output)];
}

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

/// <summary>Shows the first examples.</summary>
/// <param name="count">How many at most.</param>
public sealed class FirstExampleSelector(int count) : IExampleSelector
{
    private readonly int _count = count >= 0
        ? count
        : throw new ArgumentOutOfRangeException(nameof(count), count, "The number of examples must not be negative.");

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<FewShotExample>> SelectAsync(
        IReadOnlyList<FewShotExample> examples, string input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        return new([.. examples.Take(_count)]);
    }
}

/// <summary>
/// Shows a random choice of examples in their given order; the same seed, count and number of examples give the same choice on every
/// machine.
/// </summary>
/// <param name="count">How many at most.</param>
/// <param name="seed">The seed.</param>
/// <remarks>
/// Selection sampling (Knuth, The Art of Computer Programming, volume 2, algorithm S) over SplitMix64 (Steele, Lea and Flood, 2014).
/// </remarks>
public sealed class RandomExampleSelector(int count, ulong seed) : IExampleSelector
{
    private readonly int _count = count >= 0
        ? count
        : throw new ArgumentOutOfRangeException(nameof(count), count, "The number of examples must not be negative.");

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<FewShotExample>> SelectAsync(
        IReadOnlyList<FewShotExample> examples, string input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        var chosen = new List<FewShotExample>();
        ulong state = seed;
        for (int i = 0; i < examples.Count && chosen.Count < _count; i++)
        {
            // Each example is taken with the probability (still wanted) / (still left).
            var draw = Math.BigMul(NextRandom(ref state), (ulong)(examples.Count - i), out _);
            if (draw < (ulong)(_count - chosen.Count))
                chosen.Add(examples[i]);
        }

        return new(chosen);
    }

    private static ulong NextRandom(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}

/// <summary>
/// Shows the examples that fit into a budget, in their given order; an example that does not fit is left out and the next one tried.
/// </summary>
/// <param name="budget">The most that all shown examples may measure together.</param>
/// <param name="measure">Measures a text: a tokenizer's count of tokens, or its length in UTF-16 units when null.</param>
public sealed class BudgetExampleSelector(int budget, Func<string, int>? measure = null) : IExampleSelector
{
    private readonly int _budget = budget >= 0
        ? budget
        : throw new ArgumentOutOfRangeException(nameof(budget), budget, "The budget must not be negative.");
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
