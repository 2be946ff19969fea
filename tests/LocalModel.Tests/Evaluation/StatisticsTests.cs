using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.LocalModel.Tests.Evaluation;

/// <summary>Intervals against published values.</summary>
public sealed class StatisticsTests
{
    // Newcombe 1998, table II, method 10.
    [Theory]
    [InlineData(56, 70, 48, 80, 0.0524, 0.3339)]
    [InlineData(9, 10, 3, 10, 0.1705, 0.8090)]
    [InlineData(10, 10, 0, 20, 0.6791, 1.0000)]
    [InlineData(10, 10, 0, 10, 0.6075, 1.0000)]
    public void The_interval_of_a_difference_of_proportions_is_that_of_the_paper(
        int successes, int trials, int otherSuccesses, int otherTrials, double low, double high)
    {
        var interval = Statistics.ProportionDifference(successes, trials, otherSuccesses, otherTrials);
        Assert.Equal(low, interval.Low, 5e-5);
        Assert.Equal(high, interval.High, 5e-5);
        var reversed = Statistics.ProportionDifference(otherSuccesses, otherTrials, successes, trials);
        Assert.Equal(-interval.High, reversed.Low, 1e-12);
    }
}
