using System.Text;
using System.Text.RegularExpressions;

namespace Kotonoha.Readers.Pdf;

/// <summary>What a page holds, in reading order.</summary>
/// <param name="Number">The page, from 1.</param>
/// <param name="Runs">Columns or parts of them.</param>
/// <param name="Asides">What does not interrupt the text: footnotes, text in other directions.</param>
internal sealed record PageContent(int Number, List<List<PdfItem>> Runs, List<List<PdfItem>> Asides);

/// <summary>Makes headings, paragraphs, lists, tables and code from the lines of all pages; a sentence that crosses a page's or column's
/// border is one.</summary>
internal sealed partial class PdfParagraphs
{
    /// <summary>Text this many times as large as the body text is a heading.</summary>
    private const double HeadingScale = 1.15;

    /// <summary>The same for a bold line.</summary>
    private const double BoldHeadingScale = 1.04;

    private const int MaxHeadingLength = 200;

    /// <summary>A distance between lines that is this many times the usual one starts a new paragraph.</summary>
    private const double ParagraphGap = 1.3;

    private readonly ExtractedTextBuilder _builder;
    private readonly Lazy<HashSet<string>> _vocabulary;
    private readonly List<double> _headingSizes;
    private readonly double _bodySize;
    private readonly double _pitch;
    private readonly bool _hasCode;
    private readonly List<PdfLine> _paragraph = [];
    private readonly Queue<(int Page, List<List<PdfItem>> Runs)> _asides = new();
    private int _page;
    private double _columnEnd;

    private bool _isFilled;

    private PdfParagraphs(ExtractedTextBuilder builder, List<PdfLine> lines)
    {
        _builder = builder;
        _vocabulary = new Lazy<HashSet<string>>(() => PdfText.Vocabulary(lines));
        _bodySize = BodySize(lines);
        _hasCode = 2 * lines.Where(line => line.Mono).Sum(line => line.Text.Length) < lines.Sum(line => line.Text.Length);
        _headingSizes = [.. lines.Where(IsHeadingLine).Select(line => Rounded(line.Size)).Distinct().OrderDescending()];
        var distances = lines.Zip(lines.Skip(1), (a, b) => Math.Abs(a.Size - b.Size) < 0.05 * a.Size ? (b.Base - a.Base) / a.Size : 0)
            .Where(distance => distance is > 0.8 and < 3).Order().ToList();
        _pitch = distances.Count == 0 ? 1.2 : Math.Min(distances[(distances.Count - 1) / 2], 2.2);
    }

    /// <summary>The font size that most characters have.</summary>
    internal static double BodySize(IEnumerable<PdfLine> lines)
        => lines.GroupBy(line => Rounded(line.Size)).OrderByDescending(group => group.Sum(line => line.Text.Length))
            .ThenBy(group => group.Key).Select(group => group.Key).FirstOrDefault(10);

    /// <summary>Adds the pages to a document.</summary>
    internal static void Add(ExtractedTextBuilder builder, IReadOnlyList<PageContent> pages, CancellationToken cancellationToken)
    {
        var paragraphs = new PdfParagraphs(builder,
            [.. pages.SelectMany(page => page.Runs.Concat(page.Asides)).SelectMany(run => run).OfType<PdfLine>()]);
        foreach (var page in pages)
        {
            cancellationToken.ThrowIfCancellationRequested();
            paragraphs.AddRuns(page.Number, page.Runs);
            if (page.Asides.Count > 0)
                paragraphs._asides.Enqueue((page.Number, page.Asides));
        }

        paragraphs.Flush();
        paragraphs.FlushAsides();
    }

