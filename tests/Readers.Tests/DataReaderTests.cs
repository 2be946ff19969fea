using System.Text;

namespace Kotonoha.Readers.Tests;

/// <summary>CSV, JSON, source code and mail.</summary>
public class DataReaderTests
{
    private static Task<ExtractedDocument> Read(string content, string name)
        => DocumentReaders.InProcess.ReadAsync(Encoding.UTF8.GetBytes(content), name);

    [Theory]
    [InlineData("a.csv", "Site,Day,\"Note, long\"\r\nPier,Mon,\"say \"\"hi\"\"\r\nto all\"\r\n",
        "Site | Day | Note, long\nPier | Mon | say \"hi\" to all")]
    [InlineData("a.csv", "a;b\n1,5;2\n3,5;4", "a | b\n1,5 | 2\n3,5 | 4")]
    [InlineData("a.csv", "a\tb\n1\t2", "a | b\n1 | 2")]
    [InlineData("a.csv", "a|b\n1|2\n", "a | b\n1 | 2")]
    [InlineData("a.tsv", "a,x\tb\n1,5\t2\n", "a,x | b\n1,5 | 2")]
    [InlineData("a.csv", "sep=;\na;b,c\n1;2", "a | b,c\n1 | 2")]
    [InlineData("a.csv", "name\nAnn\nBo", "name\nAnn\nBo")]
    [InlineData("a.csv", "a,b,c\n1,,3\n,,\n", "a | b | c\n1 |  | 3")]
    [InlineData("a.csv", "", "")]
    public async Task Delimited_text_is_one_table(string name, string content, string expected)
    {
        var document = await Read(content, name);
        Assert.Equal(expected, document.Text);
        Assert.All(document.Blocks, block => Assert.Equal(BlockKind.Table, block.Kind));
    }

    [Fact]
    public async Task An_open_quotation_mark_does_not_swallow_the_rest()
    {
        var document = await Read("a,b\n\"5\" disk,2\n\"open,3\nlast,4\n", "a.csv");
        Assert.Equal("a | b\n5 disk | 2\n\"open | 3\nlast | 4", document.Text);
        Assert.Contains("never closed", Assert.Single(document.Remarks));
    }

    [Fact]
    public async Task Fields_of_json_are_lines_and_objects_that_are_alike_the_rows_of_a_table()
    {
        var document = await Read("""
            { "name": "Pier", "open": true, "tags": ["a", "b"], /* comment */
              "rooms": [ { "id": 204, "size": { "seats": 12 } }, { "id": 205, "note": null } ], "after": "x\ny", }
            """, "a.json");
        Assert.Equal(
            "name: Pier\nopen: true\ntags: a, b\nafter: x\ny\n\nrooms\n\nid | size.seats | note\n204 | 12 | \n205 |  | ",
            document.Text);
        Assert.Equal([BlockKind.Paragraph, BlockKind.Heading, BlockKind.Table], document.Blocks.Select(block => block.Kind));
        Assert.Null(document.Title);
        Assert.Equal("text", (await Read("\"text\"", "a.json")).Text);
        Assert.Equal("", (await Read(" ", "a.json")).Text);
        Assert.Equal("plum, 3, fig", (await Read("""["plum", 3, "fig"]""", "a.json")).Text);
        Assert.Equal("", (await Read("[]", "a.json")).Text);
        Assert.Contains("a.json", (await Assert.ThrowsAsync<DocumentFormatException>(() => Read("{\"a\": }", "a.json"))).Message);
        await Assert.ThrowsAsync<DocumentFormatException>(() => Read(new string('[', 100_000), "a.json"));
    }

    [Fact]
    public async Task Json_lines_are_rows_and_broken_ones_are_named()
    {
        var document = await Read("{\"a\": 1, \"b\": \"x\"}\n\n{broken\n{\"a\": 2}\n", "a.jsonl");
        Assert.Equal("a | b\n1 | x\n2 | ", document.Text);
        Assert.Contains("line 3", Assert.Single(document.Remarks));
        await Assert.ThrowsAsync<DocumentFormatException>(() => Read("{broken\n", "a.jsonl"));
    }

    [Fact]
    public async Task Source_code_stays_as_it_is_and_names_its_language()
    {
        var document = await Read("def f(x):\n    return x  # <b>\n\nprint(f(1))\n", "tool.py");
        Assert.Equal("def f(x):\n    return x  # <b>\n\nprint(f(1))", document.Text);
        Assert.Equal("text/x-python", document.MediaType);
        Assert.Equal(BlockKind.Code, Assert.Single(document.Blocks).Kind);
    }

    [Fact]
    public async Task Mail_is_read_with_its_headers_text_and_attachments()
    {
        var document = await DocumentReaders.InProcess.ReadAsync(Encoding.Latin1.GetBytes("""
            From: =?utf-8?B?5bGx55Sw?= <yamada@example.org>
            To: Ann <ann@example.org>
            Subject: =?iso-8859-1?Q?Opening_hours_caf=E9?=
            Date: Thu, 1 Jan 2026 09:00:00 +0900
            MIME-Version: 1.0
            Content-Type: multipart/mixed; boundary=x

            --x
            Content-Type: multipart/alternative; boundary=y

            --y
            Content-Type: text/plain; charset=iso-8859-1
            Content-Transfer-Encoding: quoted-printable

            The caf=E9 opens at nine =96 not ten.

            Regards
            --y
            Content-Type: text/html; charset=utf-8

            <p>The html part</p>
            --y--
            --x
            Content-Type: text/csv; name="hours.csv"
            Content-Disposition: attachment; filename="hours.csv"

            Day,Open
            Mon,9
            --x
            Content-Type: application/zip
            Content-Disposition: attachment; filename="photos.zip"
            Content-Transfer-Encoding: base64

            UEsDBA==
            --x--
            """.ReplaceLineEndings("\r\n")), "a.eml");
        Assert.Equal(
            "Opening hours café\n\nFrom: \"山田\" <yamada@example.org>\nTo: \"Ann\" <ann@example.org>\nDate: 2026-01-01 09:00 +09:00\n"
            + "Attachment: hours.csv\nAttachment: photos.zip\n\nThe café opens at nine – not ten.\n\nRegards\n\nhours.csv\n\nDay | "
            + "Open\nMon | 9",
            document.Text);
        Assert.Equal("Opening hours café", document.Title);
        Assert.Contains("photos.zip", Assert.Single(document.Remarks));
        var html = await Read("Subject: x\nContent-Type: text/html\n\n<meta charset=utf-8><p>Only <b>html</b>.</p>", "b.eml");
        Assert.Equal("x\n\nOnly html.", html.Text);
    }
}
