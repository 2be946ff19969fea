namespace Kotonoha.Tokenizers.Tests;

/// <summary>Trainers besides byte-level BPE: what they learn encodes and decodes, and does not depend on the order of the texts.</summary>
public sealed class TrainerTests
{
    private static readonly string[] Texts =
    [
        "the cat sat on the mat", "the cats sat on the mats", "a cat and a hat", "the hat of the cat", "that cat sat there",
        "mats and hats and cats",
    ];

    [Fact]
    public void Word_pieces_are_learned_with_their_prefix()
    {
        var tokenizer = Tokenizer.TrainWordPiece(Texts, new WordPieceTrainingOptions { VocabularySize = 60 });
        var tokens = tokenizer.EncodeWithOffsets("The satcat").Tokens;
        Assert.Equal(["[CLS]", "the"], tokens.Take(2));
        Assert.All(tokens.Skip(3).SkipLast(1), token => Assert.StartsWith("##", token, StringComparison.Ordinal));
        Assert.Equal("the cats", tokenizer.Decode(tokenizer.Encode("The cats"), skipSpecialTokens: true));
        Assert.Contains("[UNK]", tokenizer.EncodeWithOffsets("猫").Tokens);
    }

    [Fact]
    public void Unigram_pieces_are_learned_from_frequent_substrings()
    {
        var tokenizer = Tokenizer.TrainUnigram(Texts, new UnigramTrainingOptions { VocabularySize = 30 });
        Assert.True(tokenizer.VocabularySize <= 30);
        Assert.Contains("▁the", tokenizer.EncodeWithOffsets("the cat").Tokens);
        foreach (var text in Texts)
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        Assert.Equal("<unk>", tokenizer.IdToToken(tokenizer.Encode("cat 猫")[^1]));
    }

    [Fact]
    public void Repeated_substrings_are_those_of_counting()
    {
        string[] words = ["banana", "bananas", "ananas", "cabana"];
        var all = string.Concat(words.Select(w => w + "\0"));
        var wanted = new SortedSet<string>(StringComparer.Ordinal);
        for (int start = 0; start < all.Length; start++)
            for (int length = 2; length <= 4 && start + length < all.Length; length++)
            {
                var part = all.Substring(start, length);
                var places = Enumerable.Range(0, all.Length - length).Where(p => all.AsSpan(p).StartsWith(part, StringComparison.Ordinal))
                    .ToArray();
                if (!part.Contains('\0') && places.Select(p => all[p + length]).Distinct().Count() > 1)
                    wanted.Add($"{part} {places.Length}");
            }

        var found = new SubstringFinder(words, 4).Find(CancellationToken.None)
            .Select(s => $"{string.Concat(s.CodePoints.Select(c => (char)c))} {s.Count}");
        Assert.Equal(wanted, new SortedSet<string>(found, StringComparer.Ordinal));
    }

    [Fact]
    public void Whole_words_come_by_falling_count()
    {
        var tokenizer = Tokenizer.TrainWordLevel(Texts, new WordLevelTrainingOptions { VocabularySize = 4 });
        Assert.Equal(["<unk>", "the", "and", "cat"],
            Enumerable.Range(0, 4).Select(id => tokenizer.IdToToken(id)).Order(StringComparer.Ordinal)
                .OrderBy(t => t == "<unk>" ? 0 : t == "the" ? 1 : 2));
    }

    [Fact]
    public void The_order_of_the_texts_makes_no_difference()
    {
        static byte[] Written(Tokenizer tokenizer)
        {
            var stream = new MemoryStream();
            tokenizer.Write(stream);
            return stream.ToArray();
        }

        var backwards = Texts.Reverse().ToArray();
        var pieces = new WordPieceTrainingOptions { VocabularySize = 60 };
        var unigram = new UnigramTrainingOptions { VocabularySize = 30 };
        Assert.Equal(Written(Tokenizer.TrainWordPiece(Texts, pieces)), Written(Tokenizer.TrainWordPiece(backwards, pieces)));
        Assert.Equal(Written(Tokenizer.TrainUnigram(Texts, unigram)), Written(Tokenizer.TrainUnigram(backwards, unigram)));
        Assert.Equal(Written(Tokenizer.TrainUnigram(Texts, unigram)),
            Written(Tokenizer.Parse(Written(Tokenizer.TrainUnigram(Texts, unigram)))));
    }

    [Fact]
    public void What_cannot_be_trained_is_an_error()
    {
        Assert.Throws<ArgumentException>(
            () => Tokenizer.TrainWordPiece(Texts, new WordPieceTrainingOptions { VocabularySize = 60, SpecialTokens = ["[UNK]"] }));
        Assert.Throws<ArgumentException>(
            () => Tokenizer.TrainUnigram(Texts, new UnigramTrainingOptions { VocabularySize = 60, ShrinkingFactor = 1 }));
        Assert.Throws<ArgumentException>(
            () => Tokenizer.TrainWordLevel(Texts, new WordLevelTrainingOptions { VocabularySize = 60, UnknownToken = "?" }));
    }
}
