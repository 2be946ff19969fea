using System.Text;
using System.Text.Json.Nodes;

namespace Kotonoha.Tokenizers.Tests;

public sealed class TokenizerFileTests
{
    private const string Small = """
        {
          "version": "1.0", "truncation": null, "padding": null,
          "added_tokens": [{"id": 4, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
          "normalizer": null,
          "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
          "post_processor": null,
          "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
          "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "vocab": {"a": 0, "b": 1, "ab": 2, "abab": 3}, "merges": ["a b", ["ab", "ab"]]}
        }
        """;

    [Fact]
    public void Merges_may_be_strings_or_pairs()
        => Assert.Equal([3, 2, 0], Parse(Small).Encode("ababab" + "a"));

    [Theory]
    [InlineData("normalizer", """{"type": "Shout"}""", "normalizer Shout")]
    [InlineData("pre_tokenizer", """{"type": "Kanji"}""", "pre_tokenizer Kanji")]
    [InlineData("model", """{"type": "Hashing", "vocab": {}}""", "model Hashing")]
    [InlineData("model", """{"type": "BPE", "vocab": {}, "merges": [], "dropout": 0.1}""", "model BPE with dropout")]
    [InlineData("post_processor", """{"type": "Magic"}""", "post_processor Magic")]
    [InlineData("decoder", """{"type": "Whisper"}""", "decoder Whisper")]
    public void A_component_that_is_not_supported_is_named(string member, string component, string name)
    {
        var exception = Assert.Throws<TokenizerException>(() => Parse(With(member, component)));
        Assert.Equal(name, exception.UnsupportedComponent);
        Assert.Contains(name, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": "x"}, "merges": []}""", "model.vocab['a']")]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": -1}, "merges": []}""", "model.vocab['a']")]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": 2000000000}, "merges": []}""", "model.vocab['a']")]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}""", "model.vocab['b']")]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}""", "model.merges[0]")]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": 0}, "merges": ["a  a"]}""", "model.merges[0]")]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "a"]]}""", "'aa'")]
    [InlineData("model", """{"type": "BPE", "vocab": {"\ud800": 0}, "merges": []}""", "model.vocab")]
    [InlineData("model", """{"type": "Unigram", "unk_id": 0, "vocab": [["a", 1e999]]}""", "model.vocab[0][1]")]
    [InlineData("model", "null", "model")]
    [InlineData("added_tokens", """[{"content": "x"}]""", "added_tokens[0].id")]
    [InlineData("added_tokens", """[{"id": 0, "content": "x"}]""", "'x'")]
    [InlineData("pre_tokenizer", """[]""", "pre_tokenizer")]
    [InlineData("padding", """{"direction": "Right"}""", "padding.pad_id")]
    [InlineData("truncation", """{"max_length": -1}""", "truncation.max_length")]
    [InlineData("pre_tokenizer", """{"type": "ByteLevel", "add_prefix_space": 1}""", "pre_tokenizer.add_prefix_space")]
    public void A_wrong_value_is_an_error_that_says_where(string member, string value, string where)
    {
        var exception = Assert.Throws<TokenizerException>(() => Parse(With(member, value)));
        Assert.Null(exception.UnsupportedComponent);
        Assert.Contains(where, exception.Message, StringComparison.Ordinal);
        Assert.Contains("my.json", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Broken_json_is_an_error_with_line_and_byte()
    {
        var exception = Assert.Throws<TokenizerException>(() => Parse("{\n  \"model\": {,\n}"));
        Assert.Contains("line 2, byte 13", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_cut_off_file_is_a_typed_error()
    {
        for (int length = 0; length < Small.Length - 1; length += 7)
            Assert.Throws<TokenizerException>(() => Parse(Small[..length]));
    }

    [Fact]
    public void A_missing_file_is_a_typed_error()
        => Assert.Contains("no-such", Assert.Throws<TokenizerException>(() => Tokenizer.Load("no-such/tokenizer.json")).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Ids_without_a_token_decode_to_nothing()
        => Assert.Equal("ab", Parse(Small).Decode([99, 2, -1]));

    [Fact]
    public void TryEncode_says_how_much_room_it_needs()
    {
        var tokenizer = Parse(Small);
        var buffer = new int[2];
        Assert.False(tokenizer.TryEncode("abababa", buffer, out int needed));
        Assert.Equal(3, needed);
        Assert.Equal([0, 0], buffer);
        Assert.True(tokenizer.TryEncode("abababa", new int[3], out _));
        Assert.Equal(3, tokenizer.CountTokens("abababa"));
    }

    private static Tokenizer Parse(string json) => Tokenizer.Parse(Encoding.UTF8.GetBytes(json), "my.json");

    private static string With(string member, string value)
    {
        // Put in by text: a value may be JSON that no object model holds.
        var root = JsonNode.Parse(Small)!.AsObject();
        root[member] = "PLACE";
        return root.ToJsonString().Replace("\"PLACE\"", value, StringComparison.Ordinal);
    }
}
