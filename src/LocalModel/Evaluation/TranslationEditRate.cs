namespace Kotonoha.LocalModel.Evaluation;

/// <summary>The settings of TER; the defaults are sacrebleu's.</summary>
public sealed record TranslationEditRateOptions
{
    /// <summary>Whether punctuation is split off first.</summary>
    public bool Normalized { get; init; }

    /// <summary>Whether punctuation is taken away first.</summary>
    public bool NoPunctuation { get; init; }

    /// <summary>Whether case matters.</summary>
    public bool CaseSensitive { get; init; }

    /// <summary>Whether Chinese characters, kanji and Asian punctuation are split off, too, when normalising.</summary>
    public bool AsianSupport { get; init; }
}

/// <summary>A translation edit rate.</summary>
/// <param name="Score">Edits in percent of the references' words; 0 is best, and it may exceed 100.</param>
/// <param name="Edits">Words inserted, deleted and substituted, and runs of words moved.</param>
/// <param name="ReferenceLength">The mean number of words of each hypothesis's references, summed.</param>
public readonly record struct TranslationEditRateScore(double Score, long Edits, double ReferenceLength);

/// <summary>
/// TER: the edits that turn a hypothesis into a reference, where moving a run of words counts once
/// (https://aclanthology.org/2006.amta-papers.25), with the search of Tercom as sacrebleu has it.
/// </summary>
public static class TranslationEditRate
{
    private const int MaxShiftLength = 10;
    private const int MaxShiftDistance = 50;
    private const int MaxShiftCandidates = 1000;
    private const int BeamWidth = 25;
    private const int Unreached = int.MaxValue / 2;

    /// <summary>The rate of one hypothesis.</summary>
    /// <param name="hypothesis">The text.</param>
    /// <param name="references">At least one text that would be right; the fewest edits count.</param>
    /// <param name="options">The settings; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no reference.</exception>
    public static TranslationEditRateScore Sentence(
        string hypothesis, IReadOnlyList<string> references, TranslationEditRateOptions? options = null)
        => Corpus([hypothesis], [references], options);

    /// <summary>The rate of many hypotheses together.</summary>
    /// <param name="hypotheses">The texts.</param>
    /// <param name="references">At least one text that would be right for each hypothesis; the fewest edits count.</param>
    /// <param name="options">The settings; null for the defaults.</param>
    /// <exception cref="ArgumentException">The numbers differ, or a hypothesis has no reference.</exception>
    public static TranslationEditRateScore Corpus(
        IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references, TranslationEditRateOptions? options = null)
    {
        options ??= new TranslationEditRateOptions();
        Bleu.RequirePairs(hypotheses, references);
        long edits = 0;
        double length = 0;
        for (int i = 0; i < hypotheses.Count; i++)
        {
            var words = Words(hypotheses[i], options);
            var others = references[i].Select(reference => Words(reference, options)).ToArray();
            edits += others.Min(other => Edits(words, other));
            length += others.Average(other => (double)other.Length);
        }

        return new TranslationEditRateScore(length > 0 ? 100 * edits / length : edits > 0 ? 100 : 0, edits, length);
    }

    private static string[] Words(string text, TranslationEditRateOptions options)
    {
        text = MetricText.TrimEnd(text);
        text = options.CaseSensitive ? text : MetricText.Lower(text);
        if (options.Normalized)
        {
            text = text.Replace("\n-", "", StringComparison.Ordinal).Replace('\n', ' ');
            var points = BleuTokenizers.Alone(
                MetricText.CodePointsOf($" {BleuTokenizers.Unescaped(text)} "), BleuTokenizers.IsAsciiPunctuation);
            text = MetricText.Text(points).Replace("'s ", " 's ", StringComparison.Ordinal);
            points = BleuTokenizers.Dashes(BleuTokenizers.PunctuationByDigits(MetricText.CodePointsOf(text)));
            text = MetricText.Text(options.AsianSupport ? BleuTokenizers.Alone(points, IsAsian) : points);
        }

        if (options.NoPunctuation)
            text = MetricText.Text(MetricText.CodePointsOf(text)
                .Where(p => !(p is '.' or ',' or '?' or ':' or ';' or '!' or '"' or '(' or ')'
                    || (options.AsianSupport && IsAsianPunctuation(p)))));
        return MetricText.Words(text);
    }

    private static bool IsAsian(int p)
        => p is (>= 0x2E80 and <= 0x2EFF) or (>= 0x31C0 and <= 0x31EF) or (>= 0x3200 and <= 0x4DBF) or (>= 0x4E00 and <= 0x9FFF)
            or (>= 0xF900 and <= 0xFAFF) or (>= 0xFE30 and <= 0xFE4F) || IsAsianPunctuation(p);

    private static bool IsAsianPunctuation(int p)
        => p is 0x3001 or 0x3002 or (>= 0x3008 and <= 0x3011) or (>= 0x3014 and <= 0x301F) or (>= 0xFF61 and <= 0xFF65) or 0x30FB
            or 0xFF0E or 0xFF0C or 0xFF1F or 0xFF1A or 0xFF1B or 0xFF01 or 0xFF02 or 0xFF08 or 0xFF09;

    // Moves the run of words that saves most, as long as one saves any, and counts the edits that are left.
    private static int Edits(string[] hypothesis, string[] reference)
    {
        if (reference.Length == 0)
            return hypothesis.Length;
        int shifts = 0, candidates = 0;
        while (BestShift(hypothesis, reference, ref candidates) is { } shifted)
        {
            hypothesis = shifted;
            shifts++;
        }

        return shifts + Distance(hypothesis, reference, out _);
    }

