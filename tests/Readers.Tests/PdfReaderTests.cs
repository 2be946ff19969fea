using System.Text;

namespace Kotonoha.Readers.Tests;

public class PdfReaderTests
{
    private static readonly byte[] Sample = MinimalPdf.Write(
        [
            (72, 760, 20, "A short guide"),
            (72, 720, 11, "This is the first paragraph of the guide, and it is long enough to be bro-"),
            (72, 706, 11, "ken at the end of its first line. A well-known compound may be a well-"),
            (72, 692, 11, "known one here too."),
            (72, 664, 11, "A second paragraph stands here (with brackets)."),
            (72, 630, 11, "Name"), (250, 630, 11, "Price"),
            (72, 600, 11, "Seed"), (250, 600, 11, "0 yen"),
            (72, 570, 11, "Sprout"), (250, 570, 11, "48,000 yen"),
        ],
        [(72, 760, 15, "Next chapter"), (72, 730, 11, "The text of page two.")]);

    /// <summary>Whether pdftotext is installed; where it is not, the tests hold the reader to its promise to say so.</summary>
    private static bool HasProgram => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, "pdftotext")));

    [Fact]
    public async Task Pages_headings_paragraphs_and_tables_are_found()
    {
        if (!HasProgram)
        {
            await Assert.ThrowsAsync<DocumentReaderUnavailableException>(() => DocumentReaders.Default.ReadAsync(Sample, "guide.pdf"));
            return;
        }

        var document = await DocumentReaders.Default.ReadAsync(Sample, "guide.pdf");
        Assert.Equal(
            """
            A short guide

            This is the first paragraph of the guide, and it is long enough to be broken at the end of its first line. A well-known compound may be a well-known one here too.

            A second paragraph stands here (with brackets).

            Name | Price
            Seed | 0 yen
            Sprout | 48,000 yen

            Next chapter

            The text of page two.
            """,
            document.Text);
        Assert.Equal([1, 1, 1, 1, 2, 2], document.Blocks.Select(b => b.Page));
        Assert.Equal("A short guide › Next chapter", document.Blocks[^1].HeadingPath);
        Assert.Equal(BlockKind.Table, document.Blocks[3].Kind);
        Assert.Equal("A short guide", document.Title);
    }

    [Fact]
    public void Japanese_lines_are_joined_without_spaces()
    {
        static string Word(int left, int top, string text) => $"<word xMin=\"{left}.0\" yMin=\"{top}.0\" xMax=\"{left + (text.Length * 10)}.0\" yMax=\"{top + 10}.0\">{text}</word>";
        var document = PdfLayout.Parse(
            $"""
            <page width="595" height="842">
            <block xMin="0">
            <line>
            {Word(50, 100, "梅雨は初夏の")}
            {Word(110, 100, "雨期であり、北海道")}
            {Word(205, 100, "を除く")}
            </line>
            <line>
            {Word(50, 114, "日本各地で")}
            {Word(101, 114, "GPT")}
            {Word(136, 114, "&amp;")}
            {Word(191, 114, "BERT")}
            {Word(231, 114, "のように見られる。")}
            </line>
            </block>
            </page>
            """,
            "ja.pdf",
            default);
        Assert.Equal("梅雨は初夏の雨期であり、北海道を除く日本各地でGPT & BERTのように見られる。", document.Text);
    }

    [Fact]
    public async Task A_missing_program_is_named_with_the_command_that_helps()
    {
        var readers = new DocumentReaders([new PdfReader("no-such-program-as-this")]);
        var error = await Assert.ThrowsAsync<DocumentReaderUnavailableException>(() => readers.ReadAsync(Sample, "guide.pdf"));
        Assert.Equal("apt-get install -y poppler-utils", error.Command);
        Assert.Contains(error.Command, error.Message);
    }

    [Fact]
    public async Task A_pdf_without_text_and_a_file_that_is_no_pdf_are_typed_errors()
    {
        if (!HasProgram)
            return;
        await Assert.ThrowsAsync<DocumentFormatException>(() => DocumentReaders.Default.ReadAsync(MinimalPdf.Write([]), "empty.pdf"));
        await Assert.ThrowsAsync<DocumentFormatException>(() => DocumentReaders.Default.ReadAsync(Encoding.ASCII.GetBytes("no pdf at all"), "fake.pdf"));
    }
}
