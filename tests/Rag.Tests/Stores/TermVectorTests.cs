using System.Text;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

public sealed class TermVectorTests
{
    // Values of the reference implementation's test set (SMHasher), seed 0.
    [Theory]
    [InlineData("", 0u)]
    [InlineData("test", 0xba6bd213u)]
    [InlineData("Hello, world!", 0xc0363e43u)]
    [InlineData("The quick brown fox jumps over the lazy dog", 0x2e4ff723u)]
    public void Murmur3_gives_the_published_values(string text, uint expected)
        => Assert.Equal(expected, Murmur3.Hash(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Two_hundred_thousand_terms_collide_about_as_rarely_as_chance_says()
    {
        // Expected pairs: n²/2³³ = 4.7; five standard deviations above is 16.
        var words = Enumerable.Range(0, 100_000).Select(i => $"word{i}");
        var bigrams = Enumerable.Range(0, 100_000).Select(i => $"{(char)(0x4e00 + i % 20_000)}{(char)(0x3041 + i / 20_000)}");
        string[] terms = [.. words, .. bigrams];
        int distinct = terms.Select(term => TermVector.FromTerms([term]).Indices[0]).Distinct().Count();
        Assert.InRange(terms.Length - distinct, 0, 16);
    }

    [Fact]
    public void Terms_are_counted_and_sorted()
    {
        var vector = TermVector.FromTerms(["b", "a", "b", "c", "b", new string('x', 1000)]);
        Assert.Equal(6, vector.Length);
        Assert.Equal(vector.Indices.Order(), vector.Indices);
        Assert.Equal([1, 1, 1, 3], vector.Counts.Order());
    }
}
