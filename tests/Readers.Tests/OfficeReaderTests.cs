namespace Kotonoha.Readers.Tests;

/// <summary>Slides, sheets, OpenDocument texts and books.</summary>
public class OfficeReaderTests
{
    private static Task<ExtractedDocument> Read(byte[] content, string name) => DocumentReaders.InProcess.ReadAsync(content, name);

    [Fact]
    public async Task Slides_are_pages_with_titles_lists_tables_and_notes()
    {
        static string Cell(string text, string attributes = "")
            => $"<a:tc {attributes}><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>";
        // A table cell holds its text in a:txBody, a shape in p:txBody.
        const string Frame =
            "<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id=\"4\" name=\"t\"/></p:nvGraphicFramePr><a:graphic><a:graphicData><a:tbl>";
        var document = await Read(
            OfficeFiles.Slides(
                (OfficeFiles.Shape("ctrTitle", "Fire safety") + OfficeFiles.Shape("subTitle", "For new staff")
                    + OfficeFiles.Shape("sldNum", "1"), "",
                    null),
                (OfficeFiles.Shape("body", OfficeFiles.Line("Call 119", "<a:buAutoNum type=\"arabicPeriod\"/>"),
                    OfficeFiles.Line("Leave", "<a:buAutoNum type=\"arabicPeriod\"/>"), OfficeFiles.Line("Wait outside", "<a:buNone/>"))
                    + OfficeFiles.Shape("title", "In case of fire")
                    + Frame + $"<a:tr>{Cell("Floor")}{Cell("Exit")}</a:tr><a:tr>{Cell("1", "rowSpan=\"2\"")}{Cell("North")}</a:tr>"
                    + $"<a:tr>{Cell("", "vMerge=\"1\"")}{Cell("South")}</a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
                    + "<p:sp><p:nvSpPr><p:cNvPr id=\"9\" name=\"h\" hidden=\"1\"/></p:nvSpPr><p:txBody>" + OfficeFiles.Line("gone")
                    + "</p:txBody></p:sp>",
                    "", OfficeFiles.Shape("body", "Show the map.") + OfficeFiles.Shape("sldNum", "2")),
                (OfficeFiles.Shape("title", "Draft"), "show=\"0\"", null),
                (OfficeFiles.Shape(null, "No title here"), "", null)),
            "deck.pptx");
        Assert.Equal(
            "Fire safety\n\nFor new staff\n\nIn case of fire\n\n1. Call 119\n2. Leave\n\nWait outside\n\nFloor | Exit\n1 | North\n1 | "
                + "South\n\n"
            + "Show the map.\n\nNo title here",
            document.Text);
        Assert.Equal([1, 1, 2, 2, 2, 2, 2, 2, 4], document.Blocks.Select(block => block.Page));
        Assert.Equal("Fire safety › In case of fire", document.Blocks[^2].HeadingPath);
        Assert.Equal("Fire safety", document.Blocks[^1].HeadingPath);
        Assert.Contains("slide 3 is hidden", Assert.Single(document.Remarks));
    }

    [Fact]
    public async Task Sheets_are_tables_with_values_as_shown()
    {
        const string Styles =
            "<numFmts><numFmt numFmtId=\"164\" formatCode=\"yyyy/mm/dd\"/><numFmt numFmtId=\"165\" formatCode=\"&quot;¥&quot;#,##0\"/>"
            + "</numFmts><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/><xf numFmtId=\"10\"/></cellXfs>";
        const string Strings = "<si><t>Item</t></si><si><r><t>Pri</t></r><r><t>ce</t></r><rPh sb=\"0\" eb=\"1\"><t>ネダン</t></rPh></si>";
        var document = await Read(
            OfficeFiles.Workbook(Strings, Styles,
                ("Prices", "visible",
                    "<cols><col min=\"4\" max=\"4\" hidden=\"1\"/></cols><sheetData>"
                    + "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>Price list 2026</t></is></c></row>"
                    + "<row r=\"2\"><c r=\"A2\" t=\"s\"><v>0</v></c><c r=\"B2\" t=\"s\"><v>1</v></c><c r=\"C2\" "
                    + "t=\"inlineStr\"><is><t>From</t></is></c>"
                    + "<c r=\"D2\" t=\"inlineStr\"><is><t>hidden</t></is></c></row>"
                    + "<row r=\"3\"><c r=\"A3\" t=\"inlineStr\"><is><t>Tea</t></is></c><c r=\"B3\" s=\"2\"><f>A1*2</f><v>1200</v></c><c "
                    + "r=\"C3\" s=\"1\"><v>46023</v></c></row>"
                    + "<row r=\"4\" hidden=\"1\"><c r=\"A4\"><v>4</v></c></row>"
                    + "<row r=\"5\"><c r=\"B5\"><v>0.30000000000000004</v></c><c r=\"C5\" t=\"b\"><v>1</v></c></row>"
                    + "<row r=\"8\"><c r=\"B8\" t=\"inlineStr\"><is><t>Share</t></is></c><c r=\"C8\" "
                    + "t=\"inlineStr\"><is><t>Note</t></is></c></row>"
                    + "<row r=\"9\"><c r=\"B9\" s=\"3\"><v>0.125</v></c><c r=\"C9\" t=\"e\"><v>#N/A</v></c></row>"
                    + "</sheetData><mergeCells><mergeCell ref=\"A3:A5\"/></mergeCells>"),
                ("Secret", "hidden", "<sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c></row></sheetData>"),
                ("Empty", "visible", "<sheetData/>"),
                ("Last", "visible", "<sheetData><row><c><v>1</v></c><c><v>-2.5</v></c></row><row><c><v>3</v></c></row></sheetData>")),
            "prices.xlsx");
        Assert.Equal(
            "Prices\n\nPrice list 2026\n\nItem | Price | From\nTea | ¥1,200 | 2026/01/01\nTea | 0.3 | TRUE\n\nShare | Note\n12.50% | "
                + "#N/A\n\n"
            + "Last\n\n1 | -2.5\n3 | ",
            document.Text);
        Assert.Contains("'Secret' is hidden", Assert.Single(document.Remarks));
    }

    [Theory]
    [InlineData(1234567.891, "#,##0.00", "1,234,567.89")]
    [InlineData(-1234, "#,##0;(#,##0)", "(1,234)")]
    [InlineData(0, "0;-0;\"none\"", "none")]
    [InlineData(0.256, "0%", "26%")]
    [InlineData(1500000, "0.0,,\"M\"", "1.5M")]
    [InlineData(12345, "0.00E+00", "1.23E+04")]
    [InlineData(-5, "[$€-407] #,##0.00", "-€ 5.00")]
    [InlineData(7, "000", "007")]
    [InlineData(1, "yyyy-mm-dd", "1900-01-01")]
    [InlineData(61, "yyyy-mm-dd", "1900-03-01")]
    [InlineData(46023.75, "yyyy\"年\"m\"月\"d\"日\" h:mm", "2026年1月1日 18:00")]
    [InlineData(46023.75, "h:mm AM/PM", "6:00 PM")]
    [InlineData(1.5, "[h]:mm:ss", "36:00:00")]
    [InlineData(0.0006944444, "mm:ss", "01:00")]
    [InlineData(46023, "dddd, mmmm d", "Thursday, January 1")]
    [InlineData(46023, "[$-411]ggge\"年\"", "2026-01-01")]
    [InlineData(0.5, "# ?/?", "0.5")]
    [InlineData(3.14, "General", "3.14")]
    [InlineData(1e20, "0.00", "1E+20")]
    [InlineData(double.NaN, "0.00", "NaN")]
    public void Numbers_are_written_by_their_formats(double number, string format, string expected)
        => Assert.Equal(expected, SheetFormats.Format(number, format));

    [Fact]
    public async Task OpenDocument_texts_are_read_as_shown()
    {
        const string Styles = """
            <text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
            <text:list-level-style-number text:level="2" style:num-format="a" style:num-prefix="(" style:num-suffix=")"/></text:list-style>
            <style:style style:name="Hid"><style:text-properties text:display="none"/></style:style>
            <style:style style:name="Up"><style:text-properties style:text-position="super 58%"/></style:style>
            """;
        var document = await Read(
            OfficeFiles.Odt("""
                <text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion></text:changed-region></text:tracked-changes>
                <text:h text:outline-level="1">Rules</text:h>
                <text:p>One<text:s text:c="2"/>two<text:tab/>three<text:line-break/>four <text:span text:style-name="Hid">secret</text:span>
                <text:ruby><text:ruby-base>避難</text:ruby-base><text:ruby-text>ひなん</text:ruby-text></text:ruby> 10<text:span text:style-name="Up">5</text:span><text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note>.<office:annotation><text:p>comment</text:p></office:annotation></text:p>
                <text:list text:style-name="L1"><text:list-item><text:p>first</text:p><text:list><text:list-item><text:p>inner</text:p></text:list-item></text:list></text:list-item>
                <text:list-item><text:p>second</text:p></text:list-item></text:list>
                <table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>Site</text:p></table:table-cell><table:table-cell><text:p>Day</text:p></table:table-cell></table:table-row></table:table-header-rows>
                <table:table-row><table:table-cell table:number-rows-spanned="2"><text:p>Pier</text:p></table:table-cell><table:table-cell><text:p>Mon</text:p></table:table-cell></table:table-row>
                <table:table-row><table:covered-table-cell/><table:table-cell><text:p>Tue</text:p></table:table-cell></table:table-row></table:table>
                <text:p><draw:frame><draw:text-box><text:p>In a box.</text:p></draw:text-box></draw:frame></text:p>
                """, Styles),
            "rules.odt");
        Assert.Equal(
            "Rules\n\nOne  two\tthree\nfour 避難 10^5.\n\nA note.\n\n1. first\n  (a) inner\n2. second\n\nSite | Day\nPier | Mon\nPier | "
                + "Tue\n\nIn a box.",
            document.Text);
        Assert.Equal("The title", document.Title);
    }

    [Fact]
    public async Task Books_are_read_in_the_order_of_their_spine()
    {
        var document = await Read(
            OfficeFiles.Epub(
                ("b 1.xhtml", "<?xml version=\"1.0\"?><html "
                    + "xmlns=\"http://www.w3.org/1999/xhtml\"><head><title>x</title></head><body><h1>One</h1><p>First "
                    + "<b>words</b>.</p></body></html>"),
                ("a.xhtml", "<html><body><nav><ol><li>One</li></ol></nav><h1>Two</h1><p>Last words.</p></body></html>")),
            "book.epub");
        Assert.Equal("One\n\nFirst words.\n\nTwo\n\nLast words.", document.Text);
        Assert.Equal("The book", document.Title);
        Assert.Equal("Two", document.Blocks[^1].HeadingPath);
    }

    [Theory]
    [InlineData("<!DOCTYPE package SYSTEM \"file:///kotonoha/no/such.dtd\">", "", null)]
    [InlineData("<!DOCTYPE package [<!ENTITY x \"boom\">]>", "<a>&x;</a>", "broken XML")]
    [InlineData("", "<a>", "nests XML elements more than 256 deep")]
    public async Task The_package_of_a_book_is_read_with_the_limits_of_all_xml(string type, string inner, string? problem)
    {
        if (inner == "<a>")
            inner = string.Concat(Enumerable.Repeat("<a>", 300)) + string.Concat(Enumerable.Repeat("</a>", 300));
        var book = OfficeFiles.Zip(
            ("META-INF/container.xml", "<container><rootfiles><rootfile full-path=\"book.opf\"/></rootfiles></container>"),
            ("book.opf", $"{type}<package><manifest><item id=\"a\" href=\"a.xhtml\" media-type=\"text/html\"/></manifest>"
                + $"<spine><itemref idref=\"a\"/></spine>{inner}</package>"),
            ("a.xhtml", "<p>Words.</p>"));
        if (problem is null)
            Assert.Equal("Words.", (await Read(book, "book.epub")).Text);
        else
            Assert.Contains(problem, (await Assert.ThrowsAsync<DocumentFormatException>(() => Read(book, "book.epub"))).Message,
                StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.epub")]
    [InlineData("a.odt")]
    [InlineData("a.pptx")]
    [InlineData("a.xlsx")]
    public async Task A_zip_file_of_something_else_is_a_typed_error(string name)
    {
        foreach (var content in new[] { OfficeFiles.Zip(("x.txt", "x")), "no zip"u8.ToArray(), [] })
            Assert.Contains(name, (await Assert.ThrowsAsync<DocumentFormatException>(() => Read(content, name))).Message);
    }
}
