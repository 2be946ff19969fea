using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;

namespace Kotonoha.Readers.Pdf;

/// <summary>Something on a page: a line of text or a table. Coordinates follow the reading: Start is left, or right where the
/// page is read from right to left.</summary>
internal abstract class PdfItem
{
    internal required double Start { get; init; }

    internal required double End { get; init; }

    internal required double Top { get; init; }

    internal required double Bottom { get; init; }

    internal double Middle => (Top + Bottom) / 2;

    internal double Width => End - Start;
}

/// <summary>A line of text, up to the next gap that separates columns or cells.</summary>
internal sealed class PdfLine : PdfItem
{
    internal required string Text { get; init; }

    internal required double Base { get; init; }

    /// <summary>The font size of most of its characters.</summary>
    internal required double Size { get; init; }

    /// <summary>How wide its first word is; of CJK text, its first character.</summary>
    internal required double FirstWordWidth { get; init; }

    internal bool Bold { get; init; }

    /// <summary>Whether a word is cut at its end, as a soft hyphen says.</summary>
    internal bool SoftHyphen { get; init; }

    /// <summary>Whether it is set in a monospaced font, as code is; its spaces are then those on the page.</summary>
    internal bool Mono { get; init; }

    /// <summary>How wide a character is where <see cref="Mono"/>.</summary>
    internal double Pitch { get; init; }

    internal bool EndsSentence
        => Text.TrimEnd('"', '”', '’', ')', '）', '」', '』') is { Length: > 0 } text
        ? text[^1] is '.' or '。' or '!' or '?' or '！' or '？' or ':' or '：' or '؟' or '．' : Text.Length > 0;
}

/// <summary>A table.</summary>
internal sealed class PdfTable : PdfItem
{
    /// <summary>The texts of its cells, row by row.</summary>
    internal required List<string[]> Rows { get; init; }

    /// <summary>Adds it to a document: as a table whose first row stands for the headers, or as the lines of a form.</summary>
    internal void WriteTo(ExtractedTextBuilder builder, int? page)
    {
        var grid = new TableGrid();
        foreach (var row in Rows)
        {
            grid.BeginRow();
            foreach (var cell in row)
                grid.Add(cell);
            grid.EndRow();
        }

        grid.WriteTo(builder, page);
    }
}

/// <summary>A page in one writing direction and its lines.</summary>
internal sealed record PageLines(PageFrame Frame, PdfLines Maker, List<PdfLine> Lines)
{
    internal static PageLines Of(PageFrame frame, BidiStyle style)
    {
        var maker = new PdfLines(frame, style);
        return new PageLines(frame, maker, maker.Build());
    }
}

/// <summary>Puts glyphs together into lines.</summary>
internal sealed partial class PdfLines
{
    /// <summary>A gap wider than this share of the font size separates words.</summary>
    private const double WordGap = 0.17;

    /// <summary>The same between CJK characters, which have air around them.</summary>
    private const double CjkWordGap = 0.6;

    /// <summary>The same where CJK text meets other text.</summary>
    private const double MixedWordGap = 0.25;

    /// <summary>A rule separates cells in a gap wider than this.</summary>
    private const double LeastRuledGap = 0.05;

    /// <summary>A gap wider than this may separate columns or cells, if the lines above or below have one there too.</summary>
    private const double ColumnGap = 0.9;

    /// <summary>Below this, the lines above and below must both have one.</summary>
    private const double NarrowColumnGap = 1.5;

    /// <summary>A gap wider than this separates them whatever is above and below.</summary>
    private const double SureColumnGap = 2.2;

    /// <summary>Glyphs of the same text closer together than this share of their size are one.</summary>
    private const double DoubleStrike = 0.1;

    /// <summary>Up to this gap a list's marker belongs to the text after it.</summary>
    private const double MarkerGap = 4;

    private readonly PageFrame _frame;
    private readonly BidiStyle _style;
    private readonly bool _hasRightToLeft;
    private readonly List<Row> _rows;

