namespace Kotonoha.LocalModel.Evaluation;

/// <summary>How ROUGE splits texts.</summary>
public enum RougeTokenizer
{
    /// <summary>Runs of a–z and 0–9 in lower case. A Japanese text has none of them and scores 0.</summary>
    Words,

    /// <summary>As <see cref="Words"/>, each longer than three letters without its ending (Porter's stemmer).</summary>
    Stems,

    /// <summary>Characters but white space: for Japanese, Chinese and other languages without spaces.</summary>
    Characters,
}

/// <summary>How much of one text is in another.</summary>
/// <param name="Precision">The matched share of the prediction.</param>
/// <param name="Recall">The matched share of the target.</param>
/// <param name="F1">Their harmonic mean.</param>
public readonly record struct PrecisionRecall(double Precision, double Recall, double F1)
{
    internal static PrecisionRecall Of(double matches, double predicted, double wanted)
    {
        double precision = predicted > 0 ? matches / predicted : 0, recall = wanted > 0 ? matches / wanted : 0;
        return new PrecisionRecall(precision, recall, MetricText.HarmonicMean(precision, recall));
    }
}

/// <summary>ROUGE (https://aclanthology.org/W04-1013) as the package rouge_score computes it; from 0 to 1.</summary>
public static class RougeScore
{
    /// <summary>ROUGE-N: n-grams that both have.</summary>
    /// <param name="prediction">The text to score.</param>
    /// <param name="target">The text that would be right.</param>
    /// <param name="n">The length of n-grams, at least 1.</param>
    /// <param name="tokenizer">How texts are split.</param>
    public static PrecisionRecall NGram(string prediction, string target, int n, RougeTokenizer tokenizer = RougeTokenizer.Words)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        Dictionary<string, int> got = Counts(prediction), want = Counts(target);
        return PrecisionRecall.Of(MetricText.Overlap(got, want), got.Values.Sum(), want.Values.Sum());

