using System.Text;

namespace Kotonoha.Readers.Tests;

/// <summary>What is struck out, or moved off the screen, is no text; what only looks other is.</summary>
public class StruckOutTests
{
    private static async Task<string> Read(byte[] content, string name)
        => (await DocumentReaders.InProcess.ReadAsync(content, name)).Text;

    [Theory]
    [InlineData("The fee is ~~20~~ 25 euros.\n\n- ~~old~~\n- new", "The fee is 25 euros.\n\nnew")]
    [InlineData("a ~b~ c", "a ~b~ c")]
    public async Task In_Markdown(string markdown, string expected)
        => Assert.Equal(expected, await Read(Encoding.UTF8.GetBytes(markdown), "a.md"));

    [Theory]
    [InlineData("<p>Fee <s>20</s> <del>21</del> <strike>22</strike> <ins>25</ins></p>")]
    [InlineData("<p>Fee <span style='text-decoration: line-through red'>20 <b>or so</b></span> 25</p>")]
    [InlineData("<style>.old{text-decoration-line:line-through}</style><p>Fee <span class=old>20</span> 25</p>")]
    [InlineData("<p>Fee 25</p><del><p>Fee 20</p></del>")]
    [InlineData("<style>.sr{position:absolute;left:-9999px;top:0}</style><p>Fee 25</p><p class=sr>20</p>")]
    [InlineData("<p>Fee 25</p><p style='text-indent:-9999px'>20</p><p style='position:absolute;top:-999em'>20</p>")]
    [InlineData("<style>a{text-decoration:none}.open{left:0}.menu{left:-9999px}</style><p class='menu open'>Fee <a href=x>25</a></p>")]
    [InlineData("<p style='margin-left:-10px'>Fee 25</p>")]
    [InlineData("<div style='margin-left:-5000px;padding-left:5000px'>Fee 25</div>")]
    [InlineData("<style>.note{left:-5000px}</style><p class=note>Fee 25</p>")]
    [InlineData("<p style='position:static;top:-5000px'>Fee 25</p>")]
    [InlineData("<style>.a{left:-5000px}.a{position:fixed}.b{position:relative}.b{position:static}</style><p class='a b'>Fee 25</p>")]
    [InlineData("<style>.a{position:relative}</style><p class=a>Fee 25</p><p class=a style='right:-5000px'>20</p>")]
    public async Task In_Html(string html) => Assert.Equal("Fee 25", await Read(Encoding.UTF8.GetBytes(html), "a.html"));

    [Fact]
    public async Task In_office_documents()
    {
        static string Run(string text, string properties)
            => $"<w:r><w:rPr>{properties}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>";
        const string Style = "<w:style w:type=\"character\" w:styleId=\"Old\"><w:name w:val=\"o\"/><w:rPr><w:strike/></w:rPr></w:style>";
        Assert.Equal("Fee 25", await Read(DocxReaderTests.Write(
            $"<w:p>{Run("Fee ", "<w:strike w:val=\"0\"/>")}{Run("20 ", "<w:strike/>")}{Run("21 ", "<w:dstrike/>")}"
            + $"{Run("22 ", "<w:rStyle w:val=\"Old\"/>")}{Run("25", "")}</w:p>", Style), "a.docx"));
        Assert.Equal("Fee 25", await Read(OfficeFiles.Odt(
            "<text:p>Fee <text:span text:style-name=\"Old\">20 </text:span>25</text:p><text:p text:style-name=\"Old\">Fee 20</text:p>",
            "<style:style style:name=\"Old\"><style:text-properties style:text-line-through-style=\"solid\"/></style:style>"), "a.odt"));
        Assert.Equal("Fee 25", await Read(OfficeFiles.Slides((OfficeFiles.Shape("body",
            "<a:p><a:r><a:t>Fee </a:t></a:r><a:r><a:rPr strike=\"sngStrike\"/><a:t>20 </a:t></a:r>"
            + "<a:r><a:rPr strike=\"noStrike\"/><a:t>25</a:t></a:r></a:p>"),
            "", null)), "a.pptx"));
        Assert.Equal("S\n\nFee | 25", await Read(OfficeFiles.Workbook(
            "<si><r><t>Fee</t></r><r><rPr><strike/></rPr><t> 20</t></r></si>",
            "<fonts><font/><font><strike/></font></fonts>"
            + "<cellXfs><xf numFmtId=\"0\" fontId=\"0\"/><xf numFmtId=\"0\" fontId=\"1\"/></cellXfs>",
            ("S", "visible", "<sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c>"
                + "<c r=\"B1\" s=\"1\"><v>20</v></c><c r=\"C1\"><v>25</v></c></row></sheetData>")),
            "a.xlsx"));
    }
}
