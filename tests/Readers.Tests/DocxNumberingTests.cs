namespace Kotonoha.Readers.Tests;

/// <summary>Numbers of lists and headings as Word shows them.</summary>
public class DocxNumberingTests
{
    private static async Task<string[]> Read(string numbering, string body, string? styles = null)
        => (await DocumentReaders.InProcess.ReadAsync(DocxReaderTests.Write(body, styles, numbering), "test.docx")).Text
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static string Item(string list, int level, string text)
        => $"<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId "
            + $"w:val=\"{list}\"/></w:numPr></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>";

    private static string Styled(string style, string text)
        => $"<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>";

    private static string Level(int level, string format, string text, string more = "")
        => $"<w:lvl w:ilvl=\"{level}\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{format}\"/>{more}<w:lvlText w:val=\"{text}\"/></w:lvl>";

    private static string Lists(string levels, params string[] more)
        => $"<w:abstractNum w:abstractNumId=\"1\">{levels}</w:abstractNum><w:num w:numId=\"1\"><w:abstractNumId w:val=\"1\"/></w:num>"
            + string.Concat(more);

    [Fact]
    public async Task Levels_show_the_numbers_above_them_and_start_again_below_a_new_one()
        => Assert.Equal(
            ["1. a", "1.1 b", "1.2 c", "(i) d", "(ii) e", "2. f", "2.1 g", "(i) h"],
            await Read(
                Lists(Level(0, "decimal", "%1.") + Level(1, "decimal", "%1.%2") + Level(2, "lowerRoman", "(%3)")),
                Item("1", 0, "a") + Item("1", 1, "b") + Item("1", 1, "c") + Item("1", 2, "d") + Item("1", 2, "e") + Item("1", 0, "f")
                + Item("1", 1, "g") + Item("1", 2, "h")));

    [Fact]
    public async Task Japanese_articles_are_numbered_as_written()
        => Assert.Equal(
            ["第一章 総則", "第1条目的", "２ 二項", "第2条定義", "ア 用語", "イ 期間", "第二章 雑則", "第3条附則"],
            await Read(
                Lists(Level(0, "japaneseCounting", "第%1章", "<w:suff w:val=\"space\"/>")
                    + Level(1, "decimal", "第%2条", "<w:lvlRestart w:val=\"0\"/><w:suff w:val=\"nothing\"/>")
                    + Level(2, "decimalFullWidth", "%3") + Level(3, "aiueoFullWidth", "%4"))
                .Replace("<w:lvl w:ilvl=\"2\"><w:start w:val=\"1\"/>", "<w:lvl w:ilvl=\"2\"><w:start w:val=\"2\"/>",
                    StringComparison.Ordinal),
                Item("1", 0, "総則") + Item("1", 1, "目的") + Item("1", 2, "二項") + Item("1", 1, "定義") + Item("1", 3, "用語")
                + Item("1", 3, "期間") + Item("1", 0, "雑則") + Item("1", 1, "附則")));

    [Fact]
    public async Task Lists_of_one_definition_go_on_counting_unless_their_start_is_overridden()
        => Assert.Equal(
            ["A) a", "B) b", "C) c", "E) d", "F) e", "G) f"],
            await Read(
                Lists(Level(0, "upperLetter", "%1)"), "<w:num w:numId=\"2\"><w:abstractNumId w:val=\"1\"/></w:num>",
                    "<w:num w:numId=\"3\"><w:abstractNumId w:val=\"1\"/><w:lvlOverride w:ilvl=\"0\"><w:startOverride "
                        + "w:val=\"5\"/></w:lvlOverride></w:num>"),
                Item("1", 0, "a") + Item("1", 0, "b") + Item("2", 0, "c") + Item("3", 0, "d") + Item("3", 0, "e") + Item("1", 0, "f")));

