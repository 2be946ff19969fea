using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>How answers are compared.</summary>
public enum AnswerLanguage
{
    /// <summary>SQuAD's: lower case, no ASCII punctuation, no articles; words (arXiv:1606.05250).</summary>
    English,

    /// <summary>NFKC, lower case, no white space, no punctuation; characters, as for JSQuAD.</summary>
    Japanese,
}

/// <summary>Exact match and F1 of short answers, from 0 to 1.</summary>
/// <param name="Exact">1 where the answer is one of the right ones after normalisation.</param>
/// <param name="F1">The overlap with the closest of the right ones.</param>
public readonly record struct AnswerScore(double Exact, double F1)
{
    /// <summary>The best score over all right answers.</summary>
    /// <param name="prediction">The answer.</param>
    /// <param name="answers">At least one right answer.</param>
    /// <param name="language">How answers are compared.</param>
    /// <exception cref="ArgumentException">There is no right answer.</exception>
    public static AnswerScore Of(string prediction, IReadOnlyList<string> answers, AnswerLanguage language = AnswerLanguage.English)
    {
        ArgumentNullException.ThrowIfNull(prediction);
        ArgumentNullException.ThrowIfNull(answers);
        if (answers.Count == 0)
            throw new ArgumentException("A right answer is needed; an unanswerable question has the empty one.", nameof(answers));
        var got = Normalize(prediction, language);
        var wanted = answers.Select(answer => Normalize(answer, language)).ToArray();
        return new AnswerScore(wanted.Any(answer => answer == got) ? 1 : 0, wanted.Max(answer => Overlap(got, answer, language)));
    }

    /// <summary>An answer as it is compared.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="language">How answers are compared.</param>
    public static string Normalize(string answer, AnswerLanguage language = AnswerLanguage.English)
    {
        if (language == AnswerLanguage.Japanese)
            return MetricText.Text(
                MetricText.CodePointsOf(MetricText.Lower(Normalizer.Normalize(answer, NormalizationForm.FormKC)))
                    .Where(p => !MetricText.IsSpace(p) && !UnicodeData.IsPunctuation(p)));

        // An article stands between characters that are no letters, digits, marks of words or underscores (regular expressions' \b).
        var points = MetricText.CodePointsOf(MetricText.Lower(answer)).FindAll(p => !IsAsciiPunctuation(p));
        var kept = new List<int>();
        for (int i = 0; i < points.Count;)
        {
            int end = i;
            while (end < points.Count && IsWordCharacter(points[end]))
                end++;
            if (end == i)
            {
                kept.Add(points[i++]);
                continue;
            }

            var word = points.GetRange(i, end - i);
            if (MetricText.Text(word) is "a" or "an" or "the")
                kept.Add(' ');
            else
                kept.AddRange(word);
            i = end;
        }

        return string.Join(' ', MetricText.Words(MetricText.Text(kept)));
    }

    private static double Overlap(string got, string want, AnswerLanguage language)
    {
        var (left, right) = (Tokens(got), Tokens(want));
        if (left.Count == 0 || right.Count == 0)
            return left.Count == right.Count ? 1 : 0;
        return PrecisionRecall.Of(MetricText.Overlap(left, right), left.Values.Sum(), right.Values.Sum()).F1;

        Dictionary<string, int> Tokens(string text) => MetricText.Counts(language == AnswerLanguage.Japanese
            ? MetricText.CodePointsOf(text).Select(p => MetricText.Text([p]))
            : MetricText.Words(text));
    }

    private static bool IsAsciiPunctuation(int p) => p < 128 && (char.IsPunctuation((char)p) || char.IsSymbol((char)p));

    private static bool IsWordCharacter(int p) => UnicodeData.IsLetter(p) || UnicodeData.IsNumber(p) || p == '_';
}
