using System.Text;
using System.Xml.Linq;
using DocumentFormat.OpenXml.Packaging;

namespace Kotonoha.Readers;

/// <summary>Reads PPTX: the slides in order, each a page with its title as heading; text, lists with their numbers, tables, diagrams and
/// notes. Hidden slides and shapes, struck-out text, footers and slide numbers are left out.</summary>
internal sealed class PptxReader : IDocumentReader
{
    /// <inheritdoc/>
    public string MediaType => "application/vnd.openxmlformats-officedocument.presentationml.presentation";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".pptx"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        ZipGuard.Check(content, name, cancellationToken);
        using var package = PresentationDocument.Open(new MemoryStream(content, writable: false), isEditable: false);
        var main = package.PresentationPart;
        var slides = main.Root().Child("sldIdLst")
            ?? (main is null ? throw new DocumentFormatException($"'{name}' has no presentation; is it a PowerPoint document?") : null);
        var builder = new ExtractedTextBuilder(name);
        var remarks = new List<string>();
        int number = 0;
        foreach (var id in slides.Children("sldId"))
        {
            cancellationToken.ThrowIfCancellationRequested();
            number++;
            // Beside the plain id of the slide stands that of its relationship, of the same local name.
            var relation = id.Attributes()
                .FirstOrDefault(attribute => attribute.Name.LocalName == "id" && attribute.Name.NamespaceName.Length > 0);
            if (relation is null || main is null || !main.TryGetPartById(relation.Value, out var part) || part is not SlidePart slide
                || slide.Root() is not { } root)
                remarks.Add($"slide {number} is missing");
            else if (root.Attr("show") is "0" or "false")
                remarks.Add($"slide {number} is hidden and was left out");
            else
                new SlideText(slide, builder, number).Add(root, cancellationToken);
        }

