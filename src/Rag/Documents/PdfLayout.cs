using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Documents;

/// <summary>Makes a document out of what <c>pdftotext -bbox-layout</c> prints: words with their places, in reading order.</summary>
internal static partial class PdfLayout
{
    /// <summary>Text this many times as high as the body's is a heading.</summary>
    private const double HeadingScale = 1.15;

    private const int MaxHeadingLength = 200;

    /// <summary>A gap between lines that is larger than this share of their height starts a new paragraph, unless the page is set wider throughout.</summary>
    private const double ParagraphGap = 0.6;

    /// <summary>Parses the program's output.</summary>
    /// <exception cref="DocumentFormatException">There is no text in it.</exception>
    internal static ExtractedDocument Parse(string output, string name, CancellationToken cancellationToken)
    {
        var lines = ReadLines(output, out int pages, out var title);
        if (lines.Count == 0)
            throw new DocumentFormatException($"'{name}' has {pages} pages but no text in them (scanned images?); run a text recognition over it first.");

        double body = BodyHeight(lines);
        var headingHeights = lines.Where(line => line.Height >= body * HeadingScale).Select(line => Math.Round(line.Height)).Distinct().OrderDescending().ToList();
        var vocabulary = Words().Matches(string.Join('\n', lines.Select(line => line.Text))).Select(match => match.Value).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var builder = new ExtractedTextBuilder(name);
        foreach (var page in lines.GroupBy(line => line.Page))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var items = PdfTables.Find([.. page]);
            double gap = TypicalGap(items.OfType<PdfLine>().ToList());
            var paragraph = new List<PdfLine>();
            foreach (var item in items)
            {
                if (item is PdfTable table)
                {
                    Flush(paragraph);
                    builder.Add(BlockKind.Table, table.Text, page.Key);
                }
                else if (item is PdfLine line)
                {
                    if (paragraph.Count > 0 && !Continues(paragraph, line, gap))
                        Flush(paragraph);
                    paragraph.Add(line);
                }
            }

            Flush(paragraph);
        }

        return builder.Build(title, "application/pdf");

