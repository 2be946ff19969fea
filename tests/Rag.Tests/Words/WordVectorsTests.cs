using Kotonoha.Rag.Words;

namespace Kotonoha.Rag.Tests.Words;

public sealed class WordVectorsTests
{
    private static readonly WordVectors Vectors = WordVectors.Default;

    [Theory]
    [InlineData("heavy", "weight", "colour")]
    [InlineData("loud", "noise", "price")]
    [InlineData("cost", "price", "noise")]
    [InlineData("guarantee", "warranty", "weight")]
    [InlineData("guests", "visitor", "employee")]
    [InlineData("lecturers", "teacher", "price")]
    [InlineData("清掃", "掃除", "料金")]
    [InlineData("職員", "従業員", "料金")]
    [InlineData("広い", "面積", "電話")]
    [InlineData("値段", "price", "noise")]
    [InlineData("騒音", "noise", "weight")]
    public void What_means_the_same_is_more_alike_than_what_does_not(string word, string same, string other)
    {
        Assert.True(Likeness(word, same) > 0.5, $"{word} {same} {Likeness(word, same):F2}");
        Assert.True(Likeness(word, same) > Likeness(word, other) + 0.2, $"{word} {other} {Likeness(word, other):F2}");
    }

    [Fact]
    public void Words_are_found_in_their_forms_and_places()
    {
        Assert.Equal(
            [("employees", "employee"), ("stopped", "stop"), ("went", "go"), ("computerised", "computerize")],
            Words("employees stopped xqzt went computerised").Zip(["employee", "stop", "go", "computerize"], (said, lemma) =>
                (said, One(lemma) == One(said) ? lemma : "?")));
        Assert.Equal(["料金", "払", "フィルター", "交換"], Words("料金を払う、フィルター交換"));
    }

    [Fact]
    public void Parts_of_what_is_not_known_are_no_words()
        // A name in katakana, and one kanji within a compound.
        => Assert.Empty(Words("オブエマ 鑢鐵"));

    private static string[] Words(string text) => [.. Vectors.WordsOf(text).Select(word => text.Substring(word.Start, word.Length))];

    private static int One(string text) => Assert.Single(Vectors.WordsOf(text)).Id;

    private static float Likeness(string one, string other) => Vectors.Likeness(One(one), One(other));
}