    /// <summary>Whether most of the page is monospaced: then this says nothing about a single line.</summary>
    private readonly bool _isTypewritten;

    internal PdfLines(PageFrame frame, BidiStyle style)
    {
        (_frame, _style) = (frame, style);
        var (right, left) = BidiText.CountLetters(frame.Glyphs.Select(glyph => glyph.Text));
        (IsRightToLeft, _hasRightToLeft) = (right > left, right > 0);
        _rows = Rows(frame.Glyphs);
        _isTypewritten = 2 * _rows.Where(row => row.Mono).Sum(row => row.Glyphs.Count) > frame.Glyphs.Count;
    }

    /// <summary>Whether the page is read from right to left.</summary>
    internal bool IsRightToLeft { get; }

    /// <summary>The rows with letters from right to left, as they stand on the page.</summary>
    internal static IEnumerable<List<string>> RightToLeftRows(PageFrame frame)
        => frame.Glyphs.Exists(glyph => BidiText.HasRightToLeft(glyph.Text))
            ? Rows(frame.Glyphs).Where(row => row.Glyphs.Exists(glyph => BidiText.HasRightToLeft(glyph.Text)))
                .Select(row => Words(row.Glyphs).SelectMany(word => word.Select(glyph => glyph.Text).Append(" ")).ToList())
            : [];

    /// <summary>Where a place on the page lies along the reading direction.</summary>
    internal double Across(double x) => IsRightToLeft ? _frame.Width - x : x;

    /// <summary>Makes the lines of the page.</summary>
    internal List<PdfLine> Build()
    {
        var lines = new List<PdfLine>();
        foreach (var row in _rows)
        {
            int start = 0;
            for (int i = 1; i <= row.Glyphs.Count; i++)
            {
                if (i < row.Glyphs.Count && !IsParted(row, start, i))
                    continue;
                if (MakeLine(row.Glyphs.GetRange(start, i - start), row.Mono) is { } line)
                    lines.Add(line);
                start = i;
            }
        }

        return lines;
    }

    /// <summary>Makes one line of glyphs that lie within a box, as the cells of a ruled table are.</summary>
    internal IEnumerable<PdfLine> BuildWithin(double left, double top, double right, double bottom)
    {
        foreach (var row in _rows)
        {
            if (row.Base - (0.3 * row.Size) < top || row.Base - (0.3 * row.Size) > bottom)
                continue;
            if (MakeLine(row.Glyphs.FindAll(glyph => glyph.Center >= left && glyph.Center <= right), row.Mono) is { } line)
                yield return line;
        }
    }

    /// <summary>Takes a line off the page.</summary>
    internal void Remove(PdfLine line)
    {
        _rows.RemoveAll(row => row.Base > line.Base - line.Size && row.Base < line.Base + (0.4 * line.Size));
        for (int i = 0; i < _rows.Count; i++)
            _rows[i].Index = i;
    }

    private static List<Row> Rows(List<Glyph> glyphs)
    {
        var rows = new List<Row>();
        Row? row = null;
        foreach (var glyph in glyphs.OrderBy(glyph => glyph.Base))
        {
            if (row is null || glyph.Base - row.Base > 0.22 * Math.Min(glyph.Size, row.Size))
            {
                row = new Row(glyph.Base, glyph.Size);
                rows.Add(row);
            }

            row.Size = Math.Max(row.Size, glyph.Size);
            row.Glyphs.Add(glyph);
        }

        foreach (var each in rows)
        {
            each.Glyphs.Sort((x, y) => x.Left.CompareTo(y.Left));
            RemoveDoubles(each.Glyphs);
        }

        RaiseSmallWords(rows);
        rows.RemoveAll(each => each.Glyphs.TrueForAll(glyph => glyph.IsSpace));
        for (int i = 0; i < rows.Count; i++)
            rows[i].Prepare(i);
        return rows;
    }

