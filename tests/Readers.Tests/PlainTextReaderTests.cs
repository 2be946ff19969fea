using System.Text;

namespace Kotonoha.Readers.Tests;

public class PlainTextReaderTests
{
    private const string Sample = "梅雨は初夏の雨期である。\r\n二行目。\r\n\r\n\r\n次の段落 text。\r\n";
    private const string Expected = "梅雨は初夏の雨期である。\n二行目。\n\n次の段落 text。";

    private static Task<ExtractedDocument> Read(byte[] content) => DocumentReaders.Default.ReadAsync(content, "test.txt");

    [Theory]
    [InlineData("utf-8", false)]
    [InlineData("utf-8", true)]
    [InlineData("utf-16", true)]
    [InlineData("utf-16BE", true)]
    [InlineData("shift_jis", false)]
    [InlineData("euc-jp", false)]
    [InlineData("iso-2022-jp", false)]
    public async Task Encodings_in_use_in_Japan_are_recognised(string encodingName, bool mark)
    {
        var encoding = CodePagesEncodingProvider.Instance.GetEncoding(encodingName) ?? Encoding.GetEncoding(encodingName);
        var document = await Read([.. mark ? encoding.GetPreamble() : [], .. encoding.GetBytes(Sample)]);
        Assert.Equal(Expected, document.Text);
        Assert.Equal(2, document.Blocks.Count);
    }

    [Fact]
    public async Task Invisible_and_malformed_characters_do_not_reach_the_text()
    {
        var document = await Read(Encoding.UTF8.GetBytes("a\u200Bb\u202Ec\U000E0041d\u0007e 👨‍👩‍👧 f\u00ADg"));
        Assert.Equal("abcde 👨‍👩‍👧 fg", document.Text);
        Assert.Equal("x\uFFFDy\uFFFD", ExtractedTextBuilder.Clean("x\uD800y\uDC00"));
    }

    [Fact]
    public async Task An_empty_file_is_an_empty_document()
    {
        var document = await Read([]);
        Assert.Equal("", document.Text);
        Assert.Empty(document.Blocks);
    }

    [Fact]
    public async Task An_unknown_extension_and_an_oversized_file_are_typed_errors()
    {
        await Assert.ThrowsAsync<DocumentFormatException>(() => DocumentReaders.Default.ReadAsync([1], "photo.jpeg"));
        using var endless = new EndlessStream();
        await Assert.ThrowsAsync<DocumentFormatException>(() => DocumentReaders.Default.ReadAsync(endless, "endless.txt"));
    }

    private sealed class EndlessStream : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => 0; set => throw new NotSupportedException(); }
        public override int Read(byte[] buffer, int offset, int count) => count;
        public override void Flush() => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
