using System.Text;
using System.Text.Json;

namespace Kotonoha.Tokenizers.Tests;

/// <summary>Compares with what the Hugging Face tokenizers library gave (a selection of the reference fixtures).</summary>
public sealed class ReferenceTokenizerTests
{
    [Theory]
    [InlineData("tokenizers", "gpt2-bytelevel")]
    [InlineData("tokenizers", "gpt2-prefix-trim")]
    [InlineData("tokenizers", "roberta")]
    [InlineData("tokenizers", "llama3")]
    [InlineData("tokenizers", "cl100k")]
    [InlineData("tokenizers", "added/gpt2-bytelevel")]
    [InlineData("tokenizers", "added/gpt2-prefix-trim")]
    [InlineData("tokenizer-components", "bert-uncased")]
    [InlineData("tokenizer-components", "wordpiece-normseq")]
    [InlineData("tokenizer-components", "t5-unigram")]
    [InlineData("tokenizer-components", "unigram-bytes")]
    [InlineData("tokenizer-components", "albert-unigram")]
    [InlineData("tokenizer-components", "llama2")]
    [InlineData("tokenizer-components", "gemma")]
    [InlineData("tokenizer-components", "bpe-suffix")]
    [InlineData("tokenizer-components", "bpe-prefix")]
    [InlineData("tokenizer-components", "bpe-unk-fused")]
    [InlineData("tokenizer-components", "wordlevel")]
    [InlineData("tokenizer-components", "added/llama2")]
    [InlineData("tokenizer-components", "added/bert-uncased")]
    [InlineData("tokenizer-components", "added/t5-unigram")]
    [InlineData("tokenizer-components", "added/mistral")]
    public void Encode_and_decode_agree_with_the_reference(string fixtures, string name)
    {
        using var archive = FixtureArchive.Extract(fixtures);
        var tokenizer = Tokenizer.Load(archive.At(name));
        var texts = Rows(archive.At(name.StartsWith("added", StringComparison.Ordinal) ? "added/texts.jsonl" : "texts.jsonl"))
            .ToDictionary(r => r.GetProperty("id").GetInt32(), r => r.GetProperty("text").GetString()!);
        var pairs = Rows(archive.At("pairs.jsonl"))
            .ToDictionary(r => r.GetProperty("id").GetInt32(),
                r => (A: r.GetProperty("a").GetString()!, B: r.GetProperty("b").GetString()!));
        int checkedRows = 0;
        foreach (var row in Rows(archive.At(name + "/cases.jsonl")))
        {
            bool addSpecial = row.GetProperty("add_special_tokens").GetBoolean(),
                parseSpecial = !row.TryGetProperty("encode_special_tokens", out _);
            var got = row.TryGetProperty("pair_id", out var pairId)
                ? tokenizer.EncodePair(pairs[pairId.GetInt32()].A, pairs[pairId.GetInt32()].B, addSpecial, parseSpecial)
                : tokenizer.EncodeWithOffsets(texts[row.GetProperty("text_id").GetInt32()], addSpecial, parseSpecial);
            Assert.Equal(Ints(row, "ids"), got.Ids);
            Assert.Equal(row.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!), got.Tokens);
            Assert.Equal(Ints(row, row.TryGetProperty("offsets_utf16", out _) ? "offsets_utf16" : "offsets"),
                got.Offsets.SelectMany(o => (int[])[o.Start, o.End]));
            Assert.Equal(row.TryGetProperty("type_ids", out _) ? Ints(row, "type_ids") : new int[got.Ids.Count], got.TypeIds);
            Assert.Equal(row.TryGetProperty("sequence_ids", out _) ? Ints(row, "sequence_ids") : new int[got.Ids.Count], got.SequenceIds);
            if (pairId.ValueKind == JsonValueKind.Undefined)
                Assert.Equal(got.Ids, tokenizer.Encode(texts[row.GetProperty("text_id").GetInt32()], addSpecial, parseSpecial));
            var decoded = row.GetProperty("decoded").GetString();
            Assert.Equal(decoded, tokenizer.Decode([.. got.Ids]));
            Assert.Equal(row.TryGetProperty("decoded_skip_special", out var skipped) ? skipped.GetString() : decoded,
                tokenizer.Decode([.. got.Ids], skipSpecialTokens: true));
            checkedRows++;
        }

