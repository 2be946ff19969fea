namespace Kotonoha.Rag.Chunking;

/// <summary>
/// Cuts code by its definitions, in any language: at the blank lines before the least indented lines, and what is still too large again
/// within, so that a method stays with its comment and its attributes.
/// </summary>
internal static class CodeDefinitions
{
    private const int TabWidth = 4;

    /// <summary>The pieces in order: definitions that fit, and the single lines of one that does not.</summary>
    /// <param name="text">The document.</param>
    /// <param name="lines">The code's lines that are not blank.</param>
    /// <param name="fits">Whether a range of the text is small enough.</param>
    public static List<TextSpan> Split(string text, IReadOnlyList<TextSpan> lines, Func<int, int, bool> fits)
    {
        var pieces = new List<TextSpan>();
        Add(0, lines.Count);
        return pieces;

        void Add(int first, int end)
        {
            if (first >= end)
                return;
            if (fits(lines[first].Start, lines[end - 1].End))
            {
                pieces.Add(new TextSpan(lines[first].Start, lines[end - 1].End));
                return;
            }

            // Where a definition may begin: after a blank line, as little indented as any line after one.
            var starts = Enumerable.Range(first + 1, end - first - 1).Where(IsAfterBlank).ToList();
            if (starts.Count == 0)
            {
                pieces.AddRange(lines.Skip(first).Take(end - first));
                return;
            }

            int least = starts.Min(Indent);
            starts.RemoveAll(i => Indent(i) > least);
            int from = first;
            foreach (int start in starts.Append(end))
            {
                Add(from, start);
                from = start;
            }
        }

        bool IsAfterBlank(int i) => text.AsSpan(lines[i - 1].End, lines[i].Start - lines[i - 1].End).Count('\n') > 1;

        int Indent(int i)
        {
            int indent = 0;
            foreach (char c in text.AsSpan(lines[i].Start, lines[i].Length))
            {
                if (c is not (' ' or '\t'))
                    break;
                indent += c == '\t' ? TabWidth : 1;
            }

            return indent;
        }
    }
}
