using System.Text;

namespace Kotonoha.Foundation.Unicode;

/// <summary>
/// Unicode normalisation (UAX #15) and full case folding over the checked-in tables. Lone surrogates pass through unchanged.
/// </summary>
public static class Normalizer
{
    private const int HangulBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7, VCount = 21, TCount = 28, SyllableCount = 11172,
        LCount = 19;

    /// <summary>Normalises a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="form">The form.</param>
    /// <returns>The normalised text; the same object where nothing changed.</returns>
    public static string Normalize(string text, NormalizationForm form)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Ascii.IsValid(text))
            return text;
        var codePoints = new List<int>(text.Length);
        for (int i = 0; i < text.Length;)
            codePoints.Add(CodePoints.Next(text, ref i));
        Normalize(codePoints, form);
        var result = CodePoints.ToString(codePoints);
        return result == text ? text : result;
    }

    /// <summary>Folds case (full folding: <c>ß</c> becomes <c>ss</c>), for comparisons that ignore case.</summary>
    /// <param name="text">Any text.</param>
    /// <returns>The folded text.</returns>
    public static string FoldCase(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var codePoints = new List<int>(text.Length);
        for (int i = 0; i < text.Length;)
            codePoints.Add(CodePoints.Next(text, ref i));
        FoldCase(codePoints);
        return CodePoints.ToString(codePoints);
    }

    /// <summary>Normalises code points in place.</summary>
    internal static void Normalize(List<int> text, NormalizationForm form)
    {
        bool compatibility = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        var output = new List<int>(text.Count + 8);
        foreach (int codePoint in text)
            Decompose(codePoint, compatibility, output);
        Order(output);
        if (form is NormalizationForm.FormC or NormalizationForm.FormKC)
            Compose(output);
        text.Clear();
        text.AddRange(output);
    }

    /// <summary>Folds case in place.</summary>
    internal static void FoldCase(List<int> text)
    {
        for (int i = 0; i < text.Count; i++)
        {
            var folded = UnicodeData.Folding(text[i]);
            if (folded.IsEmpty)
                continue;
            text[i] = folded[0];
            for (int j = 1; j < folded.Length; j++)
                text.Insert(++i, folded[j]);
        }
    }

    private static void Decompose(int codePoint, bool compatibility, List<int> output)
    {
        int syllable = codePoint - HangulBase;
        if ((uint)syllable < SyllableCount)
        {
            output.Add(LBase + syllable / (VCount * TCount));
            output.Add(VBase + syllable % (VCount * TCount) / TCount);
            if (syllable % TCount != 0)
                output.Add(TBase + syllable % TCount);
            return;
        }

        var mapping = UnicodeData.Decomposition(codePoint, compatibility);
        if (mapping.IsEmpty)
            output.Add(codePoint);
        else
            foreach (int part in mapping)
                output.Add(part);
    }

    // Canonical ordering: runs of non-starters are sorted by combining class, equal classes keep their order. A merge of runs would
    // matter only for thousands of marks on one letter; binary insertion keeps even those below quadratic comparisons.
    private static void Order(List<int> text)
    {
        for (int start = 0; start < text.Count;)
        {
            if (UnicodeData.GetCombiningClass(text[start]) == 0)
            {
                start++;
                continue;
            }

            int end = start + 1;
            bool sorted = true;
            while (end < text.Count && UnicodeData.GetCombiningClass(text[end]) is var c && c != 0)
            {
                sorted &= UnicodeData.GetCombiningClass(text[end - 1]) <= c;
                end++;
            }

            if (!sorted)
            {
                var run = text.GetRange(start, end - start).Select((codePoint, place) => (codePoint, place)).ToArray();
                Array.Sort(run,
                    static (a, b) =>
                        (UnicodeData.GetCombiningClass(a.codePoint),
                            a.place).CompareTo((UnicodeData.GetCombiningClass(b.codePoint), b.place)));
                for (int i = 0; i < run.Length; i++)
                    text[start + i] = run[i].codePoint;
            }

            start = end;
        }
    }

    private static void Compose(List<int> text)
    {
        int starter = -1, write = 0, lastClass = -1;
        for (int read = 0; read < text.Count; read++)
        {
            int codePoint = text[read], combiningClass = UnicodeData.GetCombiningClass(codePoint);
            if (starter >= 0 && (lastClass < combiningClass || lastClass == -1))
            {
                int composite = ComposePair(text[starter], codePoint);
                if (composite >= 0)
                {
                    text[starter] = composite;
                    continue;
                }
            }

            if (combiningClass == 0)
            {
                starter = write;
                lastClass = -1;
            }
            else
            {
                lastClass = combiningClass;
            }

            text[write++] = codePoint;
        }

        text.RemoveRange(write, text.Count - write);
    }

    private static int ComposePair(int first, int second)
    {
        if ((uint)(first - LBase) < LCount && (uint)(second - VBase) < VCount)
            return HangulBase + ((first - LBase) * VCount + (second - VBase)) * TCount;
        if ((uint)(first - HangulBase) < SyllableCount && (first - HangulBase) % TCount == 0 && second - TBase is > 0 and < TCount)
            return first + (second - TBase);
        return UnicodeData.Compose(first, second);
    }
}