        Assert.True(checkedRows > 30);
    }

    [Theory]
    [InlineData("tokenizers")]
    [InlineData("tokenizer-components")]
    public void Streamed_decoding_agrees_with_the_reference_chunk_by_chunk(string fixtures)
    {
        using var archive = FixtureArchive.Extract(fixtures);
        foreach (var group in Rows(archive.At("streaming.jsonl")).GroupBy(r => r.GetProperty("tokenizer").GetString()!))
        {
            var tokenizer = Tokenizer.Load(archive.At(group.Key));
            foreach (var row in group)
            {
                var decoder = tokenizer.CreateStreamDecoder(row.GetProperty("skip_special_tokens").GetBoolean());
                Assert.Equal(row.GetProperty("chunks").EnumerateArray().Select(c => c.GetString()!), Ints(row, "ids").Select(decoder.Push));
                Assert.Equal(row.TryGetProperty("final", out var final) ? final.GetString() : "", decoder.Finish());
            }
        }
    }

    [Theory]
    [InlineData("bpe-bytelevel-ja", WordPattern.Gpt2)]
    [InlineData("bpe-bytelevel-own", WordPattern.Cl100k)]
    public void Training_agrees_with_the_reference(string name, WordPattern pattern)
    {
        using var archive = FixtureArchive.Extract("tokenizers");
        using var document = JsonDocument.Parse(File.ReadAllBytes(archive.At($"trainers/{name}.json")));
        var row = document.RootElement;
        var trainer = row.GetProperty("trainer");
        var tokenizer =
            Tokenizer.TrainByteLevelBpe(TextCorpus.From(archive.At("trainers/" + row.GetProperty("corpus").GetString())),
                new BpeTrainingOptions
                {
                    VocabularySize = trainer.GetProperty("vocab_size").GetInt32(),
                    MinFrequency = trainer.GetProperty("min_frequency").GetInt32(),
                    SpecialTokens = [.. trainer.GetProperty("special_tokens").EnumerateArray().Select(t => t.GetString()!)],
                    Pattern = pattern,
                });
        Assert.Equal(row.GetProperty("vocab").EnumerateArray().Select(t => t.GetString()),
            Enumerable.Range(0, tokenizer.VocabularySize).Select(tokenizer.IdToToken));
        Assert.Equal(
            row.GetProperty("merges").EnumerateArray().Select(m => (m[0].GetString()!, m[1].GetString()!)),
            ((BpeModel)tokenizer.Model).Merges);
    }

    [Fact]
    public void Arbitrary_ids_decode_as_in_the_reference()
    {
        using var archive = FixtureArchive.Extract("tokenizer-components");
        foreach (var group in Rows(archive.At("decode.jsonl")).GroupBy(r => r.GetProperty("tokenizer").GetString()!))
        {
            var tokenizer = Tokenizer.Load(archive.At(group.Key));
            foreach (var row in group)
                Assert.Equal(row.GetProperty("decoded").GetString(), tokenizer.Decode(Ints(row, "ids")));
        }
    }

    [Fact]
    public void Truncation_and_padding_agree_with_the_reference()
    {
        using var archive = FixtureArchive.Extract("tokenizer-components");
        var loaded = new Dictionary<string, Tokenizer>(StringComparer.Ordinal);
        foreach (var row in Rows(archive.At("truncation_padding.jsonl")))
        {
            var name = row.GetProperty("tokenizer").GetString()!;
            if (!loaded.TryGetValue(name, out var plain))
                loaded.Add(name, plain = Tokenizer.Load(archive.At(name)));
            IReadOnlyList<TokenizedText> Encode()
            {
                var tokenizer = Configure(plain, row);
                bool addSpecial = row.GetProperty("add_special_tokens").GetBoolean();
                if (row.TryGetProperty("batch", out var batch))
                    return tokenizer.EncodeBatch([.. batch.EnumerateArray().Select(t => t.GetString()!)], addSpecial);
                if (row.TryGetProperty("batch_pairs", out var pairs))
                    return tokenizer.EncodeBatch([.. pairs.EnumerateArray().Select(p => (p[0].GetString()!, p[1].GetString()!))],
                        addSpecial);
                var text = row.GetProperty("text").GetString();
                if (row.TryGetProperty("pair", out var pair))
                    return [tokenizer.EncodePair(text, pair.GetString(), addSpecial)];
                var alone = tokenizer.EncodeWithOffsets(text, addSpecial);
                Assert.Equal(alone.Ids, tokenizer.Encode(text, addSpecial));
                return [alone];
            }

            if (row.TryGetProperty("error", out _))
            {
                Assert.Throws<TokenizerException>(() => Encode());
                continue;
            }

            var expected = row.GetProperty("expected");
            var got = Encode();
            JsonElement[] want = expected.ValueKind == JsonValueKind.Array ? [.. expected.EnumerateArray()] : [expected];
            Assert.Equal(want.Length, got.Count);
            for (int i = 0; i < want.Length; i++)
                AssertEncoding(want[i], got[i]);
        }

        static void AssertEncoding(JsonElement want, TokenizedText got)
        {
            Assert.Equal(Ints(want, "ids"), got.Ids);
            Assert.Equal(Ints(want, want.TryGetProperty("offsets_utf16", out _) ? "offsets_utf16" : "offsets"),
                got.Offsets.SelectMany(o => (int[])[o.Start, o.End]));
            Assert.Equal(want.TryGetProperty("type_ids", out _) ? Ints(want, "type_ids") : new int[got.Ids.Count], got.TypeIds);
            Assert.Equal(want.TryGetProperty("special_tokens_mask", out _) ? Ints(want, "special_tokens_mask") : new int[got.Ids.Count],
                got.SpecialTokensMask.Select(m => m ? 1 : 0));
            Assert.Equal(Ints(want, "attention_mask"), got.AttentionMask.Select(m => m ? 1 : 0));
            JsonElement[] further = want.TryGetProperty("overflowing", out var list) ? [.. list.EnumerateArray()] : [];
            Assert.Equal(further.Length, got.Overflowing.Count);
            for (int i = 0; i < further.Length; i++)
                AssertEncoding(further[i], got.Overflowing[i]);
        }
    }

    [Fact]
    public void Components_agree_with_the_reference()
    {
        using var archive = FixtureArchive.Extract("tokenizer-components");
        int rows = 0;
        foreach (var row in Rows(archive.At("components.jsonl")))
        {
            var place = new JsonPlace(row.GetProperty("config"), "component");
            var kind = row.GetProperty("kind").GetString();
            var normalizer = kind == "normalizer" ? TokenizerReader.ReadNormalizer(place) : null;
            var preTokenizer = kind == "pre_tokenizer" ? TokenizerReader.ReadPreTokenizer(place) : null;
            foreach (var one in row.GetProperty("cases").EnumerateArray())
            {
                var buffer = new PieceBuffer();
                switch (kind)
                {
                    case "normalizer":
                        buffer.Load(one.GetProperty("text").GetString(), 0, trackOffsets: true);
                        normalizer!.Normalize(buffer);
                        Assert.Equal(one.GetProperty("normalized").GetString(), buffer.Text.ToString());
                        break;
                    case "pre_tokenizer":
                        buffer.Load(one.GetProperty("text").GetString(), 0, trackOffsets: true);
                        preTokenizer!.PreTokenize(buffer);
                        var pieces = Enumerable.Range(0, buffer.PieceCount).ToArray();
                        Assert.Equal(one.GetProperty("pieces").EnumerateArray().Select(p => p.GetString()),
                            pieces.Select(p => buffer.Piece(p).ToString()));
                        Assert.Equal(
                            Ints(one, one.TryGetProperty("offsets_utf16", out _) ? "offsets_utf16" : "offsets"),
                            pieces.Select(p => buffer.Origin(buffer.Bounds(p).Start, buffer.Bounds(p).End))
                                .SelectMany(o => (int[])[o.Start, o.End]));
                        break;
                    default:
                        var output = new StringBuilder();
                        var stream = TokenizerReader.ReadDecoder(place)!.Start(new TextStream(output), incremental: false);
                        foreach (var token in one.GetProperty("tokens").EnumerateArray())
                            stream.Push(token.GetString(), endsToken: true);
                        stream.Finish();
                        Assert.Equal(one.GetProperty("decoded").GetString(), output.ToString());
                        break;
                }
            }

            rows++;
        }

        Assert.True(rows > 90);
    }

    [Theory]
    [InlineData("tokenizers", "gpt2-bytelevel")]
    [InlineData("tokenizers", "roberta")]
    [InlineData("tokenizers", "llama3")]
    [InlineData("tokenizers", "added/gpt2-prefix-trim")]
    [InlineData("tokenizer-components", "bert-uncased")]
    [InlineData("tokenizer-components", "wordpiece-normseq")]
    [InlineData("tokenizer-components", "t5-unigram")]
    [InlineData("tokenizer-components", "unigram-bytes")]
    [InlineData("tokenizer-components", "albert-unigram")]
    [InlineData("tokenizer-components", "gemma")]
    [InlineData("tokenizer-components", "bpe-suffix")]
    [InlineData("tokenizer-components", "bpe-prefix")]
    [InlineData("tokenizer-components", "bpe-unk-fused")]
    [InlineData("tokenizer-components", "wordlevel")]
    [InlineData("tokenizer-components", "added/llama2")]
    [InlineData("tokenizer-components", "added/mistral")]
    public void Saving_keeps_every_member_of_the_file(string fixtures, string name)
    {
        using var archive = FixtureArchive.Extract(fixtures);
        var original = archive.At(name + "/tokenizer.json");
        var copy = archive.At("copy.json");
        Tokenizer.Load(original).Save(copy);
        using var first = JsonDocument.Parse(File.ReadAllBytes(original));
        using var second = JsonDocument.Parse(File.ReadAllBytes(copy));
        Assert.True(JsonElement.DeepEquals(first.RootElement, second.RootElement));
    }

    private static Tokenizer Configure(Tokenizer tokenizer, JsonElement row)
    {
        if (row.TryGetProperty("truncation", out var t))
            tokenizer = tokenizer.WithTruncation(new TruncationOptions
            {
                MaxLength = t.GetProperty("max_length").GetInt32(),
                Stride = t.GetProperty("stride").GetInt32(),
                Strategy =
                    Enum.Parse<TruncationStrategy>(t.GetProperty("strategy").GetString()!.Replace("_", "", StringComparison.Ordinal),
                        ignoreCase: true),
                Direction = Enum.Parse<TokenSide>(t.GetProperty("direction").GetString()!, ignoreCase: true),
            });
        if (row.TryGetProperty("padding", out var p))
            tokenizer = tokenizer.WithPadding(new PaddingOptions
            {
                Length = p.GetProperty("length").ValueKind == JsonValueKind.Null ? null : p.GetProperty("length").GetInt32(),
                PadToMultipleOf = p.GetProperty("pad_to_multiple_of").ValueKind == JsonValueKind.Null
                    ? null
                    : p.GetProperty("pad_to_multiple_of").GetInt32(),
                Direction = Enum.Parse<TokenSide>(p.GetProperty("direction").GetString()!, ignoreCase: true),
                PadId = p.GetProperty("pad_id").GetInt32(),
                PadTypeId = p.GetProperty("pad_type_id").GetInt32(),
                PadToken = p.GetProperty("pad_token").GetString()!,
            });
        return tokenizer;
    }

    private static IEnumerable<JsonElement> Rows(string file)
        => File.ReadLines(file).Where(l => l.Length > 0).Select(l => JsonDocument.Parse(l).RootElement);

    private static int[] Ints(JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];
}
