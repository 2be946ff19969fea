using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Tokenizers.Tests;

/// <summary>Tokenizers of other files, written as tokenizer.json and read back: the source is the reference.</summary>
public sealed class TokenizerConversionTests
{
    private static readonly ScoredPiece[] Pieces =
    [
        new("<unk>", 0, PieceType.Unknown), new("<s>", 0, PieceType.Control), new("▁", -9, PieceType.Normal),
        new("a", -10, PieceType.Normal), new("b", -11, PieceType.Normal),
        new("ab", -1, PieceType.Normal), new("▁a", -2, PieceType.Normal), new("▁ab", -3, PieceType.Normal),
    ];

    [Theory]
    [InlineData("spm/bpe-llama.model", 0)]
    [InlineData("spm/bpe-ws.model", 0)]
    [InlineData("spm/char.model", 0)]
    [InlineData("spm/uni-identity-bytes.model", 1)]
    [InlineData("tiktoken-cl100k/ranks.tiktoken", 0)]
    [InlineData("tiktoken-o200k/ranks.tiktoken", 0)]
    public void A_text_has_the_same_tokens_after_conversion(string file, int textsThatSpellPieces)
    {
        using var folder = FixtureArchive.Extract("tokenizers-other");
        var source = Tokenizer.Load(Path.Combine(folder.Path, file));
        var written = Rewritten(source);
        var different = new List<string>();
        foreach (var line in File.ReadLines(Path.Combine(folder.Path, "texts.jsonl")))
        {
            using var row = JsonDocument.Parse(line);
            var text = row.RootElement.GetProperty("text").GetString()!;
            var ids = source.Encode(text, parseSpecialTokens: true);
            if (!ids.SequenceEqual(written.Encode(text, parseSpecialTokens: true)))
                different.Add(text);
            Assert.Equal(source.Decode(ids, skipSpecialTokens: true), written.Decode(ids, skipSpecialTokens: true));
        }

        // Unigram finds a byte's piece in a text that spells it.
        Assert.Equal(textsThatSpellPieces, different.Count);
        Assert.All(different, text => Assert.Contains("<0x", text, StringComparison.Ordinal));
    }

