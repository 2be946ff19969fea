using Kotonoha.Rag.Evaluation;

namespace Kotonoha.Rag.Tests.Evaluation;

public sealed class RetrievalEvaluationTests
{
    [Fact]
    public void One_ranking_is_scored_as_by_hand()
    {
        var query = new RetrievalQuery("q", "", new Dictionary<string, int> { ["a"] = 1, ["b"] = 1, ["c"] = 1, ["d"] = 0 });
        var scores = RetrievalEvaluation.Score(query, ["d", "a", "x", "b"], 3);
        Assert.Equal(0.5, scores.ReciprocalRank, 12);
        Assert.Equal(1 / 3.0, scores.Recall, 12);
        Assert.Equal(1 / 3.0, scores.Precision, 12);
        Assert.Equal((1 / 2.0 + 2 / 4.0) / 3, scores.AveragePrecision, 12);
        Assert.Equal(1 / Math.Log2(3) / (1 + 1 / Math.Log2(3) + 1 / Math.Log2(4)), scores.Ndcg, 12);
    }

    [Fact]
    public void The_interval_of_a_constant_difference_is_that_difference()
    {
        var interval = PairedBootstrap.Of([0.5, 0.7, 0.9], [0.25, 0.45, 0.65]);
        Assert.Equal(0.25, interval.Difference, 12);
        Assert.Equal(0.25, interval.Low, 12);
        Assert.Equal(0.25, interval.High, 12);
        Assert.True(interval.IsSignificant);
    }

    [Fact]
    public void The_interval_of_many_differences_is_that_of_the_normal_distribution()
    {
        // Half of 400 queries gain 1: the mean's standard error is 0.5 / 20.
        var scores = Enumerable.Range(0, 400).Select(i => (double)(i % 2)).ToArray();
        var interval = PairedBootstrap.Of(scores, new double[400]);
        Assert.Equal(0.5 - 1.96 * 0.025, interval.Low, 0.004);
        Assert.Equal(0.5 + 1.96 * 0.025, interval.High, 0.004);
    }

    [Fact]
    public void Differences_that_cancel_out_are_not_significant()
        => Assert.False(PairedBootstrap.Of([1, 0, 1, 0], [0, 1, 0, 1]).IsSignificant);

    [Fact]
    public void Runs_of_other_queries_cannot_be_compared()
    {
        var one = new RetrievalReport(10, [new QueryScores("a", 1, 1, 1, 1, 1)]);
        var other = new RetrievalReport(10, [new QueryScores("b", 1, 1, 1, 1, 1)]);
        Assert.Throws<ArgumentException>(() => one.Against(other, query => query.Ndcg));
        Assert.Equal(0, one.Against(one, query => query.Ndcg).Difference);
    }
}
