namespace Kotonoha.LocalModel.Evaluation;

/// <summary>The settings of chrF; the defaults are chrF2 of sacrebleu. A <see cref="WordOrder"/> of 2 makes it chrF++.</summary>
public sealed record ChrFOptions
{
    /// <summary>The longest n-grams of characters.</summary>
    public int CharacterOrder { get; init; } = 6;

    /// <summary>The longest n-grams of words; 0 for none.</summary>
    public int WordOrder { get; init; }

    /// <summary>How many times as much as precision recall counts.</summary>
    public double Beta { get; init; } = 2;

    /// <summary>Whether white space counts as characters.</summary>
    public bool Whitespace { get; init; }

    /// <summary>Whether the score is the mean of each order's, with 1e-16 for what is undefined, as in the first implementation.</summary>
    public bool EpsilonSmoothing { get; init; }

    /// <summary>Whether case is ignored.</summary>
    public bool Lowercase { get; init; }
}

/// <summary>
/// chrF and chrF++: an F score of n-grams of characters (and words) (https://aclanthology.org/W15-3049, https://aclanthology.org/W17-4770),
/// as sacrebleu computes it.
/// </summary>
public static class ChrF
{
    private const double Epsilon = 1e-16;
    private const string Punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

    /// <summary>The score of one hypothesis, from 0 to 100.</summary>
    /// <param name="hypothesis">The text.</param>
    /// <param name="references">At least one text that would be right; the best counts.</param>
    /// <param name="options">The settings; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no reference.</exception>
    public static double Sentence(string hypothesis, IReadOnlyList<string> references, ChrFOptions? options = null)
        => Corpus([hypothesis], [references], options);

    /// <summary>The score of many hypotheses together, from 0 to 100: their counts are added, not their scores.</summary>
    /// <param name="hypotheses">The texts.</param>
    /// <param name="references">At least one text that would be right for each hypothesis; the best counts.</param>
    /// <param name="options">The settings; null for the defaults.</param>
    /// <exception cref="ArgumentException">The numbers differ, or a hypothesis has no reference.</exception>
    public static double Corpus(
        IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references, ChrFOptions? options = null)
    {
        options ??= new ChrFOptions();
        Bleu.RequirePairs(hypotheses, references);
        var sums = new Order[options.CharacterOrder + options.WordOrder];
        for (int i = 0; i < hypotheses.Count; i++)
        {
            var counts = Counts(hypotheses[i], options);
            var best = references[i].Select(reference => Compare(counts, Counts(reference, options)))
                .MaxBy(orders => Score(orders, options))!;
            for (int n = 0; n < sums.Length; n++)
                sums[n] = new Order(sums[n].Hypothesis + best[n].Hypothesis, sums[n].Reference + best[n].Reference,
                    sums[n].Matches + best[n].Matches);
        }

        return Score(sums, options);
    }

    private static Order[] Compare(Dictionary<string, int>[] hypothesis, Dictionary<string, int>[] reference)
        => [.. hypothesis.Zip(reference, (h, r)
            => new Order(r.Count == 0 ? 0 : h.Values.Sum(), r.Values.Sum(), MetricText.Overlap(h, r)))];

    private static double Score(Order[] orders, ChrFOptions options)
    {
        double factor = options.Beta * options.Beta, precisions = 0, recalls = 0, scores = 0;
        int counted = 0;
        foreach (var order in orders)
        {
            double precision = order.Hypothesis > 0 ? (double)order.Matches / order.Hypothesis : Epsilon;
            double recall = order.Reference > 0 ? (double)order.Matches / order.Reference : Epsilon;
            double divisor = factor * precision + recall;
            scores += divisor > 0 ? (1 + factor) * precision * recall / divisor : Epsilon;
            if (order.Hypothesis == 0 || order.Reference == 0)
                continue;
            precisions += precision;
            recalls += recall;
            counted++;
        }

        if (options.EpsilonSmoothing)
            return 100 * scores / orders.Length;
        if (precisions + recalls == 0)
            return 0;
        return 100 * (1 + factor) * (precisions / counted) * (recalls / counted) / (factor * precisions / counted + recalls / counted);
    }

    private static Dictionary<string, int>[] Counts(string text, ChrFOptions options)
    {
        text = options.Lowercase ? MetricText.Lower(text) : text;
        var kept = options.Whitespace ? text : string.Concat(MetricText.Words(text));
        string[] characters = [.. MetricText.CodePointsOf(kept).Select(p => MetricText.Text([p]))], words = Words(text);
        var counts = new Dictionary<string, int>[options.CharacterOrder + options.WordOrder];
        for (int n = 1; n <= options.CharacterOrder; n++)
            counts[n - 1] = MetricText.Counts(Enumerable.Range(0, Math.Max(0, characters.Length - n + 1))
                .Select(i => string.Concat(characters.Skip(i).Take(n))));
        for (int n = 1; n <= options.WordOrder; n++)
            counts[options.CharacterOrder + n - 1] = MetricText.Counts(MetricText.NGrams(words, n));
        return counts;
    }

    // Words, with one punctuation mark at the end, or else at the start, apart.
    private static string[] Words(string text)
    {
        var words = new List<string>();
        foreach (var word in MetricText.Words(text))
            if (word.Length > 1 && Punctuation.Contains(word[^1], StringComparison.Ordinal))
                words.AddRange([word[..^1], word[^1..]]);
            else if (word.Length > 1 && Punctuation.Contains(word[0], StringComparison.Ordinal))
                words.AddRange([word[..1], word[1..]]);
            else
                words.Add(word);
        return [.. words];
    }

    private readonly record struct Order(long Hypothesis, long Reference, long Matches);
}
