namespace Kotonoha.Agents.Reasoning;

/// <summary>Finds labels at the start of lines, such as <c>Answer:</c>, <c>**Final Answer:**</c>, <c>### Answer</c> or <c>答え：</c>, in what a model wrote.</summary>
/// <remarks>Letters are compared without case, ordinally. A label is read through Markdown's marks and with an ASCII or a full-width colon.</remarks>
internal static class LabeledText
{
    /// <summary>A label that was found: which one, where its line starts, and where its text starts, in UTF-16 units.</summary>
    internal readonly record struct Label<T>(T Kind, int Start, int ContentStart);

    internal static List<Label<T>> Find<T>(string text, IReadOnlyList<(string Word, T Kind)> labels)
    {
        var found = new List<Label<T>>();
        for (int start = 0; start <= text.Length;)
        {
            int end = text.IndexOf('\n', start);
            if (end < 0)
                end = text.Length;
            foreach (var (word, kind) in labels)
            {
                if (ContentStart(text, start, end, word) is { } content)
                {
                    found.Add(new Label<T>(kind, start, content));
                    break;
                }
            }

            start = end + 1;
        }

        return found;
    }

    /// <summary>Takes away what a model puts around a short text: blanks, Markdown emphasis, code marks, a pair of quotes.</summary>
    internal static string Unwrap(string text)
    {
        text = text.Trim();
        while (text.Length >= 2 && (text[0], text[^1]) is ('*', '*') or ('`', '`') or ('"', '"') or ('\'', '\'') or ('「', '」') or ('_', '_')
            && text.AsSpan(1, text.Length - 2).IndexOf(text[0]) is var inner && (inner < 0 || text.StartsWith("**", StringComparison.Ordinal) && text.EndsWith("**", StringComparison.Ordinal) && text.Length > 4))
            text = text[1..^1].Trim();
        return text;
    }

    private static int? ContentStart(string text, int start, int end, string word)
    {
        int at = start;
        bool isHeading = false;
        while (at < end && (text[at] is ' ' or '\t' or '*' or '_' or '#' or '>' or '　'))
            isHeading |= text[at++] == '#';
        if (end - at < word.Length || string.Compare(text, at, word, 0, word.Length, StringComparison.OrdinalIgnoreCase) != 0)
            return null;
        at += word.Length;
        while (at < end && (text[at] is ' ' or '\t' or '*' or '_' or '　'))
            at++;
        if (at == end || (at == end - 1 && text[at] == '\r'))
            return isHeading ? end : null;
        if (text[at] is not (':' or '：'))
            return null;
        at++;
        // The closing mark of a label in bold ("**Answer:** 7") goes with the label.
        if (text.AsSpan(start, at - start).Contains("**", StringComparison.Ordinal) && text.AsSpan(at).StartsWith("**", StringComparison.Ordinal))
            at += 2;
        return at;
    }
}