        void Flush(List<PdfLine> paragraph)
        {
            if (paragraph.Count == 0)
                return;
            var text = Join(paragraph, vocabulary);
            double height = paragraph[0].Height;
            if (height >= body * HeadingScale && text.Length <= MaxHeadingLength)
                builder.AddHeading(Math.Min(6, headingHeights.IndexOf(Math.Round(height)) + 1), text, paragraph[0].Page);
            else if (StartsItem(text))
                builder.Add(BlockKind.ListItem, text.TrimStart('•', '◦', '▪', '‣', ' '), paragraph[0].Page);
            else
                builder.Add(BlockKind.Paragraph, text, paragraph[0].Page);
            paragraph.Clear();
        }
    }

    private static List<PdfLine> ReadLines(string output, out int pages, out string? title)
    {
        var lines = new List<PdfLine>();
        var words = new List<PdfLine>();
        int block = 0;
        pages = 0;
        title = null;
        foreach (var row in output.AsSpan().EnumerateLines())
        {
            var tag = row.TrimStart();
            if (tag.StartsWith("<page "))
                pages++;
            else if (tag.StartsWith("<block "))
                block++;
            else if (tag.StartsWith("</line>") && words.Count > 0)
                EndLine(lines, words);
            else if (tag.StartsWith("<title>") && tag.EndsWith("</title>"))
                title = WebUtility.HtmlDecode(tag[7..^8].ToString());
            else if (tag.StartsWith("<word ") && Word().Match(tag.ToString()) is { Success: true } word)
                words.Add(new PdfLine(
                    pages, block, Number(word, "left"), Number(word, "top"), Number(word, "right"), Number(word, "bottom"), WebUtility.HtmlDecode(word.Groups["text"].Value)));
        }

        return lines;
    }

    private static void EndLine(List<PdfLine> lines, List<PdfLine> words)
    {
        var text = new StringBuilder(words[0].Text);
        for (int i = 1; i < words.Count; i++)
        {
            if (words[i].Text.Length == 0)
                continue;
            if (IsApart(words[i - 1], words[i]))
                text.Append(' ');
            text.Append(words[i].Text);
        }

        var clean = ExtractedTextBuilder.Clean(text.ToString()).Trim();
        if (clean.Length > 0)
            lines.Add(new PdfLine(
                words[0].Page, words[0].Block, words.Min(w => w.Left), words.Min(w => w.Top), words.Max(w => w.Right), words.Max(w => w.Bottom), clean));
        words.Clear();
    }

    /// <summary>Whether a space stands between two words; where kanji and kana meet others, the program also parts words without one.</summary>
    private static bool IsApart(PdfLine left, PdfLine right)
    {
        bool cjkLeft = left.Text.Length > 0 && CjkText.IsCjk(left.Text[^1]), cjkRight = CjkText.IsCjk(right.Text[0]);
        double gap = (right.Left - left.Right) / right.Height;
        return cjkLeft && cjkRight ? gap > 0.6 : (cjkLeft || cjkRight) ? gap > 0.2 : true;
    }

    /// <summary>The height that most characters have.</summary>
    private static double BodyHeight(List<PdfLine> lines)
        => lines.GroupBy(line => Math.Round(line.Height * 2) / 2).MaxBy(group => group.Sum(line => line.Text.Length))!.Key;

    private static double TypicalGap(List<PdfLine> lines)
    {
        var gaps = lines.Zip(lines.Skip(1), (a, b) => (b.Top - a.Bottom) / a.Height).Where(gap => gap is > -0.5 and < 2).Order().ToList();
        return gaps.Count == 0 ? 0 : gaps[gaps.Count / 2];
    }

    private static bool Continues(List<PdfLine> paragraph, PdfLine line, double typicalGap)
    {
        var last = paragraph[^1];
        double gap = (line.Top - last.Bottom) / last.Height;
        if (gap < -0.5 || gap > Math.Max(ParagraphGap, Math.Min(typicalGap, 1.5) * 1.3) || Math.Abs(line.Height - last.Height) > 0.12 * last.Height || StartsItem(line.Text))
            return false;
        // A line that ends a sentence well before the right edge ends the paragraph too.
        double right = paragraph.Max(l => l.Right), width = right - paragraph.Min(l => l.Left);
        bool ends = last.Text[^1] is '.' or '。' or '!' or '?' or '！' or '？' or ':' or '：' or '」';
        return !(ends && (last.Right < Math.Max(right, line.Right) - 0.2 * Math.Max(width, line.Right - line.Left) || line.Left > last.Left + line.Height));
    }

    private static bool StartsItem(string text) => ListMark().IsMatch(text);

    /// <summary>Joins the lines of a paragraph: no space between CJK characters, no hyphen where only the line's end put it.</summary>
    private static string Join(List<PdfLine> lines, HashSet<string> vocabulary)
    {
        var text = new StringBuilder(lines[0].Text);
        foreach (var line in lines.Skip(1))
        {
            bool hyphen = text.Length > 1 && text[^1] is '-' or '\u2010' && char.IsLetter(text[^2]) && char.IsLower(line.Text[0]);
            if (hyphen)
            {
                var head = LastWord().Match(text.ToString(Math.Max(0, text.Length - 64), Math.Min(text.Length, 64) - 1)).Value;
                var tail = Words().Match(line.Text).Value;
                // "self-" + "attention" keeps its hyphen if the document writes it so elsewhere.
                if (vocabulary.Contains(head + tail) || !vocabulary.Contains(head + "-" + tail))
                    text.Length--;
            }
            else if (!(CjkText.IsCjk(text[^1]) && CjkText.IsCjk(line.Text[0])))
            {
                text.Append(' ');
            }

            text.Append(line.Text);
        }

        return text.ToString();
    }

    private static double Number(Match match, string group)
        => double.Parse(match.Groups[group].ValueSpan, NumberStyles.Float, CultureInfo.InvariantCulture);

    [GeneratedRegex("""^<word xMin="(?<left>-?[\d.]+)" yMin="(?<top>-?[\d.]+)" xMax="(?<right>-?[\d.]+)" yMax="(?<bottom>-?[\d.]+)">(?<text>.*)</word>""")]
    private static partial Regex Word();

    [GeneratedRegex(@"[\p{L}\p{N}]+(-[\p{L}\p{N}]+)*")]
    private static partial Regex Words();

    [GeneratedRegex(@"[\p{L}\p{N}]+$")]
    private static partial Regex LastWord();

    [GeneratedRegex(@"^([•◦▪‣]|\(?\d{1,2}[.)]|[-–]) ?\S")]
    private static partial Regex ListMark();
}
