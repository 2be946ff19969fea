using System.Text;

namespace Kotonoha.Readers.Tests;

/// <summary>Headers of several rows, and forms, in every format that has tables.</summary>
public class TableTests
{
    private static async Task<string> Read(byte[] content, string name)
    {
        var document = await DocumentReaders.InProcess.ReadAsync(content, name);
        RecordTests.AssertCovered(document);
        return document.Text;
    }

    private static Task<string> Html(string html) => Read(Encoding.UTF8.GetBytes(html), "a.html");

    private const string Seasons = "City | Spring Min | Spring Max | Autumn Min | Autumn Max\nOslo | 1 | 9 | 2 | 8";

    [Theory]
    [InlineData("<thead><tr><th rowspan=2>City<th colspan=2>Spring<th colspan=2>Autumn<tr><th>Min<th>Max<th>Min<th>Max</thead>")]
    [InlineData("<tr><th rowspan=2>City<th colspan=2>Spring<th colspan=2>Autumn</tr><tr><th>Min<th>Max<th>Min<th>Max</tr>")]
    [InlineData("<tr><td rowspan=2>City<td colspan=2>Spring<td colspan=2>Autumn</tr><tr><td>Min<td>Max<td>Min<td>Max</tr>")]
    [InlineData("<tr><td>City<td colspan=2>Spring<td colspan=2>Autumn</tr><tr><td><td>Min<td>Max<td>Min<td>Max</tr>")]
    [InlineData("<thead><tr><th>City<th colspan=2>Spring<th colspan=2>Autumn<tr><th><th>Min<th>Max<th>Min<th>Max</thead>")]
    public async Task Header_rows_become_one(string header)
    {
        Assert.Equal(Seasons, await Html($"<table>{header}<tr><td>Oslo<td>1<td>9<td>2<td>8</table>"));
        Assert.Equal("Means\n\n" + Seasons + "\n\nNorth\n\n" + Seasons.Replace("Oslo", "Bodø", StringComparison.Ordinal),
            await Html($"<table><caption>Means</caption>{header}<tr><td>Oslo<td>1<td>9<td>2<td>8<tr><td colspan=5>North"
                + "<tr><th scope=row>Bodø<td>1<td>9<td>2<td>8</table>"));
    }

    [Theory]
    [InlineData("<tr><td>Site<td colspan=2>Hours<tr><td>Pier<td>10:00<td>18:00", "Site | Hours | Hours\nPier | 10:00 | 18:00")]
    [InlineData("<tr><td colspan=2>A<td colspan=2>B<tr><td>1<td>2<td>3<td>4", "A | A | B | B\n1 | 2 | 3 | 4")]
    [InlineData("<thead><tr><th>Site<th colspan=2>Hours</thead><tr><td><td>early<td>late", "Site | Hours | Hours\n | early | late")]
    [InlineData("<tr><td><td>Min<tr><td>Oslo<td>1<tr><td>Bodø<td>", " | Min\nOslo | 1\nBodø | ")]
    [InlineData("<thead><tr><th>Year<th>A<tr><th>2024<th>B</thead>", "Year | A\n2024 | B")]
    [InlineData("<tr><th>City<th>Min</tr><tr><td>Oslo<td>1</tr><tr><th>City<th>Max</tr><tr><td>Oslo<td>9</tr>",
        "City | Min\nOslo | 1\n\nCity | Max\nOslo | 9")]
    [InlineData("<tr><th>City<th>Min</tr><tr><td>Oslo<td>1</tr><tr><th>City<th>Min</tr><tr><td>Bodø<td>2</tr>",
        "City | Min\nOslo | 1\nBodø | 2")]
    public async Task Rows_of_values_are_no_headers(string rows, string expected)
        => Assert.Equal(expected, await Html($"<table>{rows}</table>"));