    [Fact]
    public void A_llama_of_a_gguf_file_goes_whole_into_a_folder()
    {
        using var folder = FixtureArchive.Extract("models-gguf");
        var target = Path.Combine(folder.Path, "folder");
        Assert.Empty(ModelExport.SaveFolder(Path.Combine(folder.Path, "llama-q8_0.gguf"), target));
        var tokenizer = CheckpointText.Load(target).Tokenizer!;
        var begin = tokenizer.TokenToId("<s>")!.Value;
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder.Path, "tokenizers.json")));
        foreach (var item in expected.RootElement.GetProperty("llama-q8_0").GetProperty("cases").EnumerateArray())
        {
            var text = item.GetProperty("text").GetString()!;
            int[] ids = [.. item.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            Assert.Equal(ids, tokenizer.Encode(text, addSpecialTokens: false));
            Assert.Equal([begin, .. ids], tokenizer.Encode(text));
            Assert.Equal(item.GetProperty("decoded").GetString(), tokenizer.Decode(ids));
        }
    }

    [Theory]
    [InlineData(SentencePieceKind.Bpe, true, true, false)]
    [InlineData(SentencePieceKind.Bpe, false, false, false)]
    [InlineData(SentencePieceKind.Bpe, true, true, true)]
    [InlineData(SentencePieceKind.Unigram, true, true, false)]
    [InlineData(SentencePieceKind.Unigram, true, false, true)]
    [InlineData(SentencePieceKind.Char, false, true, false)]
    internal void Blanks_are_kept_and_added_as_before(SentencePieceKind kind, bool prefix, bool removes, bool suffix)
    {
        var source =
            Of(new SentencePieceSpec
            {
                Pieces = Pieces,
                Kind = kind,
                AddDummyPrefix = prefix,
                RemoveExtraWhitespaces = removes,
                TreatWhitespaceAsSuffix = suffix
            });
        var written = Rewritten(source);
        foreach (var text in (string[])["", " ", "ab", " ab", "a  b ", "▁a", " ▁", "ab ▁▁ ", "x y", "▁ ab\nab\n", "  \n  "])
            Assert.Equal(source.Encode(text), written.Encode(text));
    }

    [Fact]
    public void User_defined_pieces_are_taken_first()
    {
        ScoredPiece[] pieces = [.. Pieces, new("<u>", 0, PieceType.UserDefined), new("aa", 0, PieceType.UserDefined)];
        foreach (var spec
            in (SentencePieceSpec[])[new() { Pieces = pieces, Kind = SentencePieceKind.Unigram },
                new() { Pieces = pieces, Kind = SentencePieceKind.Bpe, AddDummyPrefix = false }])
        {
            var source = Of(spec);
            var written = Rewritten(source);
            foreach (var text in (string[])["<u>", "ab<u>ab", "ab <u> b", "aab", "aaab", " <u><u>a"])
                Assert.Equal(source.Encode(text), written.Encode(text));
        }

        Refused(new SentencePieceSpec { Pieces = pieces, Kind = SentencePieceKind.Bpe }, "user-defined pieces ('<u>')");
    }

    [Fact]
    public void What_tokenizer_json_cannot_say_is_refused_with_its_reason()
    {
        Refused(new SentencePieceSpec { Pieces = Pieces, Kind = SentencePieceKind.Word }, "whole words");
        Refused(Bpe([.. Pieces, new("ba", -1, PieceType.Normal)]), "'ab' and 'ba' have the same score");
        Refused(Bpe([.. Pieces, new("abab", -4, PieceType.Unused)]), "'abab' is joined on the way");
        Refused(Bpe([.. Pieces, new("bc", -4, PieceType.Normal)]), "'b' and 'c'");
        Refused(Bpe([.. Pieces, new("c", 0, PieceType.Control)]), "control piece 'c'");
        Refused(Bpe([.. Pieces, new("c", 0, PieceType.Unused)]) with { Kind = SentencePieceKind.Unigram }, "'c' is not to be used");

        // One that nothing makes is no harm: vocabularies are filled up with such.
        _ = Rewritten(Of(Bpe([.. Pieces, new("[PAD8]", 0, PieceType.Unused)])));

        static SentencePieceSpec Bpe(ScoredPiece[] pieces) => new() { Pieces = pieces, Kind = SentencePieceKind.Bpe };
    }

    [Theory]
    [InlineData(@"\p{N}{1,3}+|\s++$", @"(?>\p{N}{1,3})|\s++\z")]
    [InlineData(@"(?:a|[b\]]){2}+x?+", @"(?>(?:a|[b\]]){2})x?+")]
    [InlineData(@"^\x{3042}{1,2}", @"\A\x{3042}{1,2}")]
    [InlineData(@"(?i:'s)| ?[^\s\p{L}]+|\s+(?!\S)", @"(?i:'s)| ?[^\s\p{L}]+|\s+(?!\S)")]
    [InlineData(@"(?s).+", null)]
    [InlineData(@"\w+", null)]
    [InlineData(@"\ba", null)]
    [InlineData(@"(?m)^a", null)]
    public void Patterns_of_tiktoken_are_spelled_for_oniguruma(string pattern, string? want)
        => Assert.Equal(want, RegexTranslation.ToOniguruma(pattern));

    private static void Refused(SentencePieceSpec spec, string reason)
        => Assert.Contains(reason, Assert.Throws<TokenizerException>(() => Rewritten(Of(spec))).Message, StringComparison.Ordinal);

    private static Tokenizer Of(SentencePieceSpec spec) => new(SentencePieceTokenizer.Build(spec, addBegin: false, addEnd: false));

    private static Tokenizer Rewritten(Tokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        tokenizer.Write(stream);
        return Tokenizer.Parse(stream.ToArray());
    }
}
