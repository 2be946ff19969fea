using System.Text.Json;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.LocalModel.Tests.Training;

public sealed class LearningRateScheduleTests
{
    [Fact]
    public void Schedules_give_the_reference_rates()
    {
        using var folder = FixtureArchive.Extract("training-optimizers");
        using var json = JsonDocument.Parse(File.ReadAllBytes(folder.At("schedules.json")));
        int compared = 0;
        foreach (var item in json.RootElement.EnumerateArray())
        {
            double Number(string name) => item.GetProperty(name).GetDouble();
            long Step(string name) => item.GetProperty(name).GetInt64();
            var schedule = item.GetProperty("kind").GetString() switch
            {
                "nanogpt-cosine" => LearningRateSchedule.WarmupCosine(Number("peak"), Number("min"), Step("warmup"), Step("total")),
                "wsd-linear" =>
                    LearningRateSchedule.WarmupStableDecay(Number("peak"), Number("min"), Step("warmup"), Step("decay_start"),
                        Step("total")),
                "wsd-1-sqrt" =>
                    LearningRateSchedule.WarmupStableDecay(Number("peak"), Number("min"), Step("warmup"), Step("decay_start"),
                        Step("total"), DecayCurve.OneMinusSquareRoot),
                _ => null,
            };
            if (schedule is null)
                continue;
            int step = 0;
            foreach (var rate in item.GetProperty("lr").EnumerateArray())
                Assert.Equal(rate.GetDouble(), schedule.At(step++), 1e-15);
            compared++;
        }

        Assert.Equal(3, compared);
    }

    [Fact]
    public void A_constant_rate_is_constant() => Assert.Equal(0.25, LearningRateSchedule.Constant(0.25).At(12345));

    [Fact]
    public void Warm_up_alone_and_no_warm_up_have_no_division_by_zero()
    {
        Assert.Equal(0.1, LearningRateSchedule.WarmupCosine(1, 0.1, 5, 5).At(5));
        Assert.Equal(1, LearningRateSchedule.WarmupCosine(1, 0.1, 0, 5).At(0));
        Assert.Equal(0, LearningRateSchedule.WarmupStableDecay(1, 0, 0, 5, 5).At(5));
    }
}
