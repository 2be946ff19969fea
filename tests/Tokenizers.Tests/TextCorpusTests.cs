namespace Kotonoha.Tokenizers.Tests;

public sealed class TextCorpusTests
{
    [Fact]
    public void Lines_keep_their_ends_and_files_come_in_order()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("sub"));
        File.WriteAllText(folder.At("b.txt"), "two\n\nthree");
        File.WriteAllText(folder.At("a.md"), "one\r\n");
        File.WriteAllText(folder.At("sub/c.TXT"), "four\n");
        File.WriteAllText(folder.At("d.bin"), "no\n");
        Assert.Equal(["one\r\n", "two\n", "\n", "three", "four\n"], TextCorpus.From(folder.Path));
        Assert.Equal(["no\n"], TextCorpus.From(folder.Path, ".bin"));
        Assert.Equal(["no\n"], TextCorpus.From(folder.At("d.bin")));
    }

    [Fact]
    public void A_file_without_line_ends_comes_in_parts_that_join_to_it()
    {
        using var folder = new TemporaryFolder();
        var text = string.Concat(Enumerable.Repeat("猫😀x", 700_000));
        File.WriteAllText(folder.At("long.txt"), text);
        var parts = TextCorpus.From(folder.At("long.txt")).ToArray();
        Assert.True(parts.Length > 1);
        Assert.DoesNotContain(parts, p => char.IsHighSurrogate(p[^1]));
        Assert.True(string.Concat(parts) == text);
    }

    [Fact]
    public void What_cannot_be_read_is_a_typed_error()
    {
        using var folder = new TemporaryFolder();
        Assert.Throws<TokenizerException>(() => TextCorpus.From(folder.At("none")));
        Assert.Throws<TokenizerException>(() => TextCorpus.From(folder.Path));
        File.WriteAllBytes(folder.At("latin1.txt"), [.. "good\nna"u8, 0xEF, .. "ve\n"u8]);
        var exception = Assert.Throws<TokenizerException>(() => TextCorpus.From(folder.Path).Count());
        Assert.Contains("latin1.txt", exception.Message, StringComparison.Ordinal);
    }
}
