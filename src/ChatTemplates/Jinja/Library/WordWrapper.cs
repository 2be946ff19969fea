using System.Text.RegularExpressions;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The filter <c>wordwrap</c>: Python's <c>textwrap</c> on each line.</summary>
internal static partial class WordWrapper
{
    public static object Wrap(Rendering run, object?[] a)
    {
        var text = StringMethods.Text(a[0]!);
        long width = a[1] is null ? 79 : StringMethods.Integer(a[1]!);
        bool breakWords = a[2] is null || Python.IsTrue(a[2]!), breakHyphens = a[4] is null || Python.IsTrue(a[4]!);
        var newLine = a[3] is null or PyNone ? new PyString("\n") : StringMethods.Text(a[3]!);
        var result = new TextBuilder(run.Meter);
        bool firstLine = true;
        foreach (PyString line in StringMethods.Lines(text, keepEnds: false, run.Meter).Items)
        {
            if (!firstLine)
                result.Append(newLine);
            firstLine = false;
            bool first = true;
            foreach (var wrapped in Wrap(line, width, breakWords, breakHyphens, run))
            {
                if (!first)
                    result.Append(newLine);
                first = false;
                result.Append(wrapped);
            }
        }

        return result.ToText();
    }

    private static List<PyString> Wrap(PyString line, long width, bool breakWords, bool breakHyphens, Rendering run)
    {
        if (width <= 0)
            throw Fail.Value($"invalid width {width} (must be > 0)");
        var chunks = new Stack<(int Start, int End)>(Chunks(line.Text, breakHyphens, run.Meter).Reverse());
        var lines = new List<PyString>();
        while (chunks.Count > 0)
        {
            if (lines.Count > 0 && IsBlank(line.Text, chunks.Peek()))
                chunks.Pop();
            long length = 0;
            var current = new List<(int Start, int End)>();
            while (chunks.Count > 0 && length + Size(line, chunks.Peek()) <= width)
            {
                length += Size(line, chunks.Peek());
                current.Add(chunks.Pop());
            }

            if (chunks.Count > 0 && Size(line, chunks.Peek()) > width)
            {
                var (start, end) = chunks.Pop();
                if (breakWords)
                {
                    int room = (int)(width - length), from = line.IndexOf(start);
                    int cut = line.PlaceOf(from + room);
                    bool mayBreak = breakHyphens && room > 0 && Size(line, (start, end)) > room;
                    int hyphen = mayBreak ? line.Text.LastIndexOf('-', cut - 1, cut - start) : -1;
                    if (hyphen > start && line.Text.AsSpan(start, hyphen - start).IndexOfAnyExcept('-') >= 0)
                        cut = hyphen + 1;
                    current.Add((start, cut));
                    chunks.Push((cut, end));
                }
                else if (current.Count == 0)
                {
                    current.Add((start, end));
                }
                else
                {
                    chunks.Push((start, end));
                }
            }

            if (current.Count > 0 && IsBlank(line.Text, current[^1]))
                current.RemoveAt(current.Count - 1);
            run.Meter.Step();
            if (current.Count > 0)
                lines.Add(line.Part(current[0].Start, current[^1].End));
        }

        return lines;
    }

    private static long Size(PyString line, (int Start, int End) chunk) => line.IndexOf(chunk.End) - line.IndexOf(chunk.Start);

    private static bool IsBlank(string text, (int Start, int End) chunk)
    {
        for (int i = chunk.Start; i < chunk.End; i++)
            if (!PyChar.IsSpace(text[i]))
                return false;
        return true;
    }

    private static IEnumerable<(int Start, int End)> Chunks(string text, bool breakHyphens, Meter meter)
    {
        int at = 0;
        foreach (Match match in (breakHyphens ? Separators() : Blanks()).Matches(text))
        {
            meter.Step();
            if (match.Index > at)
                yield return (at, match.Index);
            if (match.Length > 0)
                yield return (match.Index, match.Index + match.Length);
            at = match.Index + match.Length;
        }

        if (at < text.Length)
            yield return (at, text.Length);
    }

    // White space, dashes between words, and words, which may break after a hyphen between letters.
    [GeneratedRegex("""
        [\t\n\x0b\x0c\r ]+
        | (?<=[\w!"'&.,?])-{2,}(?=\w)
        | [^\t\n\x0b\x0c\r ]+?(?:
            -(?:(?<=[^\d\W]{2}-)|(?<=[^\d\W]-[\w!"'&.,?]-))(?=[^\d\W]-?[^\d\W])
            | (?=[\t\n\x0b\x0c\r\ ]|\z)
            | (?<=[\w!"'&.,?])(?=-{2,}\w))
        """, RegexOptions.IgnorePatternWhitespace | RegexOptions.CultureInvariant)]
    private static partial Regex Separators();

    [GeneratedRegex(@"[\t\n\x0b\x0c\r ]+", RegexOptions.CultureInvariant)]
    private static partial Regex Blanks();
}