    [Fact]
    public async Task Headings_take_their_numbers_from_their_styles()
        => Assert.Equal(
            ["Article I. Scope", "Section 1.01 Terms", "Section 1.02 Parties", "Article II. Payment", "Section 2.01 Rent", "Annex"],
            await Read(
                Lists(Level(0, "upperRoman", "Article %1.", "<w:pStyle w:val=\"H1\"/>")
                    + Level(1, "decimalZero", "Section %1.%2", "<w:pStyle w:val=\"H2\"/><w:isLgl/>"))
                .Replace("Section %1.%2", "Section %1.0%2", StringComparison.Ordinal),
                Styled("H1", "Scope") + Styled("H2", "Terms") + Styled("H2", "Parties") + Styled("H1", "Payment") + Styled("H2x", "Rent")
                + "<w:p><w:pPr><w:pStyle w:val=\"H1\"/><w:numPr><w:numId w:val=\"0\"/></w:numPr></w:pPr><w:r><w:t>Annex</w:t></w:r></w:p>",
                """
                <w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
                <w:style w:type="paragraph" w:styleId="H2"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
                <w:style w:type="paragraph" w:styleId="H2x"><w:name w:val="clause"/><w:basedOn w:val="H2"/></w:style>
                """));

    [Fact]
    public async Task Hidden_and_deleted_items_are_not_counted_and_empty_ones_are()
        => Assert.Equal(
            ["1. a", "3. d"],
            await Read(
                Lists(Level(0, "decimal", "%1.")),
                Item("1", 0, "a")
                + "<w:p><w:pPr><w:numPr><w:numId "
                + "w:val=\"1\"/></w:numPr><w:rPr><w:vanish/></w:rPr></w:pPr><w:r><w:rPr><w:vanish/></w:rPr><w:t>b</w:t></w:r></w:p>"
                + "<w:p><w:pPr><w:numPr><w:numId w:val=\"1\"/></w:numPr><w:rPr><w:del w:id=\"1\" w:author=\"x\"/></w:rPr></w:pPr><w:del "
                + "w:id=\"1\" "
                + "w:author=\"x\"><w:r><w:delText>c</w:delText></w:r></w:del></w:p>"
                + Item("1", 0, "") + Item("1", 0, "d")));

    [Theory]
    [InlineData("upperRoman", 1994, "MCMXCIV")]
    [InlineData("lowerLetter", 28, "bb")]
    [InlineData("decimalZero", 7, "07")]
    [InlineData("decimalFullWidth", 12, "１２")]
    [InlineData("decimalEnclosedCircle", 20, "⑳")]
    [InlineData("decimalEnclosedCircle", 21, "㉑")]
    [InlineData("japaneseCounting", 120, "百二十")]
    [InlineData("japaneseCounting", 11, "十一")]
    [InlineData("japaneseCounting", 10_305, "一万三百五")]
    [InlineData("japaneseLegal", 231, "弐百参拾壱")]
    [InlineData("ideographDigital", 105, "一〇五")]
    [InlineData("chineseCountingThousand", 101, "一百零一")]
    [InlineData("chineseCountingThousand", 12, "十二")]
    [InlineData("chineseLegalSimplified", 12, "壹拾贰")]
    [InlineData("ideographTraditional", 3, "丙")]
    [InlineData("ideographZodiac", 12, "亥")]
    [InlineData("iroha", 3, "ﾊ")]
    [InlineData("irohaFullWidth", 3, "ハ")]
    [InlineData("aiueo", 2, "ｲ")]
    [InlineData("ganada", 2, "나")]
    [InlineData("koreanDigital", 12, "일이")]
    [InlineData("ordinal", 22, "22nd")]
    [InlineData("ordinal", 112, "112th")]
    [InlineData("cardinalText", 21, "Twenty-one")]
    [InlineData("ordinalText", 20, "Twentieth")]
    [InlineData("numberInDash", 3, "- 3 -")]
    [InlineData("russianLower", 2, "б")]
    [InlineData("thaiNumbers", 12, "๑๒")]
    [InlineData("hebrew1", 15, "טו")]
    [InlineData("unheardOf", 5, "5")]
    public void Formats_of_numbers_are_those_of_the_standard(string format, int number, string expected)
        => Assert.Equal(expected, ListNumbers.Office(number, format));

    [Fact]
    public void No_number_in_any_format_throws()
    {
        string[] formats =
        [
            "upperRoman", "lowerLetter", "ordinalText", "cardinalText", "chicago", "decimalEnclosedCircle", "japaneseCounting",
            "japaneseLegal",
            "chineseCountingThousand", "iroha", "ideographZodiacTraditional", "koreanCounting", "hebrew1", "thaiLetters", "hex",
        ];
        foreach (var format in formats)
            foreach (int number in new[] { int.MinValue, -1, 0, 1, 99, 9_999, 100_000_000, int.MaxValue })
                Assert.NotNull(ListNumbers.Office(number, format));
    }
}