    [Theory]
    [InlineData("Applicant|Noor Visser;Phone|4471", true)]
    [InlineData("Applicant:|Noor Visser;Favourite:|blue", true)]
    [InlineData("氏名|山田 花子;電話番号|4471;備考|", true)]
    [InlineData("Betreff|Sitzung;Datum|1. Mai 2026;Sonstiges|keine", true)]
    [InlineData("<b>Shape</b>|round;<b>Finish</b>|matt", true)]
    [InlineData("Kennung|kiste;Reach|info@example.org;Gewicht|12 kg;Erhalten|2026-05-01;Farbe|rot", true)]
    [InlineData("First name|Noor;Invoice date|2026-05-01;Shoe laces|red", true)]
    [InlineData("Surname (block letters)|Visser;Date of issue|2026-05-01;Shoe laces|red", true)]
    [InlineData("氏名（カタカナでご記入ください）|ヤマダ;緊急連絡先電話番号：|4471;ご趣味|釣り", true)]
    [InlineData("お名前|山田 花子;担当者氏名|佐藤;ご利用目的|会議", true)]
    [InlineData("Item|Price;Tea|3;Water|free", false)]
    [InlineData("Chore|Helper;Repaint the room signs|Ida;Order new phone cases|Lev", false)]
    [InlineData("Item|Helper;Sort the customer letters|Ida;Name badges|Lev", false)]
    [InlineData("Chore|Helper;Contact supplier|Ida;Email client|Lev", false)]
    [InlineData("作業|当番;住所録の整理|安;会場の掃除|坊", false)]
    [InlineData("Name|Phone;Noor Visser|4471;Bo Lind|4472", false)]
    [InlineData("Field|Value;Name|Noor;Phone|4471", false)]
    [InlineData("City|Country;Paris|France;Rome|Italy", false)]
    [InlineData("Paris|France;Rome|Italy", false)]
    [InlineData("Name|Noor;Name|Bo;Phone|1", false)]
    [InlineData("2024|12;2025|14", false)]
    [InlineData("品名|価格;茶|300円;水|無料", false)]
    [InlineData("<b>Colour</b>|<b>Mood</b>;<b>Red</b>|angry", false)]
    public async Task Forms_are_lines_and_tables_are_tables(string cells, bool isForm)
    {
        var rows = cells.Split(';').Select(row => row.Split('|')).ToList();
        static string Plain(string cell) => cell.Replace("<b>", "", StringComparison.Ordinal).Replace("</b>", "", StringComparison.Ordinal);
        var expected = string.Join('\n', isForm
            ? rows.Where(row => row[1].Length > 0).Select(row => $"{Plain(row[0]).TrimEnd(':', '：')}: {row[1]}")
            : rows.Select(row => $"{Plain(row[0])} | {Plain(row[1])}"));
        Assert.Equal(expected, await Html(
            $"<table>{string.Concat(rows.Select(row => $"<tr><td>{row[0]}</td><td>{row[1]}</td></tr>"))}</table>"));
        static string Run(string cell)
            => $"<w:tc><w:p><w:r><w:rPr>{(cell.StartsWith('<') ? "<w:b/>" : "")}</w:rPr><w:t>{Plain(cell)}</w:t></w:r></w:p></w:tc>";
        Assert.Equal(expected, await Read(DocxReaderTests.Write("<w:tbl>"
            + string.Concat(rows.Select(row => $"<w:tr>{Run(row[0])}{Run(row[1])}</w:tr>")) + "</w:tbl>"), "a.docx"));
    }