    private static string[]? BestShift(string[] hypothesis, string[] reference, ref int candidates)
    {
        int before = Distance(hypothesis, reference, out var operations);
        var (places, hypothesisErrors, referenceErrors) = Align(operations, reference.Length, hypothesis.Length);
        (int Gain, int Length, int Start, int Target) best = default;
        string[]? bestWords = null;
        foreach (var (start, at, length) in MatchingRuns(hypothesis, reference))
        {
            if (!hypothesisErrors.AsSpan(start, length).Contains(true) || !referenceErrors.AsSpan(at, length).Contains(true)
                || (places[at] >= start && places[at] < start + length))
                continue;
            int previous = -1;
            for (int offset = -1; offset < length && at + offset < reference.Length; offset++)
            {
                int target = at + offset == -1 ? 0 : places[at + offset] + 1;
                if (target == previous)
                    continue;
                previous = target;
                var shifted = Shifted(hypothesis, start, length, target);
                var candidate = (before - Distance(shifted, reference, out _), length, -start, -target);
                candidates++;
                if (bestWords is null || candidate.CompareTo(best) > 0)
                    (best, bestWords) = (candidate, shifted);
            }

            if (candidates >= MaxShiftCandidates)
                return null;
        }

        return bestWords is not null && best.Gain > 0 ? bestWords : null;
    }

    private static IEnumerable<(int Start, int At, int Length)> MatchingRuns(string[] hypothesis, string[] reference)
    {
        for (int start = 0; start < hypothesis.Length; start++)
            for (int at = Math.Max(0, start - MaxShiftDistance); at < Math.Min(reference.Length, start + MaxShiftDistance + 1); at++)
                for (int length = 1; length <= MaxShiftLength && start + length <= hypothesis.Length && at + length <= reference.Length
                    && hypothesis[start + length - 1] == reference[at + length - 1]; length++)
                    yield return (start, at, length);
    }

    private static string[] Shifted(string[] words, int start, int length, int target)
    {
        var run = words[start..(start + length)];
        if (target < start)
            return [.. words[..target], .. run, .. words[target..start], .. words[(start + length)..]];
        if (target > start + length)
            return [.. words[..start], .. words[(start + length)..target], .. run, .. words[target..]];
        int inside = Math.Min(length + target, words.Length);
        return [.. words[..start], .. words[(start + length)..inside], .. run, .. words[inside..]];
    }

    // For each word of the reference the place in the hypothesis; which words of both are not matched.
    private static (int[] Places, bool[] Hypothesis, bool[] Reference) Align(List<Edit> operations, int references, int hypotheses)
    {
        var places = new int[references];
        bool[] hypothesis = new bool[hypotheses], reference = new bool[references];
        int h = -1, r = -1;
        foreach (var operation in operations)
        {
            h += operation == Edit.Insert ? 0 : 1;
            r += operation == Edit.Delete ? 0 : 1;
            if (operation != Edit.Delete)
                (places[r], reference[r]) = (h, operation != Edit.Keep);
            if (operation != Edit.Insert)
                hypothesis[h] = operation != Edit.Keep;
        }

        return (places, hypothesis, reference);
    }

    // The Levenshtein distance within a beam around the diagonal, with the operations that turn the hypothesis into the reference.
    private static int Distance(string[] hypothesis, string[] reference, out List<Edit> operations)
    {
        int rows = hypothesis.Length, columns = reference.Length;
        var costs = new int[rows + 1, columns + 1];
        var edits = new Edit[rows + 1, columns + 1];
        double ratio = rows > 0 ? (double)columns / rows : 1;
        int beam = BeamWidth < ratio / 2 ? (int)Math.Ceiling(ratio / 2 + BeamWidth) : BeamWidth;
        for (int i = 0; i <= rows; i++)
            for (int j = 0; j <= columns; j++)
                (costs[i, j], edits[i, j]) = i == 0 ? (j, Edit.Insert) : (Unreached, Edit.Keep);
        for (int i = 1; i <= rows; i++)
        {
            int diagonal = (int)Math.Floor(i * ratio);
            int end = i == rows ? columns : Math.Min(columns, diagonal + beam - 1);
            for (int j = Math.Max(0, diagonal - beam); j <= end; j++)
            {
                if (j == 0)
                {
                    (costs[i, j], edits[i, j]) = (costs[i - 1, j] + 1, Edit.Delete);
                    continue;
                }

                bool same = hypothesis[i - 1] == reference[j - 1];
                Take(i, j, costs[i - 1, j - 1] + (same ? 0 : 1), same ? Edit.Keep : Edit.Substitute);
                Take(i, j, costs[i - 1, j] + 1, Edit.Delete);
                Take(i, j, costs[i, j - 1] + 1, Edit.Insert);
            }
        }

        operations = [];
        for (int i = rows, j = columns; i > 0 || j > 0;)
        {
            var edit = edits[i, j];
            operations.Add(edit);
            i -= edit == Edit.Insert ? 0 : 1;
            j -= edit == Edit.Delete ? 0 : 1;
        }

        operations.Reverse();
        return costs[rows, columns];

        void Take(int i, int j, int cost, Edit edit)
        {
            if (cost < costs[i, j])
                (costs[i, j], edits[i, j]) = (cost, edit);
        }
    }

    private enum Edit : byte
    {
        Keep,
        Substitute,
        Insert,
        Delete,
    }
}
