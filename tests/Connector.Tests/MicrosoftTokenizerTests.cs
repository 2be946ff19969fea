using System.Buffers;
using System.IO.Compression;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Tokenizers;
using Tokenizer = Kotonoha.Tokenizers.Tokenizer;

namespace Kotonoha.Connector.Tests;

/// <summary>The view against Microsoft.ML.Tokenizers' own readers, on vocabularies that both read.</summary>
public sealed class MicrosoftTokenizerTests : IDisposable
{
    private static readonly string[] OwnTexts =
    [
        "", " ", "Hello, world!", "  two  spaces\n\nand lines\t", "naïve café Übergröße", "東京は日本の首都です。", "한국어 문장입니다.",
        "👩‍👩‍👧‍👦 family 🇯🇵",
        "don't I'll we've 12345 6.789", "int main(void) { return 0; }", "Ελληνικά и кириллица", "<|endoftext|>", "a\u0301\u0323 combining",
        "ﬁ ligature ½",
    ];

    private static readonly string[] PlainTexts =
    [
        "", "Hello, world! How are you today?", "The quick brown fox jumps over the lazy dog.",
        "To be, or not to be, that is the question:",
        "I'm sure you're right, she's here, we've won.", "A house (with a garden) is for sale.", "Numbers such as 1, 2 and 3.",
    ];

    private readonly TemporaryFolder _other = FixtureArchive.Extract("tokenizers-other");
    private readonly TemporaryFolder _components = FixtureArchive.Extract("tokenizer-components");

    public void Dispose()
    {
        _other.Dispose();
        _components.Dispose();
    }

    [Theory]
    [InlineData("cl100k_base")]
    [InlineData("o200k_base")]
    [InlineData("gpt2")]
    public void Tiktoken_ids_and_places_are_equal(string encoding)
    {
        var peer = encoding == "gpt2" ? TiktokenTokenizer.CreateForModel("gpt2") : TiktokenTokenizer.CreateForEncoding(encoding);
        var own = PublishedTiktoken(encoding).AsMicrosoftTokenizer(parseSpecialTokens: true);
        foreach (var text in OwnTexts.Concat(File.ReadLines(_other.At("texts.jsonl")).Select(TextOf)))
        {
            // .NET's regular expressions, which the peer splits with, do not know digits beyond the basic plane.
            if (text.Contains("𝟙", StringComparison.Ordinal))
                continue;
            Assert.Equal(peer.EncodeToIds(text), own.EncodeToIds(text));
            Assert.Equal(peer.CountTokens(text), own.CountTokens(text));
            Assert.Equal(peer.Decode(peer.EncodeToIds(text)), own.Decode(own.EncodeToIds(text)));
            Assert.Equal(peer.EncodeToTokens(text, out _).Select(t => t.Offset), own.EncodeToTokens(text, out _).Select(t => t.Offset));
            foreach (int limit in (int[])[1, 2, 5, 9])
            {
                var within = peer.EncodeToIds(text, limit, out _, out int expected);

                // The peer sees that it cuts a character only where two tokens begin in one place.
                if (peer.EncodeToTokens(text, out _).Skip(within.Count).FirstOrDefault() is { Value: not null } next
                    && next.Offset.Start.Value < expected)
                    continue;
                Assert.Equal(within, own.EncodeToIds(text, limit, out _, out int consumed));
                Assert.Equal(expected, consumed);
                Assert.Equal(peer.GetIndexByTokenCount(text, limit, out _, out int expectedCount),
                    own.GetIndexByTokenCount(text, limit, out _, out int count));
                Assert.Equal(expectedCount, count);
                Assert.Equal(peer.GetIndexByTokenCountFromEnd(text, limit, out _, out expectedCount),
                    own.GetIndexByTokenCountFromEnd(text, limit, out _, out count));
                Assert.Equal(expectedCount, count);
            }
        }
    }

    // The peer's BERT reader leaves out tabs and line ends instead of reading them as white space, and its SentencePiece reader merges
    // equal scores from the right and loses characters that it does not know. Where Google's own readers disagree with it, the reference
    // cases decide.
    [Fact]
    public void Bert_ids_are_equal_on_plain_text()
    {
        var tokenizer = Tokenizer.Load(_components.At("bert-uncased", "tokenizer.json"));
        var vocabulary = new StringBuilder();
        for (int id = 0; id < tokenizer.VocabularySize; id++)
            vocabulary.Append(tokenizer.IdToToken(id)).Append('\n');
        var peer = BertTokenizer.Create(new MemoryStream(Encoding.UTF8.GetBytes(vocabulary.ToString())));
        var own = tokenizer.AsMicrosoftTokenizer();
        Assert.All(PlainTexts, text => Assert.Equal(peer.EncodeToIds(text, addSpecialTokens: true), own.EncodeToIds(text)));
    }

