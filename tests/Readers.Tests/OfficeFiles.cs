using System.IO.Compression;
using System.Text;
using DocumentFormat.OpenXml;
using DocumentFormat.OpenXml.Packaging;

namespace Kotonoha.Readers.Tests;

/// <summary>Builds office documents from the XML of their parts.</summary>
internal static class OfficeFiles
{
    private const string Presentation = "xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\" "
        + "xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" "
        + "xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";

    private const string Sheet = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" "
        + "xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";

    /// <summary>A presentation of slides, each with its shapes, attributes and notes.</summary>
    internal static byte[] Slides(params (string Shapes, string Attributes, string? Notes)[] slides)
    {
        var stream = new MemoryStream();
        using (var package = PresentationDocument.Create(stream, PresentationDocumentType.Presentation))
        {
            var main = package.AddPresentationPart();
            var ids = new StringBuilder();
            for (int i = 0; i < slides.Length; i++)
            {
                var slide = main.AddNewPart<SlidePart>($"rId{i + 1}");
                Write(slide,
                    $"<p:sld {Presentation} {slides[i].Attributes}><p:cSld><p:spTree>{slides[i].Shapes}</p:spTree></p:cSld></p:sld>");
                if (slides[i].Notes is { } notes)
                    Write(slide.AddNewPart<NotesSlidePart>(),
                        $"<p:notes {Presentation}><p:cSld><p:spTree>{notes}</p:spTree></p:cSld></p:notes>");
                ids.Append($"<p:sldId id=\"{256 + i}\" r:id=\"rId{i + 1}\"/>");
            }

            Write(main, $"<p:presentation {Presentation}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>");
        }

        return stream.ToArray();
    }

    /// <summary>A shape with paragraphs.</summary>
    internal static string Shape(string? placeholder, params string[] paragraphs)
        => $"<p:sp><p:nvSpPr><p:cNvPr id=\"1\" "
            + $"name=\"x\"/><p:cNvSpPr/><p:nvPr>"
            + $"{(placeholder is null ? "" : $"<p:ph type=\"{placeholder}\"/>")}</p:nvPr>"
            + "</p:nvSpPr><p:txBody>" + string.Concat(paragraphs.Select(text => text.StartsWith('<') ? text : Line(text)))
            + "</p:txBody></p:sp>";

    internal static string Line(string text, string properties = "")
        => $"<a:p><a:pPr>{properties}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>";

    /// <summary>A workbook of sheets, each with its name, state and the XML inside its root.</summary>
    internal static byte[] Workbook(string? strings, string? styles, params (string Name, string State, string Content)[] sheets)
    {
        var stream = new MemoryStream();
        using (var package = SpreadsheetDocument.Create(stream, SpreadsheetDocumentType.Workbook))
        {
            var main = package.AddWorkbookPart();
            var list = new StringBuilder();
            for (int i = 0; i < sheets.Length; i++)
            {
                Write(main.AddNewPart<WorksheetPart>($"rId{i + 1}"), $"<worksheet {Sheet}>{sheets[i].Content}</worksheet>");
                list.Append($"<sheet name=\"{sheets[i].Name}\" sheetId=\"{i + 1}\" state=\"{sheets[i].State}\" r:id=\"rId{i + 1}\"/>");
            }

            if (strings is not null)
                Write(main.AddNewPart<SharedStringTablePart>(), $"<sst {Sheet}>{strings}</sst>");
            if (styles is not null)
                Write(main.AddNewPart<WorkbookStylesPart>(), $"<styleSheet {Sheet}>{styles}</styleSheet>");
            Write(main, $"<workbook {Sheet}><sheets>{list}</sheets></workbook>");
        }

        return stream.ToArray();
    }

    /// <summary>A zip file of texts.</summary>
    internal static byte[] Zip(params (string Path, string Text)[] entries)
    {
        var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create))
        {
            foreach (var (path, text) in entries)
            {
                using var writer = new StreamWriter(archive.CreateEntry(path).Open());
                writer.Write(text);
            }
        }

        return stream.ToArray();
    }

    /// <summary>An OpenDocument text.</summary>
    internal static byte[] Odt(string body, string styles = "")
    {
        const string Namespaces = "xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" "
            + "xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" "
            + "xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" "
            + "xmlns:style=\"urn:oasis:names:tc:opendocument:xmlns:style:1.0\" "
            + "xmlns:draw=\"urn:oasis:names:tc:opendocument:xmlns:drawing:1.0\" "
            + "xmlns:dc=\"http://purl.org/dc/elements/1.1/\"";
        return Zip(
            ("mimetype", "application/vnd.oasis.opendocument.text"),
            ("content.xml",
                $"<office:document-content "
                    + $"{Namespaces}><office:automatic-styles>{styles}</office:automatic-styles><office:body><office:text>{body}"
                + "</office:text></office:body></office:document-content>"),
            ("meta.xml",
                $"<office:document-meta {Namespaces}><office:meta><dc:title>The title</dc:title></office:meta></office:document-meta>"));
    }

    /// <summary>A book of chapters.</summary>
    internal static byte[] Epub(params (string File, string Html)[] chapters)
        => Zip([
            ("mimetype", "application/epub+zip"),
            ("META-INF/container.xml", "<container xmlns=\"urn:oasis:names:tc:opendocument:xmlns:container\"><rootfiles><rootfile "
                + "full-path=\"OEBPS/book.opf\" media-type=\"application/oebps-package+xml\"/></rootfiles></container>"),
            ("OEBPS/book.opf", "<package xmlns=\"http://www.idpf.org/2007/opf\"><metadata xmlns:dc=\"http://purl.org/dc/elements/1.1/\">"
                + "<dc:title>The book</dc:title></metadata><manifest>"
                + string.Concat(chapters.Reverse().Select(chapter
                    => $"<item id=\"{chapter.File}\" href=\"text/{Uri.EscapeDataString(chapter.File)}\" "
                        + $"media-type=\"application/xhtml+xml\"/>"))
                + "</manifest><spine>" + string.Concat(chapters.Select(chapter => $"<itemref idref=\"{chapter.File}\"/>"))
                + "</spine></package>"),
            .. chapters.Select(chapter => ($"OEBPS/text/{chapter.File}", chapter.Html)),
        ]);

    private static void Write(OpenXmlPart part, string xml)
    {
        using var writer = new StreamWriter(part.GetStream(FileMode.Create, FileAccess.Write));
        writer.Write(xml);
    }
}