    /// <summary>A glyph that is drawn twice at nearly the same place, to look bold, is one.</summary>
    private static void RemoveDoubles(List<Glyph> glyphs)
    {
        for (int i = glyphs.Count - 1; i > 0; i--)
        {
            for (int j = i - 1; j >= 0 && glyphs[i].Left - glyphs[j].Left < DoubleStrike * glyphs[i].Size; j--)
            {
                if (glyphs[j].Text == glyphs[i].Text && Math.Abs(glyphs[j].Base - glyphs[i].Base) < DoubleStrike * glyphs[i].Size)
                {
                    glyphs.RemoveAt(i);
                    break;
                }
            }
        }
    }

    /// <summary>Superscripts and subscripts join the line that they belong to.</summary>
    private static void RaiseSmallWords(List<Row> rows)
    {
        for (int i = 0; i < rows.Count; i++)
        {
            if (!IsSmallNear(i, -1) && !IsSmallNear(i, 1))
                continue;
            foreach (var word in Words(rows[i].Glyphs).ToList())
            {
                double size = word.Max(glyph => glyph.Size);
                Row? host = null;
                for (int j = i - 1; j >= 0 && rows[i].Base - rows[j].Base < 2 * size; j--)
                    host ??= Carries(rows[j], word, size) ? rows[j] : null;
                for (int j = i + 1; j < rows.Count && rows[j].Base - rows[i].Base < 2 * size; j++)
                    host ??= Carries(rows[j], word, size) ? rows[j] : null;
                if (host is null)
                    continue;
                foreach (var glyph in word)
                {
                    rows[i].Glyphs.Remove(glyph);
                    int at = host.Glyphs.FindIndex(other => other.Left > glyph.Left);
                    host.Glyphs.Insert(at < 0 ? host.Glyphs.Count : at, glyph);
                }
            }
        }

        bool IsSmallNear(int i, int step)
        {
            for (int j = i + step; j >= 0 && j < rows.Count && Math.Abs(rows[j].Base - rows[i].Base) < 2 * rows[i].Size; j += step)
                if (rows[i].Glyphs.Exists(glyph => glyph.Size < 0.85 * rows[j].Size))
                    return true;
            return false;
        }

        static bool Carries(Row row, List<Glyph> word, double size)
            => size < 0.85 * row.Size && row.Glyphs.Exists(glyph => !glyph.IsSpace && size < 0.85 * glyph.Size
                && word[0].Base - glyph.Base < 0.4 * glyph.Size && glyph.Base - word[0].Base < 0.75 * glyph.Size
                && (Math.Abs(word[0].Left - glyph.Right) < 0.25 * glyph.Size || Math.Abs(glyph.Left - word[^1].Right) < 0.12 * glyph.Size));
    }

    private static IEnumerable<List<Glyph>> Words(List<Glyph> glyphs)
    {
        var word = new List<Glyph>();
        foreach (var glyph in glyphs)
        {
            if (word.Count > 0 && (glyph.IsSpace || glyph.Left - word[^1].Right > WordGap * glyph.Size))
            {
                yield return word;
                word = [];
            }

            if (!glyph.IsSpace)
                word.Add(glyph);
        }

        if (word.Count > 0)
            yield return word;
    }

    /// <summary>Whether a column or cell ends before glyph <paramref name="i"/> of a row.</summary>
    private bool IsParted(Row row, int start, int i)
    {
        if (row.Glyphs[i].IsSpace)
            return false;
        int last = i - 1;
        while (last >= start && row.Glyphs[last].IsSpace)
            last--;
        if (last < start)
            return false;
        double left = row.RightEdge(start, last), right = row.Glyphs[i].Left, size = Math.Max(row.Glyphs[last].Size, row.Glyphs[i].Size),
            gap = right - left;
        double middle = row.Base - (0.3 * row.Size);
        if (gap < LeastRuledGap * size)
            return false;
        foreach (var rule in _frame.Vertical)
            if (rule.At > left - (0.1 * size) && rule.At < right + (0.1 * size) && rule.From < middle && rule.To > middle)
                return true;
        if (gap < ColumnGap * size || (row.Mono && !_isTypewritten))
            return false;
        if (gap < MarkerGap * size && (IsRightToLeft ? IsMarker(row.Glyphs, i, row.Glyphs.Count) : IsMarker(row.Glyphs, start, last + 1)))
            return false;
        if (gap >= SureColumnGap * size)
            return true;
        bool? above = IsGapBeside(row, -1, left, right, size), below = IsGapBeside(row, 1, left, right, size);
        // Justified text has narrow gaps now and then, also below one another.
        return gap < NarrowColumnGap * size ? above != false && below != false && (above ?? below) is not null : above == true
            || below == true;
    }

