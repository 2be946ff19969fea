using System.Text;
using Kotonoha.Foundation;

namespace Kotonoha.Readers.Tests;

public class FuzzedDocumentTests
{
    private const string Markdown = "---\ntitle: T\n---\n# 見出し\n\nText *with* [link](x) <b>html</b> &amp; `code`.\n\n- a\n  1. b\n\n| a "
        + "| b |\n|---|---|\n| c | 漢字 |\n\n```\ncode\n```\n\n[^1]: note\n\nx[^1]";

    private const string Html = "<html><head><title>T</title><style>.a{display:none}</style></head><body><h1>H</h1><p "
        + "class=a>gone</p><table><tr><td>1<td>二</table><ul><li>x<ol><li>y</ol></ul><pre> p </pre><svg><text>s</text></svg>";

    public static TheoryData<string, byte[], int> Seeds() => new()
    {
        { "f.md", Encoding.UTF8.GetBytes(Markdown), 400 },
        { "f.html", Encoding.UTF8.GetBytes(Html), 400 },
        { "f.txt", Encoding.UTF8.GetBytes(Markdown), 400 },
        { "f.docx",
            DocxReaderTests.Write("<w:p><w:r><w:t>Some text here.</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>"), 250 },
        { "f.pptx",
            OfficeFiles.Slides((OfficeFiles.Shape("title", "T") + OfficeFiles.Shape("body", "a", "b"), "", OfficeFiles.Shape("body", "n"))),
            150 },
        { "f.xlsx",
            OfficeFiles.Workbook("<si><t>a</t></si>", "<cellXfs><xf numFmtId=\"14\"/></cellXfs>",
                ("S", "visible",
                    "<sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" s=\"0\"><v>45000</v></c></row></sheetData>"
                    + "<mergeCells><mergeCell ref=\"A1:A3\"/></mergeCells>")), 150 },
        { "f.odt", OfficeFiles.Odt("<text:h>H</text:h><text:list><text:list-item><text:p>a</text:p></text:list-item></text:list>"), 150 },
        { "f.epub", OfficeFiles.Epub(("a.xhtml", Html)), 150 },
        { "f.eml",
            Encoding.UTF8.GetBytes(
                "From: a@b.c\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: "
            + "text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw6k=\n--x\nContent-Type: "
            + "text/html\n\n<p>x</p>\n--x\nContent-Type: "
            + "text/csv; name=a.csv\nContent-Disposition: attachment; filename=a.csv\n\na,b\n1,2\n--x--\n"), 300 },
        { "f.csv", Encoding.UTF8.GetBytes("a,b\n\"c \"\"x\"\"\",漢字\n1;2;3\n"), 300 },
        { "f.json", Encoding.UTF8.GetBytes("{\"a\": [1, {\"b\": \"漢字 \\ud83d\\ude00\"}], \"c\": null}"), 300 },
        { "f.jsonl", Encoding.UTF8.GetBytes("{\"a\": 1}\n{\"a\": [2, [3]]}\n"), 300 },
        { "f.py", Encoding.UTF8.GetBytes("def f():\n    return '漢字'\n"), 200 },
        { "f.pdf", TestPdf.Write([new Drawn(72, 700, 12, "Some text here."), new Drawn(72, 680, 12, "More") { Font = "F2" }]), 250 },
    };

    [Theory]
    [MemberData(nameof(Seeds))]
    public Task Damaged_documents_give_a_sound_document_or_a_typed_error(string name, byte[] seed, int rounds)
        => ReadDamaged(DocumentReaders.InProcess, name, seed, rounds, new Random(5));

    [Theory]
    [MemberData(nameof(Seeds))]
    public Task Damaged_documents_do_so_through_child_processes_too(string name, byte[] seed, int rounds)
        => ReadDamaged(DocumentReaders.Default, name, seed, rounds / 10, new Random(6));

    [Fact]
    public async Task Documents_that_are_mutated_by_their_structure_do_so_and_their_seeds_are_read()
    {
        foreach (var (name, content) in DocumentMutator.Seeds)
            AssertSound(await DocumentReaders.InProcess.ReadAsync(content, name));
        var mutator = new DocumentMutator(5, DocumentMutator.Seeds);
        for (int number = 0; number < 1000; number++)
        {
            var (name, content) = mutator.Document(number);
            await ReadDamaged(DocumentReaders.InProcess, name, content);
        }
    }

    private static async Task ReadDamaged(DocumentReaders readers, string name, byte[] seed, int rounds, Random random)
    {
        for (int round = 0; round < rounds; round++)
            await ReadDamaged(readers, name, DocumentMutator.MutateBytes(seed, random));
    }

    private static async Task ReadDamaged(DocumentReaders readers, string name, byte[] content)
    {
        try
        {
            AssertSound(await readers.ReadAsync(content, name));
        }
        catch (KotonohaException error)
        {
            Assert.Contains(name, error.Message);
        }
    }

    /// <summary>The contract of <see cref="ExtractedDocument"/>: blocks in order, apart, literal, with nothing but white space between;
    /// text that survives UTF-8.</summary>
    private static void AssertSound(ExtractedDocument document)
    {
        int end = 0;
        foreach (var block in document.Blocks)
        {
            Assert.True(block.Start >= end && block.End > block.Start);
            Assert.True(string.IsNullOrWhiteSpace(document.Text[end..block.Start]));
            Assert.Equal(block.Kind == BlockKind.Heading, block.HeadingLevel is >= 1 and <= 6);
            end = block.End;
        }

        Assert.True(string.IsNullOrWhiteSpace(document.Text[end..]));
        Assert.Equal(document.Text, Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(document.Text)));
    }
}