    private void AddRuns(int page, List<List<PdfItem>> runs)
    {
        foreach (var run in runs)
        {
            bool first = true;
            double pitch = PitchOf(run);
            double columnEnd = run.Max(item => item.End);
            var broken = LinesAfterBreaks(run, pitch);
            bool filled = IsFilled([.. run.OfType<PdfLine>()], columnEnd);
            for (int i = 0; i < run.Count; i++)
            {
                if (run[i] is PdfLine { Mono: true } && _hasCode)
                {
                    Flush();
                    i = AddCode(run, i, page);
                    first = false;
                    continue;
                }

                if (run[i] is PdfTable table)
                {
                    Flush();
                    table.WriteTo(_builder, page);
                }
                else if (run[i] is PdfLine line)
                {
                    if (_paragraph.Count > 0 && !(first ? GoesOn(line) : Continues(line, pitch, columnEnd, broken)))
                        Flush();
                    if (_paragraph.Count == 0)
                        _page = page;
                    _paragraph.Add(line);
                    (_columnEnd, _isFilled) = (columnEnd, filled);
                }

                first = false;
            }
        }
    }

    /// <summary>Takes the lines of a listing.</summary>
    /// <returns>The index of the last one.</returns>
    private int AddCode(List<PdfItem> run, int start, int page)
    {
        int end = start;
        while (end + 1 < run.Count && run[end + 1] is PdfLine { Mono: true } next && next.Base - ((PdfLine)run[end]).Base < 3 * next.Size)
            end++;
        var lines = run.GetRange(start, end - start + 1).Cast<PdfLine>().ToList();
        double left = lines.Min(line => line.Start);
        var text = new StringBuilder();
        for (int i = 0; i < lines.Count; i++)
        {
            if (i > 0)
                text.Append(lines[i].Base - lines[i - 1].Base > 1.8 * _pitch * lines[i].Size ? "\n\n" : "\n");
            text.Append(' ', Math.Clamp((int)Math.Round((lines[i].Start - left) / lines[i].Pitch), 0, 120)).Append(lines[i].Text);
        }

        // One short line is a word set in another font rather than a listing.
        bool listing = lines.Count > 1 || lines[0].Text.Contains(' ', StringComparison.Ordinal);
        _builder.Add(listing ? BlockKind.Code : BlockKind.Paragraph, text.ToString(), page);
        return end;
    }

    private void Flush()
    {
        if (_paragraph.Count == 0)
            return;
        var text = PdfText.Join(_paragraph, _vocabulary);
        var first = _paragraph[0];
        if (_paragraph.TrueForAll(IsHeadingLine) && text.Length <= MaxHeadingLength && text.Count(char.IsLetterOrDigit) > 1)
            _builder.AddHeading(Math.Min(6, _headingSizes.IndexOf(Rounded(first.Size)) + 1), text, _page);
        else if (StartsItem(text))
            _builder.Add(BlockKind.ListItem, text.TrimStart('•', '◦', '▪', '‣', '●', '○', '■', '□', ' '), _page);
        else
            _builder.Add(BlockKind.Paragraph, text, _page);
        _paragraph.Clear();
        FlushAsides();
    }

    private void FlushAsides()
    {
        while (_asides.TryDequeue(out var asides))
        {
            AddRuns(asides.Page, asides.Runs);
            Flush();
        }
    }

    private bool IsHeadingLine(PdfLine line)
        => line.Size >= _bodySize * HeadingScale || (line.Bold && line.Size >= _bodySize * BoldHeadingScale && !line.Text.EndsWith('.'));

    /// <summary>Whether lines are running text: several reach the column's end, and where the script has capitals, many begin without
    /// one.</summary>
    private static bool IsFilled(List<PdfLine> lines, double columnEnd)
    {
        int lower = lines.Count(line => char.IsLower(line.Text[0])), upper = lines.Count(line => char.IsUpper(line.Text[0]));
        int full = lines.Count(line => line.End > columnEnd - (1.5 * line.Size));
        return 3 * lower >= lower + upper && full >= (lower + upper > 0 ? 3 : 2);
    }

    /// <summary>Whether a line at the start of a page or column continues the sentence before it.</summary>
    private bool GoesOn(PdfLine line)
    {
        var last = _paragraph[^1];
        if (Math.Abs(line.Size - last.Size) > 0.06 * last.Size || IsHeadingLine(line) || IsHeadingLine(last) || StartsItem(line.Text)
            || last.EndsSentence || line.Bold != last.Bold)
            return false;
        return char.IsLower(line.Text[0]) || last.SoftHyphen
            || (_isFilled && last.End + (0.25 * last.Size) + line.FirstWordWidth > _columnEnd - (0.3 * last.Size));
    }