    private static bool IsMarker(List<Glyph> glyphs, int start, int end)
        => end - start <= 8 && ListMarkAlone()
            .IsMatch(string.Concat(glyphs.GetRange(start, end - start).Select(glyph => glyph.Text)).Trim());

    /// <summary>Whether the next row with text near a gap has a gap there too; null where there is none near.</summary>
    private bool? IsGapBeside(Row row, int step, double left, double right, double size)
    {
        for (int i = row.Index + step; i >= 0 && i < _rows.Count && Math.Abs(_rows[i].Base - row.Base) < 3.2 * size; i += step)
        {
            if (!_rows[i].Glyphs.Exists(glyph => !glyph.IsSpace && glyph.Right > left - (4 * size) && glyph.Left < right + (4 * size)))
                continue;
            double widest = 0, edge = left;
            foreach (var glyph in _rows[i].Glyphs)
            {
                if (glyph.IsSpace || glyph.Right <= left || glyph.Left >= right)
                    continue;
                widest = Math.Max(widest, glyph.Left - edge);
                edge = Math.Max(edge, glyph.Right);
            }

            return Math.Max(widest, right - edge) > 0.6 * size;
        }

        return null;
    }

    private PdfLine? MakeLine(List<Glyph> glyphs, bool mono)
    {
        while (glyphs.Count > 0 && glyphs[^1].IsSpace)
            glyphs.RemoveAt(glyphs.Count - 1);
        while (glyphs.Count > 0 && glyphs[0].IsSpace)
            glyphs.RemoveAt(0);
        if (glyphs.Count == 0)
            return null;
        double gapLimit = LetterSpacing(glyphs);
        var pieces = new List<string>();
        Glyph? last = null;
        bool space = false;
        double pitch = mono ? Pitch(glyphs) : 0;
        foreach (var glyph in glyphs)
        {
            if (glyph.IsSpace)
            {
                space = true;
                continue;
            }

            if (last is not null)
            {
                double gap = glyph.Left - last.Right;
                int spaces = pitch > 0 ? (int)Math.Round(gap / pitch) : space || gap > Math.Max(gapLimit, LeastGap(last, glyph)) ? 1 : 0;
                for (; spaces > 0; spaces--)
                    pieces.Add(" ");
            }

            pieces.Add(glyph.Text);
            (last, space) = (glyph, false);
        }

        var sizes = glyphs.FindAll(glyph => !glyph.IsSpace);
        double size = sizes.TrueForAll(glyph => Math.Abs(glyph.Size - sizes[0].Size) < 0.05)
            ? sizes[0].Size
            : sizes.GroupBy(glyph => Math.Round(glyph.Size, 1)).MaxBy(group => group.Sum(glyph => glyph.Text.Length))!.Key;
        var main = sizes.FindAll(glyph => Math.Abs(glyph.Size - size) < 0.1);
        double baseline = main.Count > 0 ? main[main.Count / 2].Base : sizes[0].Base;
        var logical = _hasRightToLeft ? BidiText.Logical(pieces, BidiText.IsRightToLeft(pieces, IsRightToLeft), _style)
            : string.Concat(pieces);
        var text = ExtractedTextBuilder.Clean(logical).Trim();
        if (text.Length == 0)
            return null;
        double left = glyphs[0].Left, right = glyphs.Max(glyph => glyph.Right);
        return new PdfLine
        {
            Text = text,
            Start = IsRightToLeft ? Across(right) : left,
            End = IsRightToLeft ? Across(left) : right,
            Top = baseline - (0.8 * size),
            Bottom = baseline + (0.2 * size),
            Base = baseline,
            Size = size,
            FirstWordWidth = FirstWordWidth(glyphs, text),
            Bold = sizes.Count(glyph => glyph.Bold) > 0.9 * sizes.Count,
            SoftHyphen = logical.Length > 1 && logical[^1] == '\u00AD',
            Mono = mono,
            Pitch = pitch,
        };
    }

