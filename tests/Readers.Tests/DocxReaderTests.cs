using System.IO.Compression;
using DocumentFormat.OpenXml;
using DocumentFormat.OpenXml.Packaging;
using DocumentFormat.OpenXml.Wordprocessing;

namespace Kotonoha.Readers.Tests;

public class DocxReaderTests
{
    private const string Namespace = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";

    internal static byte[] Write(string body, string? styles = null, string? numbering = null)
    {
        var stream = new MemoryStream();
        using (var package = WordprocessingDocument.Create(stream, WordprocessingDocumentType.Document))
        {
            var main = package.AddMainDocumentPart();
            main.Document = new Document($"<w:document {Namespace}><w:body>{body}</w:body></w:document>");
            if (styles is not null)
                main.AddNewPart<StyleDefinitionsPart>().Styles = new Styles($"<w:styles {Namespace}>{styles}</w:styles>");
            if (numbering is not null)
                main.AddNewPart<NumberingDefinitionsPart>()
                    .Numbering = new Numbering($"<w:numbering {Namespace}>{numbering}</w:numbering>");
            package.PackageProperties.Title = "Runbook";
        }

        return stream.ToArray();
    }

    private static string Paragraph(string text, string properties = "")
        => $"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>";

    [Fact]
    public async Task Headings_lists_and_tables_are_found_and_hidden_text_is_not()
    {
        const string Styles = """
            <w:style w:type="paragraph" w:styleId="a1"><w:name w:val="heading 1"/></w:style>
            <w:style w:type="paragraph" w:styleId="a2"><w:name w:val="My Heading"/><w:basedOn w:val="base"/></w:style>
            <w:style w:type="paragraph" w:styleId="base"><w:name w:val="x"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
            """;
        const string Numbering = """
            <w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/></w:lvl></w:abstractNum>
            <w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
            <w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="6"><w:abstractNumId w:val="1"/></w:num>
            """;
        static string Item(int list, string text)
            => Paragraph(text, $"<w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"{list}\"/></w:numPr>");
        static string Row(params string[] cells)
            => $"<w:tr>{string.Concat(cells.Select(cell => $"<w:tc>{Paragraph(cell)}</w:tc>"))}</w:tr>";
        var document = await DocumentReaders.Default.ReadAsync(
            Write(
                Paragraph("当番", "<w:pStyle w:val=\"a1\"/>") + Paragraph("Part", "<w:pStyle w:val=\"a2\"/>")
                + "<w:p><w:r><w:t>Visible "
                + "</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink>"
                + "<w:del w:id=\"1\" w:author=\"x\"><w:r><w:delText>deleted</w:delText></w:r></w:del><w:ins w:id=\"2\" "
                + "w:author=\"x\"><w:r><w:t>, inserted</w:t></w:r></w:ins>"
                + "<w:r><w:fldChar w:fldCharType=\"begin\"/><w:instrText>PAGE</w:instrText></w:r></w:p>"
                + Item(5, "three") + Item(5, "four") + Item(6, "bullet")
                + $"<w:tbl>{Row("Level", "Within")}{Row("SEV1", "15 minutes")}</w:tbl>",
                Styles,
                Numbering),
            "runbook.docx");
        Assert.Equal("当番\n\nPart\n\nVisible link, inserted\n\n3. three\n4. four\nbullet\n\nLevel | Within\nSEV1 | 15 minutes",
            document.Text);
        Assert.Equal("当番 › Part", document.Blocks[^1].HeadingPath);
        Assert.Equal("Runbook", document.Title);
        Assert.All(document.Blocks, block => Assert.Null(block.Page));
    }

    [Fact]
    public async Task A_zip_bomb_is_refused()
    {
        var stream = new MemoryStream(Write(Paragraph("x")));
        var bomb = new MemoryStream();
        stream.CopyTo(bomb);
        using (var archive = new ZipArchive(bomb, ZipArchiveMode.Update, leaveOpen: true))
        using (var entry = archive.CreateEntry("word/media/bomb.bin", CompressionLevel.SmallestSize).Open())
        {
            var zeros = new byte[1 << 20];
            for (int i = 0; i < 32; i++)
                entry.Write(zeros);
        }

        var error = await Assert.ThrowsAsync<DocumentFormatException>(() => DocumentReaders.Default.ReadAsync(bomb.ToArray(), "bomb.docx"));
        Assert.Contains("times its size", error.Message);
    }

    [Fact]
    public async Task Deeply_nested_xml_is_refused()
    {
        int depth = DocumentLimits.MaxNestingDepth;
        var nested = string.Concat(Enumerable.Repeat("<w:sdt><w:sdtContent>", depth)) + Paragraph("x")
            + string.Concat(Enumerable.Repeat("</w:sdtContent></w:sdt>", depth));
        var stream = new MemoryStream();
        stream.Write(Write(Paragraph("x")));
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true))
        {
            archive.GetEntry("word/document.xml")!.Delete();
            using var writer = new StreamWriter(archive.CreateEntry("word/document.xml").Open());
            writer.Write($"<w:document {Namespace}><w:body>{nested}</w:body></w:document>");
        }

        var error = await Assert.ThrowsAsync<DocumentFormatException>(()
            => DocumentReaders.Default.ReadAsync(stream.ToArray(), "deep.docx"));
        Assert.Contains("deep", error.Message);
    }
}
