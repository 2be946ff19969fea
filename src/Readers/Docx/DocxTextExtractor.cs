using System.Globalization;
using System.Text;
using DocumentFormat.OpenXml;
using DocumentFormat.OpenXml.Packaging;
using DocumentFormat.OpenXml.Wordprocessing;

namespace Kotonoha.Readers;

/// <summary>Walks the body of a Word document and hands its visible text to an <see cref="ExtractedTextBuilder"/>.</summary>
internal sealed class DocxTextExtractor
{
    private const int MaxStyleChain = 32;

    private readonly MainDocumentPart _part;
    private readonly ExtractedTextBuilder _builder;
    private readonly CancellationToken _cancellationToken;
    private readonly Dictionary<string, Style> _styles = new(StringComparer.Ordinal);
    private readonly Dictionary<(int List, int Level), int> _counters = [];

    internal DocxTextExtractor(MainDocumentPart part, ExtractedTextBuilder builder, CancellationToken cancellationToken)
    {
        (_part, _builder, _cancellationToken) = (part, builder, cancellationToken);
        foreach (var style in part.StyleDefinitionsPart?.Styles?.Elements<Style>() ?? [])
            if (style.StyleId?.Value is { } id)
                _styles[id] = style;
    }

    internal void Extract(Body body)
    {
        Walk(body);
        foreach (var note in _part.FootnotesPart?.Footnotes?.Elements<Footnote>() ?? [])
            if (note.Type is null)
                Walk(note);
    }

