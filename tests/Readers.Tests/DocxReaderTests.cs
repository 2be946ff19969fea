using System.IO.Compression;
using DocumentFormat.OpenXml;
using DocumentFormat.OpenXml.Packaging;
using DocumentFormat.OpenXml.Wordprocessing;

namespace Kotonoha.Readers.Tests;

public class DocxReaderTests
{
    private const string Namespace = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" "
        + "xmlns:m=\"http://schemas.openxmlformats.org/officeDocument/2006/math\" "
        + "xmlns:mc=\"http://schemas.openxmlformats.org/markup-compatibility/2006\" "
        + "xmlns:wps=\"http://schemas.microsoft.com/office/word/2010/wordprocessingShape\" xmlns:v=\"urn:schemas-microsoft-com:vml\"";

    internal static byte[] Write(
        string body, string? styles = null, string? numbering = null, string? footnotes = null, string? endnotes = null)
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
            if (footnotes is not null)
                main.AddNewPart<FootnotesPart>().Footnotes = new Footnotes($"<w:footnotes {Namespace}>{footnotes}</w:footnotes>");
            if (endnotes is not null)
                main.AddNewPart<EndnotesPart>().Endnotes = new Endnotes($"<w:endnotes {Namespace}>{endnotes}</w:endnotes>");
            package.PackageProperties.Title = "Runbook";
        }

        return stream.ToArray();
    }

    private static async Task<string> Read(string body, string? styles = null, string? numbering = null, string? footnotes = null,
        string? endnotes = null)
        => (await DocumentReaders.InProcess.ReadAsync(Write(body, styles, numbering, footnotes, endnotes), "test.docx")).Text;

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
    public async Task Breaks_tabs_and_special_hyphens_separate_or_join_as_Word_shows_them()
        => Assert.Equal(
            "one\ntwo\nthree\nfour\tright\tend 03-123",
            await Read("<w:p><w:r><w:t>one</w:t><w:br w:type=\"textWrapping\" w:clear=\"all\"/><w:t>two</w:t><w:br w:type=\"column\"/>"
                + "<w:t>three</w:t><w:cr/><w:t>fo</w:t><w:softHyphen/><w:t>ur</w:t><w:ptab w:alignment=\"right\" w:relativeTo=\"margin\" "
                + "w:leader=\"dot\"/><w:t>right</w:t><w:tab/><w:t>end 03</w:t><w:noBreakHyphen/><w:t>123</w:t></w:r></w:p>"));

    [Fact]
    public async Task Symbols_of_symbol_fonts_become_their_characters()
        => Assert.Equal(
            "±5 α ✓ → ☐ ① μm €",
            await Read("<w:p><w:r><w:sym w:font=\"Symbol\" w:char=\"F0B1\"/><w:t xml:space=\"preserve\">5 </w:t></w:r>"
                + "<w:r><w:sym w:font=\"Symbol\" w:char=\"0061\"/><w:t xml:space=\"preserve\"> </w:t>"
                + "<w:sym w:font=\"Wingdings\" w:char=\"F0FC\"/><w:t xml:space=\"preserve\"> </w:t>"
                + "<w:sym w:font=\"Wingdings\" w:char=\"F0E0\"/><w:t xml:space=\"preserve\"> </w:t>"
                + "<w:sym w:font=\"Wingdings\" w:char=\"F0A8\"/><w:t xml:space=\"preserve\"> </w:t>"
                + "<w:sym w:font=\"Wingdings\" w:char=\"F081\"/><w:t xml:space=\"preserve\"> </w:t></w:r>"
                + "<w:r><w:rPr><w:rFonts w:ascii=\"Symbol\" w:hAnsi=\"Symbol\"/></w:rPr><w:t>\uF06D</w:t></w:r><w:r><w:t "
                + "xml:space=\"preserve\">m "
                + "</w:t><w:sym w:font=\"Arial\" w:char=\"20AC\"/></w:r></w:p>"));

    [Fact]
    public async Task Merged_cells_are_repeated_in_every_row_and_column_that_they_span()
    {
        static string Cell(string text, string properties = "") => $"<w:tc><w:tcPr>{properties}</w:tcPr>{Paragraph(text)}</w:tc>";
        Assert.Equal(
            "Opening hours 2026\n\nSite | Week Saturday | Week Sunday\nHarbour | 10:00 | 11:30\nAirport | 05:00 | "
                + "closed\nAirport | 06:00 "
            + "| closed\n | late | 22:00",
            await Read("<w:tbl>"
                + $"<w:tr>{Cell("Opening hours 2026", "<w:gridSpan w:val=\"3\"/>")}</w:tr>"
                + $"<w:tr>{Cell("Site", "<w:vMerge w:val=\"restart\"/>")}{Cell("Week", "<w:gridSpan w:val=\"2\"/>")}</w:tr>"
                + $"<w:tr>{Cell("", "<w:vMerge/>")}{Cell("Saturday")}{Cell("Sunday")}</w:tr>"
                + $"<w:tr>{Cell("Harbour")}{Cell("10:00")}{Cell("11:30")}</w:tr>"
                + $"<w:tr>{Cell("Airport", "<w:vMerge w:val=\"restart\"/>")}{Cell("05:00")}"
                + $"{Cell("closed", "<w:vMerge w:val=\"restart\"/>")}</w:tr>"
                + $"<w:tr>{Cell("", "<w:vMerge w:val=\"continue\"/>")}{Cell("06:00")}{Cell("", "<w:vMerge/>")}</w:tr>"
                + $"<w:tr><w:trPr><w:gridBefore w:val=\"1\"/></w:trPr>{Cell("late")}{Cell("22:00")}</w:tr>"
                + $"<w:tr><w:trPr><w:del w:id=\"1\" w:author=\"x\"/></w:trPr>{Cell("deleted")}{Cell("row")}{Cell("x")}</w:tr></w:tbl>"));
    }

    [Fact]
    public async Task A_text_box_is_read_once_after_its_paragraph()
    {
        const string Shown = "<w:txbxContent><w:p><w:r><w:t>Code K7.</w:t></w:r></w:p></w:txbxContent>";
        const string Fallback = $"<mc:Fallback><w:pict><v:shape><v:textbox>{Shown}</v:textbox></v:shape></w:pict></mc:Fallback>";
        Assert.Equal(
            "Before.\n\nCode K7.\n\nAfter.",
            await Read(
                "<w:p><w:r><w:t>Before.</w:t></w:r><w:r><mc:AlternateContent><mc:Choice Requires=\"wps\"><w:drawing><wps:wsp><wps:txbx>"
                + $"{Shown}</wps:txbx></wps:wsp></w:drawing></mc:Choice>{Fallback}</mc:AlternateContent></w:r></w:p>"
                + Paragraph("After.")));
        Assert.Equal("Code K7.", await Read($"<w:p><w:r><w:pict><v:shape><v:textbox>{Shown}</v:textbox></v:shape></w:pict></w:r></w:p>"));
        Assert.Equal(
            "Code K7.",
            await Read("<w:p><w:r><mc:AlternateContent xmlns:zz=\"urn:later\"><mc:Choice Requires=\"zz\"><w:t>newer</w:t></mc:Choice>"
                + $"{Fallback}</mc:AlternateContent></w:r></w:p>"));
        Assert.Equal(
            "a Code K7. | b",
            await Read($"<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t><w:pict><v:textbox>{Shown}</v:textbox></w:pict></w:r></w:p></w:tc>"
                + $"<w:tc>{Paragraph("b")}</w:tc></w:tr></w:tbl>"));
    }

    [Fact]
    public async Task Notes_come_after_the_paragraph_that_refers_to_them_and_comments_are_left_out()
        => Assert.Equal(
            "Rent is due on the first.\n\nOr the next working day.\n\nThe end.\n\nSee the law of 2019.",
            await Read("<w:p><w:r><w:t>Rent is due on the first.</w:t></w:r><w:r><w:footnoteReference w:id=\"2\"/></w:r></w:p>"
                + "<w:p><w:commentRangeStart w:id=\"0\"/><w:r><w:t>The end.</w:t></w:r><w:commentRangeEnd w:id=\"0\"/><w:r>"
                + "<w:commentReference w:id=\"0\"/><w:endnoteReference w:id=\"2\"/></w:r></w:p>",
                footnotes: "<w:footnote w:type=\"separator\" w:id=\"-1\"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>"
                + "<w:footnote w:id=\"2\"><w:p><w:r><w:footnoteRef/><w:t>Or the next working day.</w:t><w:footnoteReference "
                + "w:id=\"2\"/></w:r></w:p></w:footnote>",
                endnotes: "<w:endnote w:id=\"2\"><w:p><w:r><w:endnoteRef/><w:t>See the law of 2019.</w:t></w:r></w:p></w:endnote>"));

    [Fact]
    public async Task Deletions_and_the_places_that_text_was_moved_from_are_left_out()
        => Assert.Equal(
            "The fee is 20 euros.\n\nMoved.\n\nEnd.",
            await Read("<w:p><w:pPr><w:rPr><w:del w:id=\"1\" w:author=\"x\"/></w:rPr></w:pPr><w:r><w:t xml:space=\"preserve\">The fee is "
                + "</w:t></w:r></w:p>"
                + "<w:p><w:del w:id=\"2\" w:author=\"x\"><w:r><w:delText>10</w:delText></w:r></w:del><w:ins w:id=\"3\" "
                + "w:author=\"x\"><w:r><w:t>20"
                + "</w:t></w:r></w:ins><w:r><w:t xml:space=\"preserve\"> euros.</w:t></w:r></w:p>"
                + "<w:p><w:moveTo w:id=\"4\" w:author=\"x\"><w:r><w:t>Moved.</w:t></w:r></w:moveTo></w:p>"
                + "<w:p><w:pPr><w:rPr><w:moveFrom w:id=\"5\" w:author=\"x\"/></w:rPr></w:pPr><w:moveFrom w:id=\"5\" "
                + "w:author=\"x\"><w:r><w:t>Moved."
                + $"</w:t></w:r></w:moveFrom></w:p>{Paragraph("End.")}"));

    [Fact]
    public async Task Fields_show_their_result_and_not_their_code()
    {
        const string Begin = "<w:fldChar w:fldCharType=\"begin\"/>", Middle = "<w:fldChar w:fldCharType=\"separate\"/>",
            End = "<w:fldChar w:fldCharType=\"end\"/>";
        Assert.Equal(
            "Page 7 of 9; winter; ☒ yes",
            await Read($"<w:p><w:r><w:t xml:space=\"preserve\">Page "
                + $"</w:t>{Begin}<w:instrText>PAGE</w:instrText>{Middle}<w:t>7</w:t>{End}</w:r>"
                + "<w:r><w:t xml:space=\"preserve\"> of </w:t></w:r><w:fldSimple w:instr=\"NUMPAGES\"><w:r><w:t>9</w:t></w:r></w:fldSimple>"
                + $"<w:r><w:t xml:space=\"preserve\">; </w:t>{Begin}<w:instrText>IF "
                + $"</w:instrText>{Begin}<w:instrText>PAGE</w:instrText>{Middle}<w:t>3</w:t>{End}"
                + $"<w:instrText> = 3 \"a\"</w:instrText><w:t>never</w:t>{Middle}<w:t>winter</w:t>{End}<w:t xml:space=\"preserve\">; </w:t>"
                + "<w:fldChar w:fldCharType=\"begin\"><w:ffData><w:checkBox><w:default w:val=\"1\"/></w:checkBox></w:ffData></w:fldChar>"
                + $"<w:instrText>FORMCHECKBOX</w:instrText>{End}<w:t xml:space=\"preserve\"> yes</w:t></w:r></w:p>"));
    }

    [Theory]
    [InlineData("<m:r><m:t>E=m</m:t></m:r><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>",
        "E=mc2")]
    [InlineData("<m:sSup><m:e><m:r><m:t>2</m:t></m:r></m:e><m:sup><m:r><m:t>10</m:t></m:r></m:sup></m:sSup>", "2^10")]
    [InlineData("<m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>n+1</m:t></m:r></m:sup></m:sSup>", "x^(n+1)")]
    [InlineData("<m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>", "(a+b)/2")]
    [InlineData("<m:rad><m:radPr><m:degHide/></m:radPr><m:deg/><m:e><m:r><m:t>x+1</m:t></m:r></m:e></m:rad>", "√(x+1)")]
    [InlineData("<m:sSub><m:e><m:r><m:t>H</m:t></m:r></m:e><m:sub><m:r><m:t>2</m:t></m:r></m:sub></m:sSub><m:r><m:t>O</m:t></m:r>", "H2O")]
    [InlineData("<m:nary><m:naryPr><m:chr "
        + "m:val=\"∑\"/></m:naryPr><m:sub><m:r><m:t>i=1</m:t></m:r></m:sub><m:sup><m:r><m:t>n</m:t></m:r></m:sup>"
        + "<m:e><m:sSub><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sub><m:r><m:t>i</m:t></m:r></m:sub></m:sSub></m:e></m:nary>", "∑_(i=1)^n x_i")]
    [InlineData("<m:func><m:fName><m:r><m:t>sin</m:t></m:r></m:fName><m:e><m:d><m:dPr><m:begChr m:val=\"[\"/><m:endChr "
        + "m:val=\"]\"/></m:dPr><m:e>"
        + "<m:r><m:t>t</m:t></m:r></m:e></m:d></m:e></m:func>", "sin [t]")]
    public async Task Equations_are_read_in_one_line(string math, string expected)
    {
        Assert.Equal($"so {expected} holds",
            await Read($"<w:p><w:r><w:t xml:space=\"preserve\">so </w:t></w:r><m:oMath>{math}</m:oMath><w:r><w:t xml:space=\"preserve\"> "
                + $"holds</w:t></w:r></w:p>"));
        Assert.Equal(expected, await Read($"<w:p><m:oMathPara><m:oMath>{math}</m:oMath></m:oMathPara></w:p>"));
    }

    [Fact]
    public async Task Ruby_is_read_without_its_reading()
        => Assert.Equal(
            "避難場所",
            await Read(
                "<w:p><w:r><w:ruby><w:rubyPr/><w:rt><w:r><w:t>ひなん</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>避難</w:t></w:r></w:rubyBase>"
                + "</w:ruby></w:r><w:r><w:t>場所</w:t></w:r></w:p>"));

    [Fact]
    public async Task Styles_hide_text_and_undo_each_other()
    {
        const string Styles = """
            <w:style w:type="character" w:styleId="Hid"><w:name w:val="h"/><w:rPr><w:vanish/></w:rPr></w:style>
            <w:style w:type="character" w:styleId="HidChild"><w:name w:val="hc"/><w:basedOn w:val="Hid"/></w:style>
            <w:style w:type="character" w:styleId="Shown"><w:name w:val="s"/><w:basedOn w:val="Hid"/><w:rPr><w:vanish w:val="0"/></w:rPr></w:style>
            <w:style w:type="paragraph" w:styleId="HidP"><w:name w:val="hp"/><w:rPr><w:vanish w:val="true"/></w:rPr></w:style>
            """;
        static string Run(string style, string text, string more = "")
            => $"<w:r><w:rPr><w:rStyle w:val=\"{style}\"/>{more}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>";
        Assert.Equal(
            "a d e\n\ng h",
            await Read($"<w:p><w:r><w:t xml:space=\"preserve\">a </w:t></w:r>{Run("Hid", "b ")}{Run("HidChild", "c ")}{Run("Shown", "d ")}"
                + $"{Run("Hid", "e", "<w:vanish w:val=\"off\"/>")}</w:p>"
                + $"<w:p><w:pPr><w:pStyle w:val=\"HidP\"/></w:pPr><w:r><w:t>f</w:t></w:r>{Run("Hid", "g ")}"
                + "<w:r><w:rPr><w:vanish w:val=\"false\"/></w:rPr><w:t>h</w:t></w:r></w:p>"
                + Paragraph("secret", "<w:pStyle w:val=\"HidP\"/>"), Styles));
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