    [Theory]
    [InlineData("bpe-llama")]
    [InlineData("uni-identity-bytes")]
    public void SentencePiece_ids_are_equal_on_plain_text(string name)
    {
        var path = _other.At("spm", name + ".model");
        using var stream = File.OpenRead(path);
        var peer = SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false, addEndOfSentence: false);
        var own = Tokenizer.Load(path).AsMicrosoftTokenizer(addSpecialTokens: false);
        Assert.All(PlainTexts, text => Assert.Equal(peer.EncodeToIds(text), own.EncodeToIds(text)));
    }

    [Fact]
    public void A_limit_counts_the_added_tokens_and_keeps_characters_whole()
    {
        var bert = Tokenizer.Load(_components.At("bert-uncased", "tokenizer.json")).AsMicrosoftTokenizer();
        const string text = "the quick brown fox jumps over the lazy dog";
        var whole = bert.EncodeToIds(text);
        var limited = bert.EncodeToIds(text, 6, out var normalized, out int consumed);
        Assert.Null(normalized);
        Assert.Equal([.. whole.Take(5), whole[^1]], limited);
        Assert.Equal(bert.EncodeToIds(text[..consumed]), limited);
        Assert.Equal(bert.EncodeToTokens(text, out _)[^5].Offset.Start.Value,
            bert.GetIndexByTokenCountFromEnd(text, 6, out _, out int count));
        Assert.Equal(6, count);
        Assert.Empty(bert.EncodeToIds(text, 1, out _, out consumed));
        Assert.Equal(0, consumed);
        Assert.All(bert.EncodeToTokens(text, out _),
            token => Assert.Equal(token.Value is "[CLS]" or "[SEP]", token.Offset.Start.Equals(token.Offset.End)));

        var bytes = PublishedTiktoken("gpt2").AsMicrosoftTokenizer();
        Assert.True(bytes.CountTokens("👩‍🚀") > 3);
        Assert.Empty(bytes.EncodeToIds("👩‍🚀", 1, out _, out consumed));
        Assert.Equal(0, consumed);
    }

    [Fact]
    public void Decoding_into_a_short_buffer_stops_between_characters()
    {
        var tokenizer = PublishedTiktoken("gpt2").AsMicrosoftTokenizer();
        const string text = "naïve 👩‍🚀 東京";
        var ids = tokenizer.EncodeToIds(text);
        for (int length = 0; length <= text.Length; length++)
        {
            var buffer = new char[length];
            var joined = new StringBuilder();
            var rest = ids;
            while (tokenizer.Decode(rest, buffer, out int consumed, out int written) is var status)
            {
                joined.Append(buffer, 0, written);
                if (status == OperationStatus.Done || consumed == 0)
                    break;
                rest = [.. rest.Skip(consumed)];
            }

            Assert.StartsWith(joined.ToString(), text, StringComparison.Ordinal);
            Assert.True(length < 3 || joined.Length > 0);
        }

        Assert.Equal(OperationStatus.Done, tokenizer.Decode(ids, new char[text.Length], out int all, out _));
        Assert.Equal(ids.Count, all);
    }

    private static Tokenizer PublishedTiktoken(string encoding)
    {
        var (package, published) = encoding switch
        {
            "cl100k_base" => ("Cl100kBase", "cl100k_base"),
            "o200k_base" => ("O200kBase", "o200k_base"),
            _ => ("Gpt2", "r50k_base"),
        };
        var data = Assembly.Load("Microsoft.ML.Tokenizers.Data." + package);
        using var folder = new TemporaryFolder();
        var path = folder.At(published + ".tiktoken");
        using (var packed = new DeflateStream(data.GetManifestResourceStream(encoding + ".tiktoken.deflate")!, CompressionMode.Decompress))
        using (var reader = new StreamReader(packed))
            // After the number of tokens each line is a token; its rank is its place.
            File.WriteAllLines(path,
                reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1)
                    .Select((token, rank) => $"{token.TrimEnd()} {rank}"));
        return Tokenizer.Load(path);
    }

    private static string TextOf(string line) => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString()!;
}