        Dictionary<string, int> Counts(string text) => MetricText.Counts(MetricText.NGrams(Tokens(text, tokenizer), n));
    }

    /// <summary>ROUGE-L: the longest common subsequence.</summary>
    /// <param name="prediction">The text to score.</param>
    /// <param name="target">The text that would be right.</param>
    /// <param name="tokenizer">How texts are split.</param>
    public static PrecisionRecall LongestCommon(string prediction, string target, RougeTokenizer tokenizer = RougeTokenizer.Words)
    {
        List<string> got = Tokens(prediction, tokenizer), want = Tokens(target, tokenizer);
        return PrecisionRecall.Of(CommonLengths(want, got)[want.Count, got.Count], got.Count, want.Count);
    }

    /// <summary>
    /// ROUGE-Lsum: for each sentence (line) of the target the union of what it has in common with each of the prediction.
    /// </summary>
    /// <param name="prediction">The text to score; a line is a sentence.</param>
    /// <param name="target">The text that would be right; a line is a sentence.</param>
    /// <param name="tokenizer">How texts are split.</param>
    public static PrecisionRecall Summary(string prediction, string target, RougeTokenizer tokenizer = RougeTokenizer.Words)
    {
        List<List<string>> got = Sentences(prediction), want = Sentences(target);
        Dictionary<string, int> gotLeft = MetricText.Counts(got.SelectMany(s => s)), wantLeft = MetricText.Counts(want.SelectMany(s => s));
        int predicted = gotLeft.Values.Sum(), wanted = wantLeft.Values.Sum(), matches = 0;
        foreach (var sentence in want)
            foreach (int place in got.SelectMany(other => CommonPlaces(sentence, other)).Distinct().Order())
            {
                // A token that occurs once in the prediction counts once.
                var token = sentence[place];
                if (gotLeft.GetValueOrDefault(token) == 0 || wantLeft[token] == 0)
                    continue;
                gotLeft[token]--;
                wantLeft[token]--;
                matches++;
            }

        return PrecisionRecall.Of(matches, predicted, wanted);

        List<List<string>> Sentences(string text)
            => [.. text.Split('\n').Where(line => line.Length > 0).Select(line => Tokens(line, tokenizer))];
    }

    /// <summary>The best of several targets by F1, as is usual where more than one text would be right.</summary>
    /// <param name="targets">At least one.</param>
    /// <param name="score">The score against one.</param>
    public static PrecisionRecall Best(IEnumerable<string> targets, Func<string, PrecisionRecall> score)
    {
        ArgumentNullException.ThrowIfNull(score);
        return targets.Select(score).MaxBy(s => s.F1);
    }

    private static List<string> Tokens(string text, RougeTokenizer tokenizer)
    {
        if (tokenizer == RougeTokenizer.Characters)
            return [.. MetricText.CodePointsOf(text).Where(p => !MetricText.IsSpace(p)).Select(p => MetricText.Text([p]))];
        var tokens = new List<string>();
        int start = -1;
        text = MetricText.Lower(text);
        for (int i = 0; i <= text.Length; i++)
        {
            bool inside = i < text.Length && char.IsAsciiLetterOrDigit(text[i]);
            if (!inside && start >= 0)
                tokens.Add(tokenizer == RougeTokenizer.Stems && i - start > 3 ? PorterStemmer.Stem(text[start..i]) : text[start..i]);
            start = !inside ? -1 : start < 0 ? i : start;
        }

        return tokens;
    }

    private static int[,] CommonLengths(List<string> left, List<string> right)
    {
        var lengths = new int[left.Count + 1, right.Count + 1];
        for (int i = 1; i <= left.Count; i++)
            for (int j = 1; j <= right.Count; j++)
                lengths[i, j] = left[i - 1] == right[j - 1]
                    ? lengths[i - 1, j - 1] + 1
                    : Math.Max(lengths[i - 1, j], lengths[i, j - 1]);
        return lengths;
    }

    private static IEnumerable<int> CommonPlaces(List<string> left, List<string> right)
    {
        var lengths = CommonLengths(left, right);
        for (int i = left.Count, j = right.Count; i > 0 && j > 0;)
            if (left[i - 1] == right[j - 1])
            {
                yield return --i;
                j--;
            }
            else if (lengths[i, j - 1] > lengths[i - 1, j])
            {
                j--;
            }
            else
            {
                i--;
            }
    }
}

/// <summary>
/// Porter's stemmer (https://tartarus.org/martin/PorterStemmer/) with the extensions of NLTK, which rouge_score takes: English words
/// without their endings.
/// </summary>
internal static class PorterStemmer
{
    private static readonly Dictionary<string, string> Irregular = new()
    {
        ["sky"] = "sky",
        ["skies"] = "sky",
        ["dying"] = "die",
        ["lying"] = "lie",
        ["tying"] = "tie",
        ["news"] = "news",
        ["innings"] = "inning",
        ["inning"] = "inning",
        ["outings"] = "outing",
        ["outing"] = "outing",
        ["cannings"] = "canning",
        ["canning"] = "canning",
        ["howe"] = "howe",
        ["proceed"] = "proceed",
        ["exceed"] = "exceed",
        ["succeed"] = "succeed",
    };

