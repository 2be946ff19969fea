using System.Text;

namespace Kotonoha.Tokenizers.Tests;

public sealed class TiktokenTests
{
    private static readonly TiktokenEncoding Plain =
        TiktokenEncoding.Cl100kBase with { SpecialTokens = new Dictionary<string, int> { ["<|end|>"] = 500 } };

    [Fact]
    public void The_lowest_rank_of_the_joined_bytes_goes_first()
    {
        // "bc" (256) beats "ab" (257); "cab" cannot be made from them but is a token as a whole word.
        var tokenizer = Tokenizer.ParseTiktoken(Ranks("bc", "ab", "cabc", " a"), Plain);
        Assert.Equal(['a', 256], tokenizer.Encode("abc"));
        Assert.Equal([258], tokenizer.Encode("cabc"));
        Assert.Equal(['c', 'a', 256, 'd'], tokenizer.Encode("cabcd"));
        Assert.Equal(['x', 259], tokenizer.Encode("x a"));
    }

    [Fact]
    public void Control_tokens_are_recognised_on_request()
    {
        var tokenizer = Tokenizer.ParseTiktoken(Ranks(), Plain);
        Assert.Equal(['a', 500], tokenizer.Encode("a<|end|>", parseSpecialTokens: true));
        Assert.DoesNotContain(500, tokenizer.Encode("a<|end|>"));
        Assert.Equal("a<|end|>é\uFFFD", tokenizer.Decode(['a', 500, 0xC3, 0xA9, 0xC3]));
    }

    [Fact]
    public void What_the_pattern_does_not_match_is_left_out()
        => Assert.Equal(['a', 'b'], Tokenizer.ParseTiktoken(Ranks(), Plain with { Pattern = "[a-z]" }).Encode("a-b!"));

    [Fact]
    public void The_file_is_known_by_its_content()
    {
        using var folder = new TemporaryFolder();
        var file = Path.Combine(folder.Path, "anything.bin");
        File.WriteAllBytes(file, Ranks("ab"));
        File.WriteAllText(Path.Combine(folder.Path, "encoding.json"), """{"pat_str": "\\S+|\\s+", "special_tokens": {"<|x|>": 300}}""");
        Assert.Equal([256, ' ', 300], Tokenizer.Load(file).Encode("ab <|x|>", parseSpecialTokens: true));
    }

    [Fact]
    public void A_published_file_is_known_by_its_name_and_another_needs_its_pattern()
    {
        using var folder = new TemporaryFolder();
        var file = Path.Combine(folder.Path, "cl100k_base.tiktoken");
        File.WriteAllBytes(file, Ranks("ab"));
        Assert.Equal([256, ' ', 100257], Tokenizer.Load(file).Encode("ab <|endoftext|>", parseSpecialTokens: true));
        var other = Path.Combine(folder.Path, "mine.tiktoken");
        File.Move(file, other);
        Assert.Contains("encoding.json with pat_str", Assert.Throws<TokenizerException>(() => Tokenizer.Load(other)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("YQ== 0\nYg==\n", "line 2")]
    [InlineData("YQ== 0\n!!! 1\n", "line 2")]
    [InlineData("YQ== 0\nYQ== 1\n", "line 2")]
    [InlineData("YQ== 99999999999\n", "line 1")]
    [InlineData("YQ== 0\n", "single byte")]
    public void A_broken_rank_file_is_an_error_that_names_the_line(string content, string part)
        => Assert.Contains(part,
            Assert.Throws<TokenizerException>(() => Tokenizer.ParseTiktoken(Encoding.ASCII.GetBytes(content), Plain)).Message,
            StringComparison.Ordinal);

    /// <summary>The bytes in their order, then some words.</summary>
    private static byte[] Ranks(params string[] words)
    {
        var lines = Enumerable.Range(0, 256).Select(b => Convert.ToBase64String([(byte)b]))
            .Concat(words.Select(w => Convert.ToBase64String(Encoding.UTF8.GetBytes(w))));
        return Encoding.ASCII.GetBytes(string.Concat(lines.Select((line, rank) => $"{line} {rank}\n")));
    }
}
