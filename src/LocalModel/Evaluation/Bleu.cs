namespace Kotonoha.LocalModel.Evaluation;

/// <summary>What takes the place of a precision of 0, whose logarithm would make the whole score 0.</summary>
public enum BleuSmoothing
{
    /// <summary>1/2, 1/4, … of a match for the first, second, … order without one (NIST).</summary>
    Exponential,

    /// <summary>A given number of matches.</summary>
    Floor,

    /// <summary>A number added to matches and n-grams of every order from 2.</summary>
    AddK,

    /// <summary>Nothing.</summary>
    None,
}

/// <summary>The settings of BLEU; the defaults are sacrebleu's for a corpus.</summary>
public sealed record BleuOptions
{
    /// <summary>How texts are split.</summary>
    public BleuTokenizer Tokenizer { get; init; }

    /// <summary>What takes the place of a precision of 0.</summary>
    public BleuSmoothing Smoothing { get; init; }

    /// <summary>The number of <see cref="BleuSmoothing.Floor"/> (0.1 unless given) and <see cref="BleuSmoothing.AddK"/> (1).</summary>
    public double? SmoothingValue { get; init; }

    /// <summary>Whether orders longer than the hypothesis are left out of the mean, as is usual for single sentences.</summary>
    public bool EffectiveOrder { get; init; }

    /// <summary>Whether case is ignored.</summary>
    public bool Lowercase { get; init; }

    /// <summary>The longest n-grams.</summary>
    public int MaxOrder { get; init; } = 4;
}

/// <summary>A BLEU score with what it is made of.</summary>
/// <param name="Score">From 0 to 100.</param>
/// <param name="Matches">Clipped matches of each order.</param>
/// <param name="Totals">N-grams of the hypotheses of each order.</param>
/// <param name="Precisions">In percent, smoothed.</param>
/// <param name="BrevityPenalty">From 0 to 1.</param>
/// <param name="HypothesisLength">Tokens of the hypotheses.</param>
/// <param name="ReferenceLength">Tokens of the closest references.</param>
public sealed record BleuScore(
    double Score, IReadOnlyList<double> Matches, IReadOnlyList<double> Totals, IReadOnlyList<double> Precisions, double BrevityPenalty,
    long HypothesisLength, long ReferenceLength);

/// <summary>
/// BLEU (https://aclanthology.org/P02-1040), with the tokenizers and smoothing of sacrebleu (https://aclanthology.org/W18-6319).
/// </summary>
public static class Bleu
{
    private const double DefaultFloor = 0.1;
    private const double LogOfZero = -9999999999;

    /// <summary>The score of one hypothesis.</summary>
    /// <param name="hypothesis">The text.</param>
    /// <param name="references">At least one text that would be right.</param>
    /// <param name="options">The settings; null for the defaults with <see cref="BleuOptions.EffectiveOrder"/>.</param>
    /// <exception cref="ArgumentException">There is no reference.</exception>
    public static BleuScore Sentence(string hypothesis, IReadOnlyList<string> references, BleuOptions? options = null)
        => Corpus([hypothesis], [references], options ?? new BleuOptions { EffectiveOrder = true });

    /// <summary>The score of many hypotheses together: their counts are added, not their scores.</summary>
    /// <param name="hypotheses">The texts.</param>
    /// <param name="references">At least one text that would be right for each hypothesis.</param>
    /// <param name="options">The settings; null for the defaults.</param>
    /// <exception cref="ArgumentException">The numbers differ, or a hypothesis has no reference.</exception>
    public static BleuScore Corpus(
        IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references, BleuOptions? options = null)
    {
        options ??= new BleuOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxOrder, 1, nameof(options));
        RequirePairs(hypotheses, references);
        double[] matches = new double[options.MaxOrder], totals = new double[options.MaxOrder];
        long length = 0, closest = 0;
        for (int i = 0; i < hypotheses.Count; i++)
        {
            var tokens = Tokens(hypotheses[i], options);
            var others = references[i].Select(reference => Tokens(reference, options)).ToArray();
            length += tokens.Length;
            closest += others.Select(other => other.Length)
                .MinBy(other => (Math.Abs(other - tokens.Length), other));
            for (int n = 1; n <= options.MaxOrder; n++)
            {
                var counts = MetricText.Counts(MetricText.NGrams(tokens, n));
                var most = new Dictionary<string, int>();
                foreach (var other in others)
                    foreach (var (gram, count) in MetricText.Counts(MetricText.NGrams(other, n)))
                        most[gram] = Math.Max(count, most.GetValueOrDefault(gram));
                matches[n - 1] += MetricText.Overlap(counts, most);
                totals[n - 1] += Math.Max(0, tokens.Length - n + 1);
            }
        }

        return Score(matches, totals, length, closest, options);
    }

    internal static void RequirePairs(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references)
    {
        ArgumentNullException.ThrowIfNull(hypotheses);
        ArgumentNullException.ThrowIfNull(references);
        if (hypotheses.Count != references.Count)
            throw new ArgumentException(
                $"{hypotheses.Count} hypotheses and references for {references.Count}: each needs its own.", nameof(references));
        for (int i = 0; i < references.Count; i++)
            if (references[i].Count == 0)
                throw new ArgumentException($"Hypothesis {i} has no reference.", nameof(references));
    }

    private static BleuScore Score(double[] matches, double[] totals, long length, long closest, BleuOptions options)
    {
        double penalty = length >= closest ? 1 : length == 0 ? 0 : Math.Exp(1 - (double)closest / length);
        var precisions = new double[matches.Length];
        if (matches.All(count => count == 0))
            return new BleuScore(0, matches, totals, precisions, penalty, length, closest);
        double share = 1;
        int orders = matches.Length;
        for (int n = 0; n < matches.Length; n++)
        {
            if (options.Smoothing == BleuSmoothing.AddK && n > 0)
            {
                matches[n] += options.SmoothingValue ?? 1;
                totals[n] += options.SmoothingValue ?? 1;
            }

            if (totals[n] == 0)
                break;
            orders = options.EffectiveOrder ? n + 1 : orders;
            if (matches[n] == 0 && options.Smoothing == BleuSmoothing.Exponential)
                precisions[n] = 100 / ((share *= 2) * totals[n]);
            else if (matches[n] == 0 && options.Smoothing == BleuSmoothing.Floor)
                precisions[n] = 100 * (options.SmoothingValue ?? DefaultFloor) / totals[n];
            else
                precisions[n] = 100 * matches[n] / totals[n];
        }

        double logs = precisions.Take(orders).Sum(p => p == 0 ? LogOfZero : Math.Log(p));
        return new BleuScore(penalty * Math.Exp(logs / orders), matches, totals, precisions, penalty, length, closest);
    }

    private static string[] Tokens(string text, BleuOptions options)
        => BleuTokenizers.Tokenize(options.Lowercase ? MetricText.Lower(text) : text, options.Tokenizer);
}