    private void Walk(OpenXmlElement parent)
    {
        foreach (var child in parent.ChildElements)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            switch (child)
            {
                case Paragraph paragraph:
                    Add(paragraph);
                    break;
                case Table table:
                    Add(table);
                    break;
                case SdtBlock or SdtContentBlock or CustomXmlBlock or InsertedRun:
                    Walk(child);
                    break;
            }
        }
    }

    private void Add(Paragraph paragraph)
    {
        var text = TextOf(paragraph);
        var properties = paragraph.ParagraphProperties;
        var styleId = properties?.ParagraphStyleId?.Val?.Value;
        if (HeadingLevel(properties, styleId) is { } level)
        {
            _builder.AddHeading(level, text);
            return;
        }

        var numbering = properties?.NumberingProperties ?? Styles(styleId)
            .Select(style => style.StyleParagraphProperties?.NumberingProperties).FirstOrDefault(n => n is not null);
        if (numbering?.NumberingId?.Val?.Value is { } list and not 0)
            _builder.Add(BlockKind.ListItem, Marker(list, numbering.NumberingLevelReference?.Val?.Value ?? 0) + text);
        else
            _builder.Add(IsCode(styleId) ? BlockKind.Code : BlockKind.Paragraph, text);
    }

    private void Add(Table table)
    {
        var rows = table.Elements<TableRow>()
            .Select(row => Descend<TableCell>(row).Select(CellText).ToList())
            .Where(cells => cells.Exists(cell => cell.Length > 0))
            .Select(cells => string.Join(" | ", cells));
        _builder.Add(BlockKind.Table, string.Join('\n', rows));
    }

    private string CellText(TableCell cell)
        => string.Join(' ', cell.Descendants<Paragraph>().Select(TextOf)).ReplaceLineEndings(" ").Trim();

    /// <summary>Children of a type, including those inside content controls.</summary>
    private static IEnumerable<T> Descend<T>(OpenXmlElement parent)
        where T : OpenXmlElement
        => parent.ChildElements.SelectMany(child
            => child is T wanted ? [wanted] : child is SdtElement or SdtContentCell or SdtContentRow ? Descend<T>(child) : []);

    private string TextOf(Paragraph paragraph)
    {
        var text = new StringBuilder();
        Append(paragraph, text);
        return text.ToString();
    }

    private void Append(OpenXmlElement parent, StringBuilder text)
    {
        foreach (var child in parent.ChildElements)
        {
            switch (child)
            {
                case Run run when IsHidden(run):
                    break;
                case Text run:
                    text.Append(run.Text);
                    break;
                case TabChar:
                    text.Append('\t');
                    break;
                case Break { Type: null } or CarriageReturn:
                    text.Append('\n');
                    break;
                case NoBreakHyphen:
                    text.Append('-');
                    break;
                case Run or Hyperlink or SdtRun or SdtContentRun or InsertedRun or MoveToRun or SimpleField or CustomXmlRun:
                    Append(child, text);
                    break;
                case OpenXmlUnknownElement { LocalName: "smartTag" or "AlternateContent" or "Choice" }:
                    Append(child, text);
                    break;
            }
        }
    }

    private static bool IsHidden(Run run)
        => run.RunProperties is { } properties
            && (IsOn(properties.Vanish) || IsOn(properties.WebHidden) || properties.FontSize?.Val?.Value is "0" or "1");

    private static bool IsOn(OnOffType? toggle) => toggle is not null && (toggle.Val is null || toggle.Val.Value);

    private int? HeadingLevel(ParagraphProperties? properties, string? styleId)
    {
        if (properties?.OutlineLevel?.Val?.Value is >= 0 and <= 8 and var own)
            return Math.Min(own + 1, 6);
        foreach (var style in Styles(styleId))
        {
            if (style.StyleParagraphProperties?.OutlineLevel?.Val?.Value is >= 0 and <= 8 and var outline)
                return Math.Min(outline + 1, 6);
            var name = style.StyleName?.Val?.Value;
            if (string.Equals(name, "Title", StringComparison.OrdinalIgnoreCase))
                return 0; // above every heading
            if (name is not null && name.StartsWith("heading ", StringComparison.OrdinalIgnoreCase)
                && int.TryParse(name.AsSpan(8), out int level))
                return Math.Clamp(level, 1, 6);
        }

        // A document without style definitions still says "Heading2" in its paragraphs.
        if (styleId is not null && !_styles.ContainsKey(styleId))
        {
            if (styleId == "Title")
                return 0;
            if (styleId.StartsWith("Heading", StringComparison.OrdinalIgnoreCase) && int.TryParse(styleId.AsSpan(7), out int level))
                return Math.Clamp(level, 1, 6);
        }

        return null;
    }

    private bool IsCode(string? styleId)
        => Styles(styleId).Any(style => style.StyleName?.Val?.Value is { } name
            && (name.Contains("code", StringComparison.OrdinalIgnoreCase)
                || name.Contains("preformatted", StringComparison.OrdinalIgnoreCase)));

    /// <summary>A style and those it is based on.</summary>
    private IEnumerable<Style> Styles(string? styleId)
    {
        for (int i = 0; i < MaxStyleChain && styleId is not null && _styles.TryGetValue(styleId, out var style); i++)
        {
            yield return style;
            styleId = style.BasedOn?.Val?.Value;
        }
    }

    /// <summary>The number of an ordered list's item with its full stop, or nothing for a bullet.</summary>
    private string Marker(int list, int level)
    {
        var numbering = _part.NumberingDefinitionsPart?.Numbering;
        var abstractId = numbering?.Elements<NumberingInstance>().FirstOrDefault(n => n.NumberID?.Value == list)?.AbstractNumId?.Val?.Value;
        var definition = numbering?.Elements<AbstractNum>().FirstOrDefault(n => n.AbstractNumberId?.Value == abstractId)
            ?.Elements<Level>().FirstOrDefault(l => l.LevelIndex?.Value == level);
        if (abstractId is null || definition?.NumberingFormat?.Val is not { } format || format.Value == NumberFormatValues.Bullet
            || format.Value == NumberFormatValues.None)
            return "";
        int number = _counters.TryGetValue((list, level), out int last) ? last + 1 : definition.StartNumberingValue?.Val?.Value ?? 1;
        _counters[(list, level)] = number;
        foreach (var deeper in _counters.Keys.Where(key => key.List == list && key.Level > level).ToList())
            _counters.Remove(deeper);
        return number.ToString(CultureInfo.InvariantCulture) + ". ";
    }
}
