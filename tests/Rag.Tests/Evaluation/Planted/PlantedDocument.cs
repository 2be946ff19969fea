using System.Net;
using System.Text;
using DocumentFormat.OpenXml;
using DocumentFormat.OpenXml.Packaging;
using DocumentFormat.OpenXml.Wordprocessing;

namespace Kotonoha.Tests.Planted;

/// <summary>What a part of a planted document is.</summary>
public enum PieceKind
{
    Title,
    Heading,
    Sentence,
    Paragraph,
    Item,
    Step,
    Header,
    Row,
}

/// <summary>Where a text states a fact.</summary>
/// <param name="Fact">The fact.</param>
/// <param name="Cell">Which of the piece's texts.</param>
/// <param name="Start">Where in it the value starts.</param>
/// <param name="Value">The value.</param>
public sealed record Stated(string Fact, int Cell, int Start, string Value);

/// <summary>A part of a document; a <see cref="PieceKind.Sentence"/> goes on in the paragraph before it.</summary>
public sealed record Piece(PieceKind Kind, IReadOnlyList<string> Texts, IReadOnlyList<Stated> Facts);

/// <summary>A document as a list of parts, and how they are written as files.</summary>
public sealed class PlantedDocument(string name, bool japanese)
{
    public string Name { get; } = name;

    public List<Piece> Pieces { get; } = [];

    public void Add(PieceKind kind, string text, params Stated[] facts) => Pieces.Add(new Piece(kind, [text], facts));

    public void Write(string folder)
    {
        var path = Path.Combine(folder, Name);
        switch (Path.GetExtension(Name))
        {
            case ".html":
                File.WriteAllText(path, Html());
                break;
            case ".docx":
                WriteDocx(path);
                break;
            case ".csv":
                File.WriteAllLines(path, Pieces.Where(piece => piece.Kind is PieceKind.Header or PieceKind.Row)
                    .Select(piece => string.Join(',', piece.Texts.Select(text => text.Contains(',', StringComparison.Ordinal)
                        ? $"\"{text}\"" : text))));
                break;
            default:
                File.WriteAllText(path, Plain(markdown: Name.EndsWith(".md", StringComparison.Ordinal)));
                break;
        }
    }

    /// <summary>Finds the values in the text that a reader extracted: all parts stand there in their order.</summary>
    public IEnumerable<(string Fact, int Start, int End, string Value)> Locate(string text)
    {
        int cursor = 0;
        bool isTable = Name.EndsWith(".csv", StringComparison.Ordinal);
        foreach (var piece in Pieces)
        {
            if (isTable && piece.Kind is not (PieceKind.Header or PieceKind.Row))
                continue;
            for (int cell = 0; cell < piece.Texts.Count; cell++)
            {
                int at = text.IndexOf(piece.Texts[cell], cursor, StringComparison.Ordinal);
                if (at < 0)
                    throw new InvalidOperationException($"'{piece.Texts[cell]}' does not stand in what was read of {Name}.");
                foreach (var stated in piece.Facts.Where(stated => stated.Cell == cell))
                    yield return (stated.Fact, at + stated.Start, at + stated.Start + stated.Value.Length, stated.Value);
                cursor = at + piece.Texts[cell].Length;
            }
        }
    }

    private string Plain(bool markdown)
    {
        var text = new StringBuilder();
        int step = 0;
        PieceKind? last = null;
        foreach (var piece in Pieces)
        {
            var body = piece.Texts[0];
            step = piece.Kind == PieceKind.Step ? step + 1 : 0;
            bool goesOn = piece.Kind is PieceKind.Item or PieceKind.Step or PieceKind.Row && last is { } kind && Same(kind, piece.Kind);
            if (piece.Kind == PieceKind.Sentence && last is PieceKind.Sentence or PieceKind.Paragraph)
                text.Append(japanese ? "" : " ").Append(body);
            else
            {
                text.Append(last is null ? "" : goesOn ? "\n" : "\n\n");
                text.Append(piece.Kind switch
                {
                    PieceKind.Title => markdown ? "# " + body : body,
                    PieceKind.Heading => markdown ? "## " + body : body,
                    PieceKind.Item => "- " + body,
                    PieceKind.Step => $"{step}. {body}",
                    PieceKind.Header => $"| {string.Join(" | ", piece.Texts)} |\n|{string.Concat(piece.Texts.Select(_ => "---|"))}",
                    PieceKind.Row => $"| {string.Join(" | ", piece.Texts)} |",
                    _ => body,
                });
            }

            last = piece.Kind;
        }

        return text.Append('\n').ToString();
    }

    private static bool Same(PieceKind before, PieceKind now) => before == now || (before == PieceKind.Header && now == PieceKind.Row);

