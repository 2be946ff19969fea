using System.Text;

namespace Kotonoha.Tokenizers.Tests;

public sealed class ByteLevelBpeTests
{
    private static readonly string[] Texts =
    [
        "the cat sat on the mat, the cat isn't here\n", "the hat of the cat; we've seen that hat 2024 times\n",
        "吾輩は猫である。名前はまだ無い。\n", "猫の名前は猫である。\n", "def f(x):\n    return x + 1\n", "😀👍 the end\n",
    ];

    private static readonly Tokenizer Trained =
        Tokenizer.TrainByteLevelBpe(Texts, vocabularySize: 275, specialTokens: ["<|endoftext|>", "<|pad|>"]);

    [Fact]
    public void Training_gives_special_tokens_then_bytes_then_joined_pairs()
    {
        Assert.Equal(0, Trained.TokenToId("<|endoftext|>"));
        Assert.Equal(1, Trained.TokenToId("<|pad|>"));
        Assert.Equal("!", Trained.IdToToken(2));
        Assert.Equal("Ń", Trained.IdToToken(257));
        Assert.Equal(275, Trained.VocabularySize);
        Assert.Equal(2, Trained.SpecialTokens.Count);
    }

    [Fact]
    public void Decode_gives_back_every_one_of_20000_random_strings()
    {
        var random = new Random(20240229);
        for (int i = 0; i < 20_000; i++)
        {
            var text = RandomText(random);
            Assert.Equal(text, Trained.Decode(Trained.Encode(text)));
        }
    }

    [Fact]
    public void Lone_surrogates_are_read_as_replacement_characters()
    {
        Assert.Equal("a\uFFFDb\uFFFD", Trained.Decode(Trained.Encode("a\uD800b\uDC00")));
        Assert.Equal(Trained.Encode("x\uFFFD😀"), Trained.Encode("x\uDE00😀"));
    }

    [Fact]
    public void Special_tokens_in_a_text_are_text_unless_asked_for()
    {
        const string Text = "the<|endoftext|>cat";
        Assert.DoesNotContain(0, Trained.Encode(Text));
        Assert.Contains(0, Trained.Encode(Text, parseSpecialTokens: true));
        Assert.Equal(Text, Trained.Decode(Trained.Encode(Text)));
        Assert.Equal("thecat", Trained.Decode(Trained.Encode(Text, parseSpecialTokens: true), skipSpecialTokens: true));
    }

    [Fact]
    public void Save_and_load_keep_every_encoding()
    {
        var folder = Directory.CreateTempSubdirectory("tokenizer");
        try
        {
            var file = Path.Combine(folder.FullName, "tokenizer.json");
            Trained.Save(file);
            var loaded = Tokenizer.Load(folder.FullName);
            Assert.Equal(Trained.VocabularySize, loaded.VocabularySize);
            foreach (var text in Texts)
                Assert.Equal(Trained.Encode(text), loaded.Encode(text));
            var again = new MemoryStream();
            loaded.Write(again);
            Assert.Equal(File.ReadAllBytes(file), again.ToArray());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void The_order_of_the_texts_does_not_matter()
    {
        var reversed = Tokenizer.TrainByteLevelBpe(Texts.Reverse(), vocabularySize: 275, specialTokens: ["<|endoftext|>", "<|pad|>"]);
        var (first, second) = (new MemoryStream(), new MemoryStream());
        Trained.Write(first);
        reversed.Write(second);
        Assert.Equal(first.ToArray(), second.ToArray());
    }

    [Fact]
    public void Streaming_gives_whole_characters_only()
    {
        var bytes = Encoding.UTF8.GetBytes("猫😀");
        var ids = bytes.Select(b => Trained.TokenToId([ByteAlphabet.ToChar(b)])!.Value);
        var decoder = Trained.CreateStreamDecoder();
        Assert.Equal(["", "", "猫", "", "", "", "😀"], ids.Select(decoder.Push).ToArray());
        Assert.Equal("", decoder.Finish());
    }

    private static string RandomText(Random random)
    {
        var builder = new StringBuilder();
        int length = random.Next(0, 40);
        while (builder.Length < length)
        {
            int codePoint = random.Next(8) switch
            {
                0 or 1 => random.Next(0x80),
                2 => " \t\r\n\u0085\u00a0\u3000'"[random.Next(8)],
                3 => random.Next(0x800),
                4 => random.Next(0x3000, 0xA000),
                5 => random.Next(0x1F300, 0x1F700),
                _ => random.Next(0x110000),
            };
            if (codePoint is < 0xD800 or > 0xDFFF)
                builder.Append(char.ConvertFromUtf32(codePoint));
        }

        return builder.ToString();
    }
}