    private static readonly (string Suffix, string Replacement)[] Step2Rules =
    [
        ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"), ("alli", "al"),
        ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"),
        ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"), ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"),
    ];

    private static readonly (string Suffix, string Replacement)[] Step3Rules =
        [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

    private static readonly string[] Step4Suffixes =
    [
        "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti", "ous", "ive",
        "ize",
    ];

    /// <summary>The stem of a word in lower case.</summary>
    public static string Stem(string word)
    {
        if (Irregular.TryGetValue(word, out var stem))
            return stem;
        return word.Length <= 2 ? word : Step5(Step4(Step3(Step2(Step1C(Step1B(Step1A(word)))))));
    }

    private static string Step1A(string word)
    {
        if (Ends(word, "ies"))
            return word.Length == 4 ? word[..^1] : word[..^2];
        if (Ends(word, "sses"))
            return word[..^2];
        return Ends(word, "s") && !Ends(word, "ss") ? word[..^1] : word;
    }

    private static string Step1B(string word)
    {
        if (Ends(word, "ied"))
            return word.Length == 4 ? word[..^1] : word[..^2];
        if (Ends(word, "eed"))
            return Measure(word[..^3]) > 0 ? word[..^1] : word;
        string stem = Ends(word, "ed") ? word[..^2] : Ends(word, "ing") ? word[..^3] : "";
        if (!HasVowel(stem))
            return word;
        if (Ends(stem, "at") || Ends(stem, "bl") || Ends(stem, "iz"))
            return stem + "e";
        if (EndsInDoubleConsonant(stem))
            return stem[^1] is 'l' or 's' or 'z' ? stem : stem[..^1];
        return Measure(stem) == 1 && EndsInShortSyllable(stem) ? stem + "e" : stem;
    }

    private static string Step1C(string word)
        => Ends(word, "y") && word.Length > 2 && IsConsonant(word, word.Length - 2) ? word[..^1] + "i" : word;

    private static string Step2(string word)
    {
        if (Ends(word, "alli") && Measure(word[..^4]) > 0)
            return Step2(word[..^2]);
        foreach (var (suffix, replacement) in Step2Rules)
            if (Ends(word, suffix))
                return Measure(word[..^suffix.Length]) > 0 ? word[..^suffix.Length] + replacement : word;
        return Ends(word, "logi") && Measure(word[..^3]) > 0 ? word[..^1] : word;
    }

    private static string Step3(string word)
    {
        foreach (var (suffix, replacement) in Step3Rules)
            if (Ends(word, suffix))
                return Measure(word[..^suffix.Length]) > 0 ? word[..^suffix.Length] + replacement : word;
        return word;
    }

    private static string Step4(string word)
    {
        foreach (var suffix in Step4Suffixes)
            if (Ends(word, suffix))
            {
                var stem = word[..^suffix.Length];
                return Measure(stem) > 1 && (suffix != "ion" || stem[^1] is 's' or 't') ? stem : word;
            }

        return word;
    }

    private static string Step5(string word)
    {
        if (Ends(word, "e") && Measure(word[..^1]) is var measure && (measure > 1 || (measure == 1 && !EndsInShortSyllable(word[..^1]))))
            word = word[..^1];
        return Ends(word, "ll") && Measure(word[..^1]) > 1 ? word[..^1] : word;
    }

    private static bool Ends(string word, string suffix) => word.EndsWith(suffix, StringComparison.Ordinal);

    private static bool IsConsonant(string word, int place) => word[place] switch
    {
        'a' or 'e' or 'i' or 'o' or 'u' => false,
        'y' => place == 0 || !IsConsonant(word, place - 1),
        _ => true,
    };

    private static bool HasVowel(string stem) => Enumerable.Range(0, stem.Length).Any(i => !IsConsonant(stem, i));

    // How often a vowel is followed by a consonant.
    private static int Measure(string stem)
        => Enumerable.Range(1, Math.Max(0, stem.Length - 1)).Count(i => !IsConsonant(stem, i - 1) && IsConsonant(stem, i));

    private static bool EndsInDoubleConsonant(string word)
        => word.Length >= 2 && word[^1] == word[^2] && IsConsonant(word, word.Length - 1);

    private static bool EndsInShortSyllable(string word)
    {
        int n = word.Length;
        if (n == 2)
            return !IsConsonant(word, 0) && IsConsonant(word, 1);
        return n >= 3 && IsConsonant(word, n - 3) && !IsConsonant(word, n - 2) && IsConsonant(word, n - 1)
            && word[^1] is not ('w' or 'x' or 'y');
    }
}
