namespace Kotonoha.Agents.Prompts;

/// <summary>Shows a random choice of examples in their given order; the same seed, count and number of examples give the same choice on every machine.</summary>
/// <param name="count">How many at most.</param>
/// <param name="seed">The seed.</param>
/// <remarks>Selection sampling (Knuth, The Art of Computer Programming, volume 2, algorithm S) over SplitMix64 (Steele, Lea and Flood, 2014).</remarks>
public sealed class RandomExampleSelector(int count, ulong seed) : IExampleSelector
{
    private readonly int _count = count >= 0 ? count : throw new ArgumentOutOfRangeException(nameof(count), count, "The number of examples must not be negative.");

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