    [Theory]
    [InlineData("Name|Noor Visser|Phone|4471;Address|Pier 4|Date|2026-05-01;Remarks|none||",
        "Name: Noor Visser\nPhone: 4471\nAddress: Pier 4\nDate: 2026-05-01\nRemarks: none")]
    [InlineData("氏名|山田 花子|電話番号|4471;部署|総務|役職|係長", "氏名: 山田 花子\n電話番号: 4471\n部署: 総務\n役職: 係長")]
    [InlineData("Name|Phone|City|Country;Noor|4471|Oslo|Norway", "Name | Phone | City | Country\nNoor | 4471 | Oslo | Norway")]
    [InlineData("Paris|France|Rome|Italy;Oslo|Norway|Bern|Swiss", "Paris | France | Rome | Italy\nOslo | Norway | Bern | Swiss")]
    [InlineData("Name|Noor|Phone|4471;Name|Bo|Phone|4472", "Name | Noor | Phone | 4471\nName | Bo | Phone | 4472")]
    public async Task A_form_may_have_two_labels_a_row(string cells, string expected)
    {
        var rows = cells.Split(';').Select(row => row.Split('|')).ToList();
        Assert.Equal(expected, await Html($"<table>{string.Concat(rows.Select(row =>
            $"<tr>{string.Concat(row.Select(cell => $"<td>{cell}</td>"))}</tr>"))}</table>"));
    }

    [Fact]
    public async Task A_marked_header_makes_a_table_and_cells_that_head_rows_a_form()
    {
        Assert.Equal("Applicant | Noor\nPhone | 4471",
            await Html("<table><thead><tr><th>Applicant<th>Noor</thead><tr><td>Phone<td>4471</table>"));
        Assert.Equal("Contact\n\nOpen: daily\nPhone: 4471",
            await Html("<table><tr><th colspan=2>Contact</tr><tr><th>Open<td>daily</tr><tr><th>Phone<td>4471</tr></table>"));
        Assert.Equal("Mon | Tue\n9 | 10",
            await Html("<table><tr><th scope=col>Mon<th scope=col>Tue</tr><tr><th scope=row>9<td>10</tr></table>"));
        Assert.Equal("Applicant: Noor\nFavourite: blue",
            await Read("| | |\n|---|---|\n| Applicant | Noor |\n| Favourite | blue |\n"u8.ToArray(), "a.md"));
        Assert.Equal("Name | Noor\nPhone | 4471", await Read("Name,Noor\nPhone,4471\n"u8.ToArray(), "a.csv"));
    }

    [Fact]
    public async Task Header_rows_of_office_documents_become_one()
    {
        static string Cell(string text, string properties = "")
            => $"<w:tc><w:tcPr>{properties}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>";
        static string Row(params string[] cells) => string.Concat(cells.Select(cell => Cell(cell)));
        const string Two = "<w:gridSpan w:val=\"2\"/>";
        const string Marked = "<w:trPr><w:tblHeader/></w:trPr>";
        Assert.Equal(Seasons, await Read(DocxReaderTests.Write(
            $"<w:tbl><w:tr>{Marked}{Cell("City")}{Cell("Spring", Two)}{Cell("Autumn", Two)}</w:tr>"
            + $"<w:tr>{Marked}{Row("", "Min", "Max", "Min", "Max")}</w:tr><w:tr>{Row("Oslo", "1", "9", "2", "8")}</w:tr></w:tbl>"),
            "a.docx"));
        static string Cells(int row, params string[] values)
            => $"<row r=\"{row}\">" + string.Concat(values.Select((value, i) => value.Length == 0 ? ""
            : $"<c r=\"{(char)('A' + i)}{row}\" t=\"inlineStr\"><is><t>{value}</t></is></c>")) + "</row>";
        Assert.Equal("S\n\n" + Seasons, await Read(OfficeFiles.Workbook(null, null, ("S", "visible", "<sheetData>"
            + Cells(1, "City", "Spring", "", "Autumn") + Cells(2, "", "Min", "Max", "Min", "Max") + Cells(3, "Oslo", "1", "9", "2", "8")
            + "</sheetData><mergeCells><mergeCell ref=\"A1:A2\"/><mergeCell ref=\"B1:C1\"/><mergeCell ref=\"D1:E1\"/></mergeCells>")),
            "a.xlsx"));
        static string Odt(string text, string attributes = "")
            => $"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>";
        const string Covered = "<table:covered-table-cell/>";
        Assert.Equal(Seasons, await Read(OfficeFiles.Odt("<table:table><table:table-header-rows><table:table-row>"
            + Odt("City", "table:number-rows-spanned=\"2\"") + Odt("Spring", "table:number-columns-spanned=\"2\"") + Covered
            + Odt("Autumn", "table:number-columns-spanned=\"2\"") + Covered + "</table:table-row><table:table-row>" + Covered + Odt("Min")
            + Odt("Max") + Odt("Min") + Odt("Max") + "</table:table-row></table:table-header-rows><table:table-row>" + Odt("Oslo")
            + Odt("1") + Odt("9") + Odt("2") + Odt("8") + "</table:table-row></table:table>"), "a.odt"));
    }
}
