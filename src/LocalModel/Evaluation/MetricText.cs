using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>Texts as the reference implementations of metrics, written in Python, see them: code points, lower case, white space.</summary>
internal static class MetricText
{
    /// <summary>The code points of a text.</summary>
    public static List<int> CodePointsOf(string text)
    {
        var points = new List<int>(text.Length);
        for (int i = 0; i < text.Length;)
            points.Add(CodePoints.Next(text, ref i));
        return points;
    }

    /// <summary>The text of code points.</summary>
    public static string Text(IEnumerable<int> points)
    {
        var builder = new System.Text.StringBuilder();
        foreach (int point in points)
            CodePoints.Append(builder, point);
        return builder.ToString();
    }

    /// <summary>The full lower case of each character.</summary>
    public static string Lower(string text)
    {
        var lowered = new List<int>(text.Length);
        for (int i = 0; i < text.Length;)
        {
            int point = CodePoints.Next(text, ref i);
            var lower = UnicodeData.GetLowerCase(point);
            if (lower.IsEmpty)
                lowered.Add(point);
            else
                lowered.AddRange(lower);
        }

        return Text(lowered);
    }

    /// <summary>White space as Python's <c>str.isspace</c> has it: White_Space and the four information separators.</summary>
    public static bool IsSpace(int point) => UnicodeData.IsWhiteSpace(point) || point is >= 0x1C and <= 0x1F;

    /// <summary>The runs of characters between white space.</summary>
    public static string[] Words(string text)
    {
        var words = new List<string>();
        int start = -1;
        for (int i = 0; i <= text.Length; i++)
        {
            bool space = i == text.Length || IsSpace(text[i]);
            if (space && start >= 0)
                words.Add(text[start..i]);
            start = space ? -1 : start < 0 ? i : start;
        }

        return [.. words];
    }

    /// <summary>The text without white space at its end.</summary>
    public static string TrimEnd(string text)
    {
        int end = text.Length;
        while (end > 0 && IsSpace(text[end - 1]))
            end--;
        return text[..end];
    }

    /// <summary>How often each item occurs.</summary>
    public static Dictionary<T, int> Counts<T>(IEnumerable<T> items)
        where T : notnull
    {
        var counts = new Dictionary<T, int>();
        foreach (var item in items)
            counts[item] = counts.GetValueOrDefault(item) + 1;
        return counts;
    }

    /// <summary>The size of the intersection of two multisets.</summary>
    public static int Overlap<T>(Dictionary<T, int> left, Dictionary<T, int> right)
        where T : notnull
    {
        int overlap = 0;
        foreach (var (item, count) in left)
            overlap += Math.Min(count, right.GetValueOrDefault(item));
        return overlap;
    }

    /// <summary>Runs of n items, joined by a character that no token holds.</summary>
    public static IEnumerable<string> NGrams(IReadOnlyList<string> tokens, int n)
    {
        for (int i = 0; i + n <= tokens.Count; i++)
            yield return string.Join('\n', tokens.Skip(i).Take(n));
    }

    /// <summary>2 p r / (p + r), 0 where both are.</summary>
    public static double HarmonicMean(double precision, double recall)
        => precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}
