namespace Kotonoha.Tokenizers.Tests;

public sealed class TokenizerMeasurementTests
{
    [Fact]
    public void Bytes_characters_words_and_tokens_are_counted()
    {
        // No merges: a token a byte.
        var bytes = Tokenizer.TrainByteLevelBpe([], 256, specialTokens: []);
        var measured = TokenizerMeasurement.Of(bytes, "a cat", " 猫が\n鳴く ", "😀");
        Assert.Equal(new TokenizerMeasurement(3, 5 + 15 + 4, 5 + 7 + 1, 2 + 2 + 1, 24, 0, 3), measured);
        Assert.Equal(1, measured.BytesPerToken);
        Assert.Equal(24 / 13.0, measured.TokensPerCharacter);
        Assert.Equal(24 / 5.0, measured.Fertility);
        Assert.Equal(measured, TokenizerMeasurement.Of(bytes, "a cat") + TokenizerMeasurement.Of(bytes, " 猫が\n鳴く ", "😀"));
    }

    [Fact]
    public void What_the_vocabulary_cannot_spell_is_unknown_and_does_not_come_back()
    {
        var words = Tokenizer.TrainWordPiece(["the cat the cat"], new WordPieceTrainingOptions { VocabularySize = 60 });
        var measured = TokenizerMeasurement.Of(words, "the cat", "the dog", "The cat");
        Assert.Equal(1, measured.Unknown);
        Assert.Equal(1, measured.RoundTrips);
        Assert.Equal(1.0 / measured.Tokens, measured.UnknownShare);
    }
}
