using System.Text;
using System.Text.Json;

namespace Kotonoha.Tokenizers.Tests;

public sealed class TokenModelTests
{
    [Theory]
    [InlineData("unaffable", "un ##aff ##able")]
    [InlineData("unaffablex", "[UNK]")]
    [InlineData("aff", "[UNK]")]
    [InlineData("ununununun", "[UNK]")]
    [InlineData("", "")]
    public void WordPiece_takes_the_longest_piece_from_the_left_or_nothing(string word, string tokens)
    {
        var model =
            new WordPieceModel(new Vocabulary(["[UNK]", "un", "##aff", "##able", "##a", "##un"]), "[UNK]", "##", maxInputCharsPerWord: 9);
        Assert.Equal(tokens, Spell(model, word));
    }

    [Fact]
    public void WordPiece_counts_code_points_not_units()
    {
        var model = new WordPieceModel(new Vocabulary(["[UNK]", "😀", "##😀"]), "[UNK]", "##", maxInputCharsPerWord: 2);
        Assert.Equal("😀 ##😀", Spell(model, "😀😀"));
        Assert.Equal("[UNK]", Spell(model, "😀😀😀"));
    }

    [Fact]
    public void Unigram_finds_the_best_of_all_paths()
    {
        var random = new Random(17);
        for (int round = 0; round < 200; round++)
        {
            var pieces = new List<(string, double)> { ("?", 0) };
            for (int i = 0; i < 12; i++)
            {
                var piece = new string([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => "abc"[random.Next(3)])]);
                if (pieces.TrueForAll(p => p.Item1 != piece))
                    pieces.Add((piece, -10 * random.NextDouble()));
            }

            var model = new UnigramModel(pieces, unknownId: 0, byteFallback: false);
            var word = new string([.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => "abc"[random.Next(3)])]);
            double lowest = pieces.Min(p => p.Item2) - 10;
            double Best(int at) => at == word.Length ? 0
                : pieces.Where(p => string.CompareOrdinal(word, at, p.Item1, 0, p.Item1.Length) == 0)
                .Select(p => p.Item2 + Best(at + p.Item1.Length))
                    .Append(pieces.Exists(p => p.Item1 == word[at..(at + 1)]) ? double.NegativeInfinity : lowest + Best(at + 1)).Max();
            var sink = Tokens(model, word);
            double got = 0;
            for (int i = 0; i < sink.Count; i++)
                got += sink.Ids[i] == 0 ? lowest * (sink.Ends[i] - sink.Starts[i]) : pieces[sink.Ids[i]].Item2;
            Assert.Equal(Best(0), got, 9);
        }
    }

    [Fact]
    public void Unigram_joins_unknown_neighbours_or_spells_their_bytes()
    {
        (string, double)[] pieces = [("<unk>", 0), ("a", -1), ("<0xC3>", -5), ("<0xA9>", -5)];
        var plain = new UnigramModel(pieces, unknownId: 0, byteFallback: false);
        Assert.Equal("a <unk> a", Spell(plain, "aééa"));
        Assert.Equal((0, plain.SurfaceId), (plain.UnknownId, 0));
        var bytes = new UnigramModel(pieces, unknownId: 0, byteFallback: true);
        Assert.Equal("a <0xC3> <0xA9> <0xC3> <0xA9> a", Spell(bytes, "aééa"));
        Assert.Equal("a <unk> a", Spell(bytes, "aéxa"));
    }

    [Fact]
    public void What_a_model_cannot_spell_is_an_error_when_it_names_no_unknown_token()
    {
        Assert.Throws<TokenizerException>(() => Spell(new UnigramModel([("a", -1)], unknownId: null, byteFallback: false), "ab"));
        Assert.Throws<TokenizerException>(() => Spell(new WordLevelModel(new Vocabulary(["a"]), "<unk>"), "b"));
        Assert.Throws<TokenizerException>(() => Spell(new WordPieceModel(new Vocabulary(["a"]), "[UNK]", "##", 100), "b"));
        Assert.Throws<TokenizerException>(
            () => Spell(new BpeModel(new Vocabulary(["a"]), [], new BpeModelOptions { UnknownToken = "<unk>" }), "b"));
        Assert.Throws<TokenizerException>(() => new UnigramModel([("a", -1)], unknownId: 1, byteFallback: false));
    }

    [Fact]
    public void Unigram_costs_a_number_of_steps_that_grows_with_the_text_alone()
    {
        var model =
            new UnigramModel([("<unk>", 0), .. Enumerable.Range(1, 16).Select(n => (new string('a', n), -(double)n))], unknownId: 0,
                byteFallback: false);
        long Steps(int length) => model.CountSteps(new string('a', length));
        Assert.True(Steps(200_000) <= 2.1 * Steps(100_000));
    }

    [Fact]
    public void A_long_text_without_cuts_is_merged_as_its_words_are()
    {
        string[] tokens = ["<unk>", "▁", "a", "b", "▁a", "ab", "▁ab", "▁▁", "▁▁▁▁", "bb", "aab", "▁▁a", "x▁"];
        (string, string)[] merges = [("▁", "▁"), ("▁", "a"), ("a", "b"), ("▁a", "b"), ("b", "b"), ("a", "ab"), ("▁▁", "▁▁"), ("▁▁", "a")];
        var options = new BpeModelOptions { UnknownToken = "<unk>", FuseUnknown = true };
        var byWords = new BpeModel(new Vocabulary(tokens), merges, options);

        // A merge across a blank, though no text here has its left side, makes the model take a text as a whole.
        var whole = new BpeModel(new Vocabulary([.. tokens, "x"]), [.. merges, ("x", "▁")], options);
        var random = new Random(11);
        for (int round = 0; round < 200; round++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(65, 300)).Select(_ => "▁▁abby"[random.Next(6)])]);
            var (got, want) = (Tokens(byWords, text), Tokens(whole, text));
            Assert.Equal(want.Ids.ToArray(), got.Ids.ToArray());
            Assert.Equal(want.Starts.ToArray(), got.Starts.ToArray());
            Assert.Equal(want.Ends.ToArray(), got.Ends.ToArray());
        }
    }

    // The words of Oniguruma as Hugging Face's Rust tokenizers (0.22.2) cut them.
    [Theory]
    [InlineData("x³ Ⅷ-a\u200Db", "\\\\w+", "x³| |Ⅷ|-|a|\u200D|b")]
    [InlineData("x³ Ⅷ-a\u200Db", "[\\\\w]+", "x|³ |Ⅷ|-|a|\u200D|b")]
    [InlineData("a+b¬", "[[:punct:]]", "a|+|b|¬")]
    public void Words_and_punctuation_of_patterns_are_those_of_the_reference(string text, string pattern, string pieces)
        => AssertSplit(text, pattern, "Isolated", pieces);

    [Theory]
    [InlineData("\\\\b", "Isolated", "ab| |cd")]
    [InlineData("\\\\b", "MergedWithPrevious", "ab| |cd")]
    [InlineData("^", "Removed", "ab cd")]
    [InlineData("(?=c)", "MergedWithNext", "ab |cd")]
    public void A_split_at_nothing_cuts_and_goes_on(string pattern, string behavior, string pieces)
        => AssertSplit("ab cd", pattern, behavior, pieces);

    private static void AssertSplit(string text, string pattern, string behavior, string pieces)
    {
        var json = $$$"""{"type": "Split", "pattern": {"Regex": "{{{pattern}}}"}, "behavior": "{{{behavior}}}", "invert": false}""";
        using var document = JsonDocument.Parse(json);
        var buffer = new PieceBuffer();
        buffer.Load(text, 0, trackOffsets: false);
        TokenizerReader.ReadPreTokenizer(new JsonPlace(document.RootElement, "pre_tokenizer"))!.PreTokenize(buffer);
        Assert.Equal(pieces, string.Join('|', Enumerable.Range(0, buffer.PieceCount).Select(p => buffer.Piece(p).ToString())));
    }

    [Fact]
    public void A_metaspace_tokenizer_in_the_older_spelling_is_read()
    {
        var tokenizer = Parse("""
            {"normalizer": null, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "str_rep": "▁", "add_prefix_space": true},
             "decoder": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true},
             "model": {"unk_id": 0, "vocab": [["<unk>", 0], ["▁a", -1], ["▁b", -2]]}}
            """);
        Assert.Equal([1, 2], tokenizer.Encode("a b"));
        Assert.Equal("a b", tokenizer.Decode([1, 2]));
    }

    [Theory]
    [InlineData("""{"type": "Fuse"}""")]
    [InlineData("""{"type": "WordPiece"}""")]
    [InlineData("""{"type": "BPEDecoder", "suffix": "b"}""")]
    [InlineData("""{"type": "CTC", "pad_token": "a"}""")]
    [InlineData("""{"type": "Metaspace", "replacement": "a", "prepend_scheme": "first"}""")]
    [InlineData("""{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "a", "start": 2, "stop": 2}]}""")]
    [InlineData("""{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"Regex": "a+"}, "content": "ab"}, {"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "ab"}, "content": "-"}]}""")]
    public void Streamed_texts_join_to_the_text_decoded_at_once(string decoder)
    {
        var tokenizer = Parse($$$"""
            {"decoder": {{{decoder}}}, "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "##a": 4, " .": 5, "aab": 6, "": 7} } }
            """);
        var random = new Random(3);
        for (int round = 0; round < 300; round++)
        {
            int[] ids = [.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(8))];
            var stream = tokenizer.CreateStreamDecoder();
            Assert.Equal(tokenizer.Decode(ids), string.Concat(ids.Select(stream.Push)) + stream.Finish());
        }
    }

    [Fact]
    public void The_settings_of_a_file_apply_to_every_way_of_encoding_until_they_are_taken_off()
    {
        var tokenizer = Parse("""
            {"truncation": {"max_length": 2, "strategy": "LongestFirst", "stride": 0},
             "padding": {"strategy": {"Fixed": 4}, "direction": "Left", "pad_id": 9, "pad_type_id": 0, "pad_token": "p"},
             "pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordLevel", "unk_token": "u", "vocab": {"u": 0, "a": 1, "b": 2, "c": 3}}}
            """);
        Assert.Equal([9, 9, 1, 2], tokenizer.Encode("a b c"));
        var text = tokenizer.EncodeWithOffsets("a b c");
        Assert.Equal([9, 9, 1, 2], text.Ids);
        Assert.Equal([false, false, true, true], text.AttentionMask);
        Assert.Equal([9, 9, 9, 3], Assert.Single(text.Overflowing).Ids);
        Assert.Equal([1, 2, 3], tokenizer.WithTruncation(null).WithPadding(null).Encode("a b c"));
        Assert.Throws<ArgumentException>(() => tokenizer.WithTruncation(new TruncationOptions { MaxLength = 2, Stride = 3 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.WithPadding(new PaddingOptions { Length = int.MaxValue }));
    }

    private static Tokenizer Parse(string json) => Tokenizer.Parse(Encoding.UTF8.GetBytes(json));

    private static TokenSink Tokens(ITokenModel model, string word)
    {
        var sink = new TokenSink();
        sink.Clear(trackOffsets: true);
        model.Tokenize(word, sink);
        Assert.Equal(word,
            string.Concat(Enumerable.Range(0, sink.Count)
                .Select(i => i > 0 && sink.Starts[i] < sink.Ends[i - 1] ? "" : word[sink.Starts[i]..sink.Ends[i]])));
        return sink;
    }

    private static string Spell(ITokenModel model, string word)
        => string.Join(' ', Tokens(model, word).Ids.ToArray().Select(id => model.Vocabulary.TokenOf(id)));
}
