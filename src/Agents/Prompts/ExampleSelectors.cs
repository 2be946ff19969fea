using System.Runtime.CompilerServices;
using Kotonoha.Foundation.Text;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>
/// Shows the examples whose inputs are most like the input of the prompt, the most similar one first, so that a budget keeps it.
/// </summary>
/// <remarks>
/// With a diversity above 0 it is maximal marginal relevance (Carbonell and Goldstein, 1998): an example counts less, the more it is like
/// one that is chosen already. Without an embedding generator, inputs are compared by their words: the cosine of TF-IDF vectors over the
/// examples. Vectors of a list of examples are made once. Thread-safe.
/// </remarks>
/// <param name="count">How many at most.</param>
/// <param name="embeddings">Makes vectors of inputs; null compares words.</param>
/// <param name="diversity">From 0 (similarity alone) to 1 (diversity alone).</param>
public sealed class SimilarityExampleSelector(
    int count, IEmbeddingGenerator<string, Embedding<float>>? embeddings = null, double diversity = 0) : IExampleSelector
{
    private readonly int _count = count >= 0
        ? count
        : throw new ArgumentOutOfRangeException(nameof(count), count, "The number of examples must not be negative.");

    private readonly double _diversity = diversity is >= 0 and <= 1
        ? diversity
        : throw new ArgumentOutOfRangeException(nameof(diversity), diversity, "The diversity is from 0 to 1.");

    private readonly ConditionalWeakTable<IReadOnlyList<FewShotExample>, Vectors> _known = [];

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<FewShotExample>> SelectAsync(
        IReadOnlyList<FewShotExample> examples, string input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(input);
        if (_count == 0 || examples.Count == 0)
            return [];
        if (!_known.TryGetValue(examples, out var vectors))
        {
            vectors = await MakeAsync(examples, cancellationToken).ConfigureAwait(false);
            _known.AddOrUpdate(examples, vectors);
        }

        var question = embeddings is null
            ? vectors.Words!.Vector(input)
            : (await embeddings.GenerateAsync([input], null, cancellationToken).ConfigureAwait(false))[0].Vector.ToArray();
        double[] relevance = [.. vectors.All.Select(vector => Cosine(vector, question))];
        var chosen = new List<int>();
        while (chosen.Count < Math.Min(_count, examples.Count))
        {
            int best = -1;
            double bestScore = double.NegativeInfinity;
            for (int i = 0; i < examples.Count; i++)
            {
                if (chosen.Contains(i))
                    continue;
                double alike = chosen.Count == 0 ? 0 : chosen.Max(other => Cosine(vectors.All[i], vectors.All[other]));
                double score = (1 - _diversity) * relevance[i] - _diversity * alike;
                if (score > bestScore)
                    (best, bestScore) = (i, score);
            }

            chosen.Add(best);
        }

        return [.. chosen.Select(i => examples[i])];
    }

    private static double Cosine(float[] a, float[] b)
    {
        double dot = 0, first = 0, second = 0;
        for (int i = 0; i < a.Length; i++)
        {
            dot += (double)a[i] * b[i];
            first += (double)a[i] * a[i];
            second += (double)b[i] * b[i];
        }

        return dot == 0 ? 0 : dot / Math.Sqrt(first * second);
    }

    private async Task<Vectors> MakeAsync(IReadOnlyList<FewShotExample> examples, CancellationToken cancellationToken)
    {
        if (embeddings is null)
        {
            var words = new WordVectors(examples.Select(example => example.Input));
            return new Vectors([.. examples.Select(example => words.Vector(example.Input))], words);
        }

        var made = await embeddings.GenerateAsync(examples.Select(example => example.Input), null, cancellationToken).ConfigureAwait(false);
        return new Vectors([.. made.Select(embedding => embedding.Vector.ToArray())], null);
    }

    private sealed record Vectors(float[][] All, WordVectors? Words);

    /// <summary>TF-IDF over the terms of the examples; other terms tell nothing apart.</summary>
    private sealed class WordVectors
    {
        private readonly Dictionary<string, (int Place, float Weight)> _terms = new(StringComparer.Ordinal);

        public WordVectors(IEnumerable<string> texts)
        {
            var counts = new Dictionary<string, int>(StringComparer.Ordinal);
            int all = 0;
            foreach (var text in texts)
            {
                all++;
                foreach (var term in Terms(text).Distinct())
                    counts[term] = counts.GetValueOrDefault(term) + 1;
            }

            foreach (var (term, count) in counts.OrderBy(entry => entry.Key, StringComparer.Ordinal))
                _terms.Add(term, (_terms.Count, MathF.Log(1 + (float)all / count)));
        }

        public float[] Vector(string text)
        {
            float[] vector = new float[Math.Max(1, _terms.Count)];
            foreach (var term in Terms(text))
                if (_terms.TryGetValue(term, out var known))
                    vector[known.Place] += known.Weight;
            return vector;
        }

        private static IEnumerable<string> Terms(string text) => TextAnalyzer.Analyze(text).Select(token => token.Term);
    }
}

/// <summary>
/// Shows examples of every label in turn, in their given order: the first of each label, then the second of each. A model that sees one
/// label more often than the others prefers it.
/// </summary>
/// <param name="count">How many at most.</param>
/// <param name="labelOf">The label of an example; null takes its output.</param>
public sealed class LabelBalancedExampleSelector(int count, Func<FewShotExample, string>? labelOf = null) : IExampleSelector
{
    private readonly int _count = count >= 0
        ? count
        : throw new ArgumentOutOfRangeException(nameof(count), count, "The number of examples must not be negative.");

    private readonly Func<FewShotExample, string> _labelOf = labelOf ?? (static example => example.Output);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<FewShotExample>> SelectAsync(
        IReadOnlyList<FewShotExample> examples, string input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        var labels = examples.GroupBy(_labelOf, StringComparer.Ordinal).Select(group => group.ToList()).ToList();
        var chosen = new List<FewShotExample>();
        for (int round = 0; chosen.Count < _count && labels.Exists(group => group.Count > round); round++)
            foreach (var group in labels)
                if (group.Count > round && chosen.Count < _count)
                    chosen.Add(group[round]);
        return new(chosen);
    }
}

/// <summary>Lets each selector choose among what the one before has chosen, for example by similarity and then within a budget.</summary>
/// <param name="selectors">The selectors, in order.</param>
public sealed class ChainedExampleSelector(params IReadOnlyList<IExampleSelector> selectors) : IExampleSelector
{
    private readonly IReadOnlyList<IExampleSelector> _selectors = selectors ?? throw new ArgumentNullException(nameof(selectors));

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<FewShotExample>> SelectAsync(
        IReadOnlyList<FewShotExample> examples, string input, CancellationToken cancellationToken = default)
    {
        foreach (var selector in _selectors)
            examples = await selector.SelectAsync(examples, input, cancellationToken).ConfigureAwait(false);
        return examples;
    }
}
