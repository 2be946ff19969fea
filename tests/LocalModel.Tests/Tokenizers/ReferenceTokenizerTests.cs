using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers;
using Kotonoha.LocalModel.Tokenizers.Models;

namespace Kotonoha.LocalModel.Tests.Tokenizers;

/// <summary>Compares with what the Hugging Face tokenizers library gave (a selection of the reference fixtures).</summary>
public sealed class ReferenceTokenizerTests
{
    [Theory]
    [InlineData("gpt2-bytelevel")]
    [InlineData("gpt2-prefix-trim")]
    [InlineData("roberta")]
    [InlineData("llama3")]
    [InlineData("cl100k")]
    [InlineData("added/gpt2-bytelevel")]
    [InlineData("added/gpt2-prefix-trim")]
    public void Encode_and_decode_agree_with_the_reference(string name)
    {
        using var archive = FixtureArchive.Extract("tokenizers");
        var tokenizer = Tokenizer.Load(archive.File(name));
        var texts = Rows(archive.File(name.StartsWith("added", StringComparison.Ordinal) ? "added/texts.jsonl" : "texts.jsonl"))
            .ToDictionary(r => r.GetProperty("id").GetInt32(), r => r.GetProperty("text").GetString()!);
        var pairs = Rows(archive.File("pairs.jsonl")).ToDictionary(r => r.GetProperty("id").GetInt32(), r => (A: r.GetProperty("a").GetString()!, B: r.GetProperty("b").GetString()!));
        int checkedRows = 0;
        foreach (var row in Rows(archive.File(name + "/cases.jsonl")))
        {
            bool addSpecial = row.GetProperty("add_special_tokens").GetBoolean(), parseSpecial = !row.TryGetProperty("encode_special_tokens", out _);
            var got = row.TryGetProperty("pair_id", out var pairId)
                ? tokenizer.EncodePair(pairs[pairId.GetInt32()].A, pairs[pairId.GetInt32()].B, addSpecial, parseSpecial)
                : tokenizer.EncodeWithOffsets(texts[row.GetProperty("text_id").GetInt32()], addSpecial, parseSpecial);
            Assert.Equal(Ints(row, "ids"), got.Ids);
            Assert.Equal(row.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!), got.Tokens);
            Assert.Equal(Ints(row, row.TryGetProperty("offsets_utf16", out _) ? "offsets_utf16" : "offsets"), got.Offsets.SelectMany(o => (int[])[o.Start, o.End]));
            Assert.Equal(row.TryGetProperty("type_ids", out _) ? Ints(row, "type_ids") : new int[got.Ids.Count], got.TypeIds);
            Assert.Equal(row.TryGetProperty("sequence_ids", out _) ? Ints(row, "sequence_ids") : new int[got.Ids.Count], got.SequenceIds);
            if (pairId.ValueKind == JsonValueKind.Undefined)
                Assert.Equal(got.Ids, tokenizer.Encode(texts[row.GetProperty("text_id").GetInt32()], addSpecial, parseSpecial));
            Assert.Equal(row.GetProperty("decoded").GetString(), tokenizer.Decode([.. got.Ids]));
            checkedRows++;
        }

        Assert.True(checkedRows > 60);
    }

    [Fact]
    public void Streamed_decoding_agrees_with_the_reference_chunk_by_chunk()
    {
        using var archive = FixtureArchive.Extract("tokenizers");
        foreach (var group in Rows(archive.File("streaming.jsonl")).GroupBy(r => r.GetProperty("tokenizer").GetString()!))
        {
            var tokenizer = Tokenizer.Load(archive.File(group.Key));
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
        using var document = JsonDocument.Parse(File.ReadAllBytes(archive.File($"trainers/{name}.json")));
        var row = document.RootElement;
        var trainer = row.GetProperty("trainer");
        var tokenizer = Tokenizer.TrainByteLevelBpe(TextCorpus.From(archive.File("trainers/" + row.GetProperty("corpus").GetString())), new BpeTrainingOptions
        {
            VocabularySize = trainer.GetProperty("vocab_size").GetInt32(),
            MinFrequency = trainer.GetProperty("min_frequency").GetInt32(),
            SpecialTokens = [.. trainer.GetProperty("special_tokens").EnumerateArray().Select(t => t.GetString()!)],
            Pattern = pattern,
        });
        Assert.Equal(row.GetProperty("vocab").EnumerateArray().Select(t => t.GetString()), Enumerable.Range(0, tokenizer.VocabularySize).Select(tokenizer.IdToToken));
        Assert.Equal(
            row.GetProperty("merges").EnumerateArray().Select(m => (m[0].GetString()!, m[1].GetString()!)), ((BpeModel)tokenizer.Model).Merges);
    }

    [Theory]
    [InlineData("gpt2-bytelevel")]
    [InlineData("roberta")]
    [InlineData("llama3")]
    [InlineData("added/gpt2-prefix-trim")]
    public void Saving_keeps_every_member_of_the_file(string name)
    {
        using var archive = FixtureArchive.Extract("tokenizers");
        var original = archive.File(name + "/tokenizer.json");
        var copy = archive.File("copy.json");
        Tokenizer.Load(original).Save(copy);
        using var first = JsonDocument.Parse(File.ReadAllBytes(original));
        using var second = JsonDocument.Parse(File.ReadAllBytes(copy));
        Assert.True(JsonElement.DeepEquals(first.RootElement, second.RootElement));
    }

    private static IEnumerable<JsonElement> Rows(string file) => File.ReadLines(file).Where(l => l.Length > 0).Select(l => JsonDocument.Parse(l).RootElement);

    private static int[] Ints(JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];
}
