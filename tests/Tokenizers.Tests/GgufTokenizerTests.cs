using System.Text;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Tokenizers.Tests;

/// <summary>Tokenizers from the metadata of GGUF files that the tests write themselves.</summary>
public sealed class GgufTokenizerTests
{
    private static readonly string[] ByteTokens = [.. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>")];

    [Fact]
    public void Pieces_join_by_falling_score_and_unknown_characters_become_bytes()
    {
        string[] tokens = ["<unk>", "<s>", "</s>", .. ByteTokens, "▁", "h", "e", "l", "o", "ll", "he", "▁he", "hell"];
        float[] scores = [.. new float[259], -9, -9, -9, -9, -9, -1, -2, -3, -4];
        int[] types = [2, 3, 3, .. Enumerable.Repeat(6, 256), .. Enumerable.Repeat(1, 9)];
        var tokenizer =
            Load(("tokenizer.ggml.model", "llama"), ("tokenizer.ggml.tokens", tokens), ("tokenizer.ggml.scores", scores),
                ("tokenizer.ggml.token_type", types),
            ("tokenizer.ggml.bos_token_id", 1), ("tokenizer.ggml.eos_token_id", 2));

        // "ll" and "he" come first; "▁he" then beats "hell".
        Assert.Equal(["<s>", "▁he", "ll", "o"], Tokens(tokenizer, "hello"));
        Assert.Equal(["<s>", "▁", "<0xE7>", "<0x8C>", "<0xAB>", "he"], Tokens(tokenizer, "猫he"));
        Assert.Equal("hello 猫", tokenizer.Decode(tokenizer.Encode("hello 猫", addSpecialTokens: false)));
    }

    [Fact]
    public void The_begin_token_can_be_turned_off()
    {
        string[] tokens = ["<unk>", "<s>", "▁", "a"];
        var tokenizer =
            Load(("tokenizer.ggml.model", "llama"), ("tokenizer.ggml.tokens", tokens), ("tokenizer.ggml.scores", new float[4]),
                ("tokenizer.ggml.token_type", new[] { 2, 3, 1, 1 }),
            ("tokenizer.ggml.bos_token_id", 1), ("tokenizer.ggml.add_bos_token", false), ("tokenizer.ggml.add_space_prefix", false));
        Assert.Equal(["a"], Tokens(tokenizer, "a"));
    }

    [Fact]
    public void Byte_pairs_are_cut_as_the_name_of_the_pre_tokenizer_says()
    {
        string[] tokens = ["1", "2", "3", "12", "123", "a", "<|end|>"];
        (string, object)[] common =
        [
            ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.tokens", tokens),
            ("tokenizer.ggml.token_type", new[] { 1, 1, 1, 1, 1, 1, 3 }), ("tokenizer.ggml.merges", new[] { "1 2", "12 3" }),
        ];
        Assert.Equal(["123", "123", "a"], Tokens(Load([.. common, ("tokenizer.ggml.pre", "llama-bpe")]), "123123a"));
        Assert.Equal(["123", "123", "a"], Tokens(Load([.. common, ("tokenizer.ggml.pre", "gpt-2")]), "123123a"));
        Assert.Equal(["1", "2", "3", "a"], Tokens(Load([.. common, ("tokenizer.ggml.pre", "smollm")]), "123a"));
        var smollm = Load([.. common, ("tokenizer.ggml.pre", "smollm")]);
        Assert.Equal([0, 6], smollm.Encode("1<|end|>", parseSpecialTokens: true));
        Assert.Equal("1", smollm.Decode([0, 6], skipSpecialTokens: true));
    }

    [Fact]
    public void Word_pieces_are_spelled_as_tokenizer_json_spells_them()
    {
        string[] tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁cat", "s", "▁,"];
        var tokenizer =
            Load(("tokenizer.ggml.model", "bert"), ("tokenizer.ggml.tokens", tokens),
                ("tokenizer.ggml.token_type", new[] { 3, 3, 3, 3, 1, 1, 1 }),
            ("tokenizer.ggml.unknown_token_id", 1), ("tokenizer.ggml.bos_token_id", 2), ("tokenizer.ggml.seperator_token_id", 3));
        Assert.Equal(["[CLS]", "cat", "##s", ",", "[UNK]", "[SEP]"], Tokens(tokenizer, "CATS, dogs"));
    }

    [Fact]
    public void An_unknown_pre_tokenizer_is_an_error_that_lists_the_known_ones()
    {
        var error =
            Assert.Throws<TokenizerException>(
                () => Load(("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "tomorrow"), ("tokenizer.ggml.tokens", new[] { "a" })));
        Assert.Contains("llama-bpe", error.Message, StringComparison.Ordinal);
        Assert.Contains("tomorrow", error.UnsupportedComponent, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokenizer.ggml.model", "rwkv")]
    [InlineData("tokenizer.ggml.scores", 1)]
    [InlineData("tokenizer.ggml.token_type", 9)]
    [InlineData("tokenizer.ggml.bos_token_id", 99)]
    [InlineData("tokenizer.ggml.tokens", "a")]
    public void A_broken_vocabulary_is_an_error(string key, object value)
    {
        var entries = new Dictionary<string, object>
        {
            ["tokenizer.ggml.model"] = "llama",
            ["tokenizer.ggml.tokens"] = new[] { "<unk>", "a" },
            ["tokenizer.ggml.scores"] = new float[2],
            ["tokenizer.ggml.token_type"] = new[] { 2, 1 },
            [key] = value is 9 ? new[] { 2, 9 } : value,
        };
        Assert.Throws<TokenizerException>(() => Load([.. entries.Select(e => (e.Key, e.Value))]));
    }

    private static string[] Tokens(Tokenizer tokenizer, string text) => [.. tokenizer.Encode(text).Select(id => tokenizer.IdToToken(id)!)];

    private static Tokenizer Load(params (string Key, object Value)[] metadata)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "vocabulary.gguf");
        using (var stream = File.Create(path))
        using (var writer = new BinaryWriter(stream))
        {
            writer.Write("GGUF"u8);
            writer.Write(3);
            writer.Write(0L);
            writer.Write((long)metadata.Length);
            foreach (var (key, value) in metadata)
            {
                Text(writer, key);
                Value(writer, value);
            }
        }

        using var file = GgufFile.Open(path);
        return Tokenizer.FromGguf(file.Metadata);
    }

    private static void Value(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case string text:
                writer.Write(8);
                Text(writer, text);
                break;
            case bool flag:
                writer.Write(7);
                writer.Write(flag);
                break;
            case int number:
                writer.Write(5);
                writer.Write(number);
                break;
            case string[] texts:
                Array(8, texts.Length);
                foreach (var text in texts)
                    Text(writer, text);
                break;
            case int[] numbers:
                Array(5, numbers.Length);
                foreach (int number in numbers)
                    writer.Write(number);
                break;
            case float[] numbers:
                Array(6, numbers.Length);
                foreach (float number in numbers)
                    writer.Write(number);
                break;
        }

        void Array(int elementType, long count)
        {
            writer.Write(9);
            writer.Write(elementType);
            writer.Write(count);
        }
    }

    private static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((long)bytes.Length);
        writer.Write(bytes);
    }
}