    private string Html()
    {
        var text = new StringBuilder("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>")
            .Append(WebUtility.HtmlEncode(Pieces[0].Texts[0])).Append("</title></head><body>\n");
        string open = "";
        foreach (var piece in Pieces)
        {
            var wanted = piece.Kind switch
            {
                PieceKind.Sentence or PieceKind.Paragraph => "p",
                PieceKind.Item => "ul",
                PieceKind.Step => "ol",
                PieceKind.Header or PieceKind.Row => "table",
                _ => "",
            };
            if (wanted != open || piece.Kind is PieceKind.Paragraph)
            {
                text.Append(open.Length > 0 ? $"</{open}>\n" : "").Append(wanted.Length > 0 ? $"<{wanted}>" : "");
                open = wanted;
            }
            else if (piece.Kind == PieceKind.Sentence && !japanese)
            {
                text.Append(' ');
            }

            var cells = piece.Texts.Select(WebUtility.HtmlEncode).ToArray();
            text.Append(piece.Kind switch
            {
                PieceKind.Title => $"<h1>{cells[0]}</h1>\n",
                PieceKind.Heading => $"<h2>{cells[0]}</h2>\n",
                PieceKind.Item or PieceKind.Step => $"<li>{cells[0]}</li>\n",
                PieceKind.Header => $"<tr>{string.Concat(cells.Select(cell => $"<th>{cell}</th>"))}</tr>\n",
                PieceKind.Row => $"<tr>{string.Concat(cells.Select(cell => $"<td>{cell}</td>"))}</tr>\n",
                _ => cells[0],
            });
        }

        return text.Append(open.Length > 0 ? $"</{open}>\n" : "").Append("</body></html>\n").ToString();
    }

    private void WriteDocx(string path)
    {
        const string Namespace = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";
        var body = new StringBuilder();
        int lists = 1;
        for (int i = 0; i < Pieces.Count; i++)
        {
            var piece = Pieces[i];
            switch (piece.Kind)
            {
                case PieceKind.Title or PieceKind.Heading:
                    body.Append(Paragraph(piece.Texts[0], $"<w:pStyle w:val=\"{piece.Kind}\"/>"));
                    break;
                case PieceKind.Item:
                    body.Append(Paragraph(piece.Texts[0], Numbered(1)));
                    break;
                case PieceKind.Step:
                    lists += Pieces[i - 1].Kind == PieceKind.Step ? 0 : 1;
                    body.Append(Paragraph(piece.Texts[0], Numbered(lists)));
                    break;
                case PieceKind.Header:
                    body.Append("<w:tbl>").Append(Row(piece));
                    while (i + 1 < Pieces.Count && Pieces[i + 1].Kind == PieceKind.Row)
                        body.Append(Row(Pieces[++i]));
                    body.Append("</w:tbl>");
                    break;
                default:
                    var text = piece.Texts[0];
                    while (i + 1 < Pieces.Count && Pieces[i + 1].Kind == PieceKind.Sentence)
                        text += (japanese ? "" : " ") + Pieces[++i].Texts[0];
                    body.Append(Paragraph(text, ""));
                    break;
            }
        }

        using var package = WordprocessingDocument.Create(path, WordprocessingDocumentType.Document);
        var main = package.AddMainDocumentPart();
        main.Document = new Document($"<w:document {Namespace}><w:body>{body}</w:body></w:document>");
        main.AddNewPart<StyleDefinitionsPart>().Styles = new Styles(
            $"<w:styles {Namespace}>{Style("Title", 0)}{Style("Heading", 1)}</w:styles>");
        main.AddNewPart<NumberingDefinitionsPart>().Numbering = new Numbering(
            $"<w:numbering {Namespace}>{Definition(0, "bullet", "•")}{Definition(1, "decimal", "%1.")}"
            + "<w:num w:numId=\"1\"><w:abstractNumId w:val=\"0\"/></w:num>"
            + string.Concat(Enumerable.Range(2, lists).Select(list => $"<w:num w:numId=\"{list}\"><w:abstractNumId w:val=\"1\"/>"
                + "<w:lvlOverride w:ilvl=\"0\"><w:startOverride w:val=\"1\"/></w:lvlOverride></w:num>")) + "</w:numbering>");

        static string Style(string name, int level)
            => $"<w:style w:type=\"paragraph\" w:styleId=\"{name}\"><w:name w:val=\"heading {level + 1}\"/><w:pPr>"
                + $"<w:outlineLvl w:val=\"{level}\"/></w:pPr></w:style>";

        static string Definition(int id, string format, string text)
            => $"<w:abstractNum w:abstractNumId=\"{id}\"><w:lvl w:ilvl=\"0\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{format}\"/>"
                + $"<w:lvlText w:val=\"{text}\"/></w:lvl></w:abstractNum>";

        static string Numbered(int list) => $"<w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"{list}\"/></w:numPr>";

        static string Row(Piece piece)
            => $"<w:tr>{string.Concat(piece.Texts.Select(cell => $"<w:tc>{Paragraph(cell, "")}</w:tc>"))}</w:tr>";

        static string Paragraph(string text, string properties)
            => $"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space=\"preserve\">{WebUtility.HtmlEncode(text)}</w:t></w:r></w:p>";
    }
}