        return ValueTask.FromResult(builder.Build(package.PackageProperties.Title, MediaType) with { Remarks = remarks });
    }

    /// <summary>The text of one slide.</summary>
    private sealed class SlideText(SlidePart slide, ExtractedTextBuilder builder, int page)
    {
        internal void Add(XElement root, CancellationToken cancellationToken)
        {
            builder.EndSections(1);
            var shapes = new List<XElement>();
            Gather(root.Child("cSld").Child("spTree"), shapes);
            if (shapes.Find(shape => Placeholder(shape) is "title" or "ctrTitle") is { } title)
            {
                builder.AddHeading(page == 1 && Placeholder(title) == "ctrTitle" ? 0 : 1, string.Join(' ', Paragraphs(title).Select(Text)),
                    page);
                shapes.Remove(title);
            }

            foreach (var shape in shapes)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (shape.LocalName() == "graphicFrame")
                    AddFrame(shape);
                else
                    AddText(shape, Placeholder(shape));
            }

            foreach (var note in slide.NotesSlidePart.Root().Named("sp").Where(shape => Placeholder(shape) == "body"))
                foreach (var paragraph in Paragraphs(note))
                    builder.Add(BlockKind.Paragraph, Text(paragraph), page);
        }

        private static void Gather(XElement? parent, List<XElement> shapes)
        {
            foreach (var child in parent?.Elements() ?? [])
            {
                if (child.Elements().FirstOrDefault(part => part.LocalName().StartsWith("nv", StringComparison.Ordinal)).Child("cNvPr")
                    .Attr("hidden")
                    is "1" or "true")
                    continue;
                if (child.LocalName() == "grpSp")
                    Gather(child, shapes);
                else if (child.LocalName() == "AlternateContent")
                    Gather(child.Alternative(), shapes);
                else if (child.LocalName() is "sp" or "graphicFrame" && Placeholder(child) is not ("sldNum" or "dt" or "ftr" or "hdr"))
                    shapes.Add(child);
            }
        }

        /// <summary>The role of a shape on its slide; null for one that has none.</summary>
        private static string? Placeholder(XElement shape)
            => shape.Child("nvSpPr").Child("nvPr").Child("ph") is { } placeholder ? placeholder.Attr("type") ?? "obj" : null;

        private static IEnumerable<XElement> Paragraphs(XElement shape) => shape.Child("txBody").Children("p");

        private void AddText(XElement shape, string? placeholder)
        {
            var counters = new Dictionary<(int Level, string Form), int>();
            bool list = placeholder is "body" or "obj" && Paragraphs(shape).Count() > 1;
            foreach (var paragraph in Paragraphs(shape))
            {
                var properties = paragraph.Child("pPr");
                var text = Text(paragraph);
                if (string.IsNullOrWhiteSpace(text))
                    continue;
                int level = properties.Number("lvl") ?? 0;
                var numbering = properties.Child("buAutoNum");
                foreach (var deeper in counters.Keys.Where(key => key.Level > level || (key.Level == level && numbering is null)).ToList())
                    counters.Remove(deeper);
                var marker = "";
                if (numbering is not null)
                {
                    var form = numbering.Attr("type") ?? "arabicPeriod";
                    int number = counters.TryGetValue((level, form), out int last) ? last + 1 : numbering.Number("startAt") ?? 1;
                    counters[(level, form)] = number;
                    marker = Marker(form, number);
                }

                bool item = numbering is not null || properties.Child("buChar") is not null || (list && properties.Child("buNone") is null);
                builder.Add(item ? BlockKind.ListItem : BlockKind.Paragraph, marker + text, page, level);
            }
        }

        private static string Marker(string form, int number)
        {
            var format = form switch
            {
                _ when form.StartsWith("alphaLc", StringComparison.Ordinal) => "lowerLetter",
                _ when form.StartsWith("alphaUc", StringComparison.Ordinal) => "upperLetter",
                _ when form.StartsWith("romanLc", StringComparison.Ordinal) => "lowerRoman",
                _ when form.StartsWith("romanUc", StringComparison.Ordinal) => "upperRoman",
                _ when form.StartsWith("circleNum", StringComparison.Ordinal) => "decimalEnclosedCircle",
                _ when form.StartsWith("arabicDb", StringComparison.Ordinal) => "decimalFullWidth",
                _ when form.StartsWith("ea1Jpn", StringComparison.Ordinal) => "japaneseCounting",
                _ when form.StartsWith("ea1Ch", StringComparison.Ordinal) => "chineseCountingThousand",
                _ => "decimal",
            };
            var text = ListNumbers.Office(number, format);
            return form switch
            {
                _ when form.EndsWith("ParenBoth", StringComparison.Ordinal) => $"({text}) ",
                _ when form.EndsWith("ParenR", StringComparison.Ordinal) => $"{text}) ",
                _ when form.EndsWith("Period", StringComparison.Ordinal) => $"{text}. ",
                _ => text + " ",
            };
        }

        private void AddFrame(XElement frame)
        {
            var data = frame.Child("graphic").Child("graphicData");
            if (data.Child("tbl") is { } table)
            {
                var grid = new TableGrid();
                bool isHeader = table.Child("tblPr").Attr("firstRow") is "1" or "true";
                foreach (var row in table.Children("tr"))
                {
                    grid.BeginRow(isHeader);
                    isHeader = false;
                    foreach (var cell in row.Children("tc"))
                    {
                        if (cell.Attr("hMerge") is "1" or "true")
                            grid.AddBeside();
                        else if (cell.Attr("vMerge") is "1" or "true")
                            grid.AddBelow();
                        else
                            grid.Add(string.Join(' ', Paragraphs(cell).Select(Text)));
                    }

                    grid.EndRow();
                }

                grid.WriteTo(builder, page);
            }
            else if (data.Child("relIds").Attr("dm") is { } diagram && slide.TryGetPartById(diagram, out var part))
            {
                foreach (var point in part.Root().Named("pt"))
                    builder.Add(BlockKind.ListItem, string.Join(' ', point.Child("t").Children("p").Select(Text)), page);
            }
        }

        private static string Text(XElement paragraph)
        {
            var text = new StringBuilder();
            Append(paragraph);
            return text.ToString();

            void Append(XElement parent)
            {
                foreach (var child in parent.Elements())
                {
                    if (child.IsMath())
                        text.Append(OfficeMath.Linear(child));
                    else if (child.LocalName() == "r")
                        AppendRun(child);
                    else if (child.LocalName() == "br")
                        text.Append('\n');
                    else if (child.LocalName() == "fld" && child.Attr("type") != "slidenum")
                        text.Append(child.Child("t")?.Value);
                    else if (child.LocalName() is "m" or "AlternateContent"
                        && (child.LocalName() == "m" ? child : child.Alternative()) is { } inner)
                        Append(inner);
                }
            }

            void AppendRun(XElement run)
            {
                if (run.Child("rPr").Attr("strike") is "sngStrike" or "dblStrike")
                    return;
                var value = run.Child("t")?.Value ?? "";
                if (run.Child("rPr").Number("baseline") > 0 && text.Length > 0 && LinearText.WouldJoinNumber(text[^1], value))
                    text.Append('^');
                var font = run.Child("rPr").Child("sym").Attr("typeface");
                text.Append(SymbolFonts.IsSymbolic(font) && value.Any(c => c is >= '\uF020' and <= '\uF0FF')
                    ? SymbolFonts.Text(font!, value)
                    : value);
            }
        }
    }
}
