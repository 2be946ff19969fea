using Kotonoha.Rag.Answering;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>The text of regression trees, and the leaves that a candidate falls into.</summary>
public sealed class AnswerTreesTests
{
    // Feature 0 at 1.5 divides, its upper half by feature 1 at −2; the second tree is one leaf.
    private const string Text = "2 0.5\n0 1.5 -1 1;1 -2 -2 -3|10 20 30.25\n|0.5\n";

    [Theory]
    [InlineData(1.5, 7, 10.5)] // what equals a threshold is below it
    [InlineData(1.6, -2, 20.5)]
    [InlineData(1.6, -1.9, 30.75)]
    public void The_leaves_are_added(double first, double second, double sum)
        => Assert.Equal(sum, AnswerTrees.Read(new StringReader(Text)).Sum([first, second]));
}
