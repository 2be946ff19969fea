using System.IO.Compression;
using System.Text;
using System.Xml.Linq;

namespace Kotonoha.Readers;

/// <summary>Reads ODT (LibreOffice): headings, paragraphs, lists with their numbers, tables, notes and text frames; deleted, struck-out and
/// hidden text, comments and readings of ruby are left out.</summary>
internal sealed class OdtReader : IDocumentReader
{
    /// <summary>A hostile table may repeat a cell any number of times.</summary>
    private const int MaxRepeats = 64;

    /// <inheritdoc/>
    public string MediaType => "application/vnd.oasis.opendocument.text";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".odt"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        ZipGuard.Check(content, name, cancellationToken);
        using var archive = new ZipArchive(new MemoryStream(content, writable: false), ZipArchiveMode.Read);
        if (Xml("META-INF/manifest.xml").Named("encryption-data").Any())
            throw new DocumentFormatException($"'{name}' is encrypted; save it without a password.");
        var document = Xml("content.xml");
        var text = document.Child("body").Child("text")
            ?? throw new DocumentFormatException($"'{name}' has no text; is it an OpenDocument text?");
        var builder = new ExtractedTextBuilder(name);
        new Extractor(builder, [document, Xml("styles.xml")], cancellationToken).Walk(text);
        var title = Xml("meta.xml").Child("meta").Child("title")?.Value;
        return ValueTask.FromResult(builder.Build(title, MediaType));