    /// <summary>Where letters are spaced out, the gap that separates words is larger than usual.</summary>
    private static double LetterSpacing(List<Glyph> glyphs)
    {
        var gaps = new List<double>();
        for (int i = 1; i < glyphs.Count; i++)
            if (!glyphs[i].IsSpace && !glyphs[i - 1].IsSpace)
                gaps.Add((glyphs[i].Left - glyphs[i - 1].Right) / glyphs[i].Size);
        if (gaps.Count < 6)
            return 0;
        gaps.Sort();
        double median = gaps[gaps.Count / 2];
        return median > 0.1 ? 1.7 * median * glyphs[0].Size : 0;
    }

    private static double LeastGap(Glyph left, Glyph right)
    {
        bool cjkLeft = CjkText.IsCjk(left.Text[^1]), cjkRight = CjkText.IsCjk(right.Text[0]);
        return (cjkLeft && cjkRight ? CjkWordGap : cjkLeft || cjkRight ? MixedWordGap : WordGap) * Math.Max(left.Size, right.Size);
    }

    private double FirstWordWidth(List<Glyph> glyphs, string text)
    {
        if (CjkText.IsCjk(text[0]))
            return glyphs[0].Right - glyphs[0].Left;
        var first = IsRightToLeft ? Words(glyphs).Last() : Words(glyphs).First();
        return first[^1].Right - first[0].Left;
    }

    private static double Pitch(List<Glyph> glyphs)
    {
        var widths = glyphs.Where(glyph => !glyph.IsSpace).Select(glyph => glyph.Right - glyph.Left).Order().ToList();
        return widths[widths.Count / 2];
    }

    /// <summary>The glyphs on one base line, across the whole width of the page.</summary>
    private sealed class Row(double baseline, double size)
    {
        internal double Base { get; } = baseline;

        internal double Size { get; set; } = size;

        internal List<Glyph> Glyphs { get; } = [];

        internal int Index { get; set; }

        internal bool Mono { get; private set; }

        internal double Pitch { get; private set; }

        internal double RightEdge(int start, int end)
        {
            double right = double.NegativeInfinity;
            for (int i = end; i >= start && i > end - 4; i--)
                right = Math.Max(right, Glyphs[i].Right);
            return right;
        }

        internal void Prepare(int index)
        {
            Index = index;
            // Letters of one width that are not as wide as they are high: a typewriter's.
            var letters = Glyphs.FindAll(glyph => !glyph.IsSpace);
            Pitch = PdfLines.Pitch(letters);
            Mono = letters.Count >= 3 && Pitch > 0.45 * Size && Pitch < 0.72 * Size
                && letters.TrueForAll(glyph => Math.Abs(glyph.Right - glyph.Left - Pitch) < 0.02 * Size)
                && letters.Select(glyph => glyph.Text).Distinct()
                    .Count(text => text.Length == 1 && text[0] is > ' ' and < '\u007F' && !char.IsDigit(text[0])) >= 3;
        }
    }

    [GeneratedRegex(@"^([•◦▪‣●○■□–—*·-]|\(?[0-9]{1,3}[.)]|\(?[a-zA-Z][.)]|\(?[ivxIVX]{1,5}[.)]|[①-⑳]|[（(][一二三四五六七八九十]+[)）])$")]
    private static partial Regex ListMarkAlone();
}
