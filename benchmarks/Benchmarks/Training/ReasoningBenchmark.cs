using System.Diagnostics;
using System.Globalization;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.Samples.ReasoningWithGrpo;

namespace Kotonoha.Benchmarks.Training;

/// <summary>
/// <c>reasoning [--steps N] [--grpo N] [--held-out N] [--seed N] [--seeds N]</c>: the sample ReasoningWithGrpo on more held-out problems
/// and with several seeds, each of which draws other problems and other weights. Exact accuracy with 95% intervals, per seed and together.
/// Without GRPO (0) only rejection sampling and distillation are measured.
/// </summary>
internal static class ReasoningBenchmark
{
    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "steps", "grpo", "held-out", "seed", "seeds");
        int Number(string name, int otherwise)
            => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        int steps = Number("steps", 400), practice = Number("grpo", 60), heldOut = Number("held-out", 1000);
        int first = Number("seed", 1), last = first + Number("seeds", 3) - 1;
        Console.WriteLine($"Machine: {Machine.Describe()}; seeds {first} to {last}, {steps} steps, {practice} of GRPO");
        var together = new Dictionary<string, Outcome>();
        for (int seed = first; seed <= last; seed++)
        {
            var clock = Stopwatch.StartNew();
            var reasoning = new Reasoning(heldOut, seed);
            if (practice > 0)
                await reasoning.RunAsync(steps, practice, Report);
            await reasoning.SampleAsync(steps, Report);

            void Report(string name, Outcome outcome)
            {
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"seed {seed}  {name,-18} {outcome}  ({clock.Elapsed.TotalSeconds:F0} s)"));
                var before = together.GetValueOrDefault(name) ?? new Outcome(0, 0, 0);
                together[name] = new Outcome(before.Right + outcome.Right, before.InSteps + outcome.InSteps, before.Of + outcome.Of);
            }
        }

        foreach (var (name, outcome) in together)
            Console.WriteLine($"all     {name,-18} {outcome}");
        Gain("after a round of rejection sampling over before", "few, and sampled", "few worked steps");
        Gain("a student that a larger model taught over one that learned the few", "student, taught", "student, few");
        if (practice == 0)
            return 0;
        var steppedOverDirect = Gain("worked steps over results alone", "worked steps", "results alone");
        var afterOverBefore = Gain("after GRPO over before", "both, after GRPO", "both, before GRPO");
        return steppedOverDirect >= 20 && afterOverBefore >= 5 ? 0 : 1;

        // In points; the interval is Newcombe's.
        double Gain(string title, string name, string than)
        {
            Outcome a = together[name], b = together[than];
            double points = 100.0 * a.Right / a.Of - 100.0 * b.Right / b.Of;
            var interval = Statistics.ProportionDifference(a.Right, a.Of, b.Right, b.Of);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{title}: {points:+0.0;-0.0} points ({100 * interval.Low:F1} to {100 * interval.High:F1})"));
            return points;
        }
    }
}