    private bool Continues(PdfLine line, double pitch, double columnEnd, HashSet<PdfLine> broken)
    {
        var last = _paragraph[^1];
        double distance = line.Base - last.Base;
        if (Math.Abs(distance) < 0.4 * line.Size)
            return true; // beside it
        if (distance < 0 || distance > ParagraphGap * pitch * Math.Max(line.Size, last.Size)
            || Math.Abs(line.Size - last.Size) > 0.12 * last.Size || StartsItem(line.Text))
            return false;
        if (_paragraph.TrueForAll(l => l.Bold) != line.Bold && (line.Bold || _paragraph.Count <= 2))
            return false;
        if (!last.EndsSentence)
            return !broken.Contains(line);
        // A line that ends a sentence where the next word still had room ends the paragraph too; so does an indented next line.
        bool item = _paragraph.Count == 1 && StartsItem(last.Text);
        return last.End + (0.3 * last.Size) + line.FirstWordWidth > columnEnd - last.Size
            && (item || line.Start < last.Start + (0.9 * line.Size));
    }

    /// <summary>The lines of a run before which the writer ended a line, as in an address or a list: the next word had much room in
    /// it.</summary>
    private HashSet<PdfLine> LinesAfterBreaks(List<PdfItem> run, double pitch)
    {
        var broken = new HashSet<PdfLine>(ReferenceEqualityComparer.Instance);
        for (int start = 0; start < run.Count;)
        {
            int end = start;
            while (end + 1 < run.Count && run[end] is PdfLine a && run[end + 1] is PdfLine b && b.Base > a.Base
                && b.Base - a.Base <= ParagraphGap * pitch * a.Size && Math.Abs(a.Size - b.Size) < 0.06 * a.Size)
                end++;
            if (end > start)
                AddBreaks([.. run.GetRange(start, end - start + 1).Cast<PdfLine>()]);
            start = end + 1;
        }

        return broken;

        void AddBreaks(List<PdfLine> block)
        {
            double blockEnd = block.Max(line => line.End);
            var open = Enumerable.Range(1, block.Count - 1).Where(i => MayBreak(block[i - 1], block[i])).ToList();
            // The longest line tells nothing: it has no room for anything.
            var telling = open.Where(i => block[i - 1].End < blockEnd - 0.1).ToList();
            var early = telling.Where(i => WasBrokenEarly(block[i - 1], block[i], blockEnd)).ToList();
            broken.UnionWith((2 * early.Count >= telling.Count && early.Count > 0 ? open : early).Select(i => block[i]));
        }

        static bool MayBreak(PdfLine a, PdfLine b)
            => !a.EndsSentence && !a.SoftHyphen && !char.IsLower(b.Text[0]) && a.Text[^1] is not ('-' or ',' or '،' or '、' or '，');

        static bool WasBrokenEarly(PdfLine a, PdfLine b, double blockEnd)
            => a.End + (0.3 * a.Size) + b.FirstWordWidth < blockEnd - Math.Max(2 * a.Size, 0.1 * (blockEnd - a.Start));
    }

    /// <summary>The usual distance between lines in a run, in font sizes.</summary>
    private double PitchOf(List<PdfItem> run)
    {
        var lines = run.OfType<PdfLine>().ToList();
        var distances = lines.Zip(lines.Skip(1), (a, b) => (b.Base - a.Base) / a.Size).Where(distance => distance is > 0.8 and < 2.2)
            .Order().ToList();
        return distances.Count < 4 ? _pitch : distances[distances.Count / 2];
    }

    private static bool StartsItem(string text) => ListMark().IsMatch(text);

    private static double Rounded(double size) => Math.Round(size * 2) / 2;

    [GeneratedRegex(@"^([•◦▪‣●○■□]|\(?\d{1,2}[.)](?!\d)|[-–](?= )) ?\S")]
    private static partial Regex ListMark();
}