        XElement? Xml(string path)
        {
            if (archive.GetEntry(path) is not { } entry)
                return null;
            using var stream = entry.Open();
            using var reader = SafeXml.Open(stream);
            return XDocument.Load(reader, LoadOptions.PreserveWhitespace).Root;
        }
    }

    private sealed class Extractor
    {
        private readonly ExtractedTextBuilder _builder;
        private readonly CancellationToken _cancellationToken;
        private readonly Dictionary<string, XElement> _lists = new(StringComparer.Ordinal);
        private readonly HashSet<string> _leftOut = new(StringComparer.Ordinal);
        private readonly HashSet<string> _raised = new(StringComparer.Ordinal);
        private readonly Dictionary<string, int[]> _counters = new(StringComparer.Ordinal);

        internal Extractor(ExtractedTextBuilder builder, XElement?[] roots, CancellationToken cancellationToken)
        {
            (_builder, _cancellationToken) = (builder, cancellationToken);
            foreach (var root in roots)
            {
                foreach (var style in root.Named("list-style"))
                    if (style.Attr("name") is { } list)
                        _lists[list] = style;
                if (root.Named("outline-style").FirstOrDefault() is { } outline)
                    _lists[""] = outline;
                foreach (var style in root.Named("style"))
                {
                    var properties = style.Child("text-properties");
                    if (style.Attr("name") is { } text && (properties.Attr("display") == "none"
                        || properties.Attr("text-line-through-style") is not (null or "none")
                        || properties.Attr("text-line-through-type") is not (null or "none")))
                        _leftOut.Add(text);
                    if (style.Attr("name") is { } high && properties.Attr("text-position") is { } position
                        && (position.StartsWith("super", StringComparison.Ordinal) || (char.IsDigit(position[0]) && position[0] != '0')))
                        _raised.Add(high);
                }
            }
        }

        internal void Walk(XElement parent)
        {
            foreach (var child in parent.Elements())
            {
                _cancellationToken.ThrowIfCancellationRequested();
                switch (child.LocalName())
                {
                    case "h" or "p":
                        AddParagraph(child, null, 0);
                        break;
                    case "list":
                        AddList(child, null, 0);
                        break;
                    case "table":
                        AddTable(child);
                        break;
                    case "section" when child.Attr("display") != "none":
                        Walk(child);
                        break;
                    case "index-body" or "table-of-content" or "illustration-index" or "bibliography" or "text-box" or "numbered-paragraph":
                        Walk(child);
                        break;
                    case "frame":
                        foreach (var box in child.Children("text-box"))
                            Walk(box);
                        break;
                }
            }
        }

        private void AddParagraph(XElement paragraph, string? marker, int level)
        {
            var asides = new List<XElement>();
            var text = IsLeftOut(paragraph) ? "" : TextOf(paragraph, asides);
            if (paragraph.LocalName() == "h" && !string.IsNullOrWhiteSpace(text))
            {
                int outline = Math.Clamp(paragraph.Number("outline-level") ?? 1, 1, 10);
                var number = paragraph.Attr("is-list-header") == "true" ? "" : marker ?? Next("", outline);
                _builder.AddHeading(Math.Min(outline, 6), number + text);
            }
            else if (!string.IsNullOrWhiteSpace(text))
            {
                _builder.Add(level > 0 ? BlockKind.ListItem : BlockKind.Paragraph, marker + text, depth: level);
            }

            foreach (var aside in asides)
                Walk(aside);
        }

        private void AddList(XElement list, string? outerStyle, int outerLevel)
        {
            var style = list.Attr("style-name") ?? outerStyle ?? "";
            int level = outerLevel + 1;
            if (outerLevel == 0 && list.Attr("continue-numbering") != "true" && list.Attr("continue-list") is null)
                _counters.Remove(style);
            foreach (var item in list.Elements().Where(child => child.LocalName() is "list-item" or "list-header"))
            {
                if (item.Number("start-value") is { } start)
                    CountersOf(style)[Math.Min(level, 10)] = start - 1;
                bool first = item.LocalName() == "list-item";
                foreach (var child in item.Elements())
                {
                    if (child.LocalName() is "p" or "h")
                        AddParagraph(child, first ? Next(style, level) : "", level);
                    else if (child.LocalName() == "list")
                        AddList(child, style, level);
                    first &= child.LocalName() is not ("p" or "h");
                }
            }
        }

        private int[] CountersOf(string style)
        {
            if (!_counters.TryGetValue(style, out var counters))
                _counters[style] = counters = [.. Enumerable.Range(0, 11).Select(level => Start(style, level) - 1)];
            return counters;
        }

        private XElement? LevelOf(string style, int level)
            => _lists.TryGetValue(style, out var list) ? list.Elements().FirstOrDefault(child => child.Number("level") == level) : null;

        private int Start(string style, int level) => LevelOf(style, level).Number("start-value") ?? 1;

        /// <summary>Counts an item, and writes its number as its list says.</summary>
        private string Next(string style, int level)
        {
            level = Math.Min(level, 10);
            var counters = CountersOf(style);
            counters[level]++;
            for (int deeper = level + 1; deeper < counters.Length; deeper++)
                counters[deeper] = Start(style, deeper) - 1;
            var definition = LevelOf(style, level);
            if (definition is null || definition.LocalName() == "list-level-style-bullet"
                || string.IsNullOrEmpty(definition.Attr("num-format")))
                return "";
            int shown = Math.Clamp(definition.Number("display-levels") ?? 1, 1, level);
            var numbers = Enumerable.Range(level - shown + 1, shown)
                .Where(part => !string.IsNullOrEmpty(LevelOf(style, part).Attr("num-format")))
                .Select(part => Number(Math.Max(counters[part], Start(style, part)), LevelOf(style, part).Attr("num-format")!));
            return definition.Attr("num-prefix") + string.Join('.', numbers) + definition.Attr("num-suffix") + " ";
        }

        private static string Number(int number, string format)
            => ListNumbers.Office(number, format switch
            {
                "a" => "lowerLetter",
                "A" => "upperLetter",
                "i" => "lowerRoman",
                "I" => "upperRoman",
                "１, ２, ３, ..." => "decimalFullWidth",
                "①, ②, ③, ..." => "decimalEnclosedCircle",
                "一, 二, 三, ..." => "japaneseCounting",
                "ア, イ, ウ, ..." => "aiueoFullWidth",
                "イ, ロ, ハ, ..." => "irohaFullWidth",
                _ => "decimal",
            });

        private void AddTable(XElement table)
        {
            var grid = new TableGrid();
            var asides = new List<XElement>();
            AddRows(table, false);
            grid.WriteTo(_builder);
            foreach (var aside in asides)
                Walk(aside);

            void AddRows(XElement parent, bool areHeaders)
            {
                foreach (var child in parent.Elements())
                {
                    if (child.LocalName() is "table-header-rows" or "table-rows" or "table-row-group")
                        AddRows(child, areHeaders || child.LocalName() == "table-header-rows");
                    else if (child.LocalName() == "table-row" && child.Attr("visibility") is null or "visible")
                        AddRow(child, areHeaders);
                }
            }

            void AddRow(XElement row, bool isHeader)
            {
                grid.BeginRow(isHeader);
                foreach (var cell in row.Elements().Where(child => child.LocalName() == "table-cell"))
                    for (int i = Math.Clamp(cell.Number("number-columns-repeated") ?? 1, 1, MaxRepeats); i > 0; i--)
                        grid.Add(CellText(cell, asides), cell.Number("number-columns-spanned") ?? 1,
                            Math.Max(1, cell.Number("number-rows-spanned") ?? 1));
                grid.EndRow();
            }
        }

        /// <summary>The paragraphs of a cell in one line, those of lists and tables inside it too.</summary>
        private string CellText(XElement cell, List<XElement> asides)
            => string.Join(' ', cell.Descendants().Where(child => child.LocalName() is "p" or "h" && !IsLeftOut(child)
                && !child.Ancestors().TakeWhile(outer => outer != cell)
                .Any(outer => outer.LocalName() is "note" or "annotation" or "text-box"))
                .Select(child => TextOf(child, asides).Trim()).Where(text => text.Length > 0));

        private bool IsLeftOut(XElement element) => element.Attr("style-name") is { } style && _leftOut.Contains(style);

        private string TextOf(XElement paragraph, List<XElement> asides)
        {
            var text = new StringBuilder();
            Append(paragraph);
            return text.ToString();

            void Append(XElement parent)
            {
                foreach (var node in parent.Nodes())
                {
                    if (node is XText run)
                        AppendText(run.Value);
                    else if (node is XElement child)
                        AppendElement(child);
                }
            }

            // White space is one space, as in HTML; more of it has elements of its own.
            void AppendText(string value)
            {
                foreach (char c in value)
                    if (c is not (' ' or '\t' or '\n' or '\r'))
                        text.Append(c);
                    else if (text.Length > 0 && text[^1] != ' ')
                        text.Append(' ');
            }

            void AppendElement(XElement child)
            {
                switch (child.LocalName())
                {
                    case "s":
                        text.Append(' ', Math.Clamp(child.Number("c") ?? 1, 1, 1000));
                        break;
                    case "tab":
                        text.Append('\t');
                        break;
                    case "line-break":
                        text.Append('\n');
                        break;
                    case "note":
                        if (child.Child("note-body") is { } note)
                            asides.Add(note);
                        break;
                    case "frame" or "custom-shape" or "g":
                        asides.AddRange(child.LocalName() == "frame" ? child.Children("text-box") : [child]);
                        break;
                    case "annotation" or "annotation-end" or "ruby-text" or "tracked-changes" or "hidden-text" or "desc" or "title":
                        break;
                    case "hidden-paragraph" when child.Attr("is-hidden") == "true":
                        text.Clear();
                        break;
                    case var _ when IsLeftOut(child):
                        break;
                    default:
                        if (child.Attr("style-name") is { } style && _raised.Contains(style) && text.Length > 0
                            && LinearText.WouldJoinNumber(text[^1], child.Value))
                            text.Append('^');
                        Append(child);
                        break;
                }
            }
        }
    }
}
