using System.Globalization;
using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Benchmarks.Training;

/// <summary>
/// <c>scaling FILE [--seed N] [--budget N]</c>: GPTs of several widths on several amounts of a text by bytes, the fit of L(N, D), the
/// prediction of a run that is larger than all of them, and the compute-optimal size.
/// </summary>
internal static class ScalingBenchmark
{
    private const double Bar = 0.03;
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length == 0 || !File.Exists(args[0]))
        {
            Console.WriteLine("skipped: data not found (give a text file, for example tinyshakespeare's input.txt)");
            return 0;
        }

        var given = Arguments.Parse(args[1..], "seed", "budget");
        int budget = int.Parse(given.GetValueOrDefault("budget", "1600"), CultureInfo.InvariantCulture);
        var options = new ScalingSweepOptions
        {
            Steps = [budget / 8, budget / 4, budget / 2, budget],
            HeldOutSteps = budget * 3 / 2,
            Seed = ulong.Parse(given.GetValueOrDefault("seed", "1"), CultureInfo.InvariantCulture),
        };
        Console.WriteLine($"Machine: {Machine.Describe()}; seed {options.Seed}");
        using var data = TokenDataset.FromBytes(await File.ReadAllBytesAsync(args[0]));
        var runs = new List<ScalingRun>();
        foreach (var (width, steps) in options.Plan)
        {
            var run = await ScalingSweep.RunAsync(data, width, steps, options);
            runs.Add(run);
            Say(Invariant, $"  {run.Parameters,9:N0} parameters, {run.Tokens,11:N0} tokens: loss {run.Loss:F4}");
        }

        var study = ScalingStudy.Of(runs[..^1], runs[^1]);
        var (law, heldOut) = (study.Law, study.HeldOut);
        var interval = study.Predicted(heldOut.Parameters, heldOut.Tokens);
        Say(Invariant, $"L(N, D) = {law.Irreducible:F3} + {law.ParameterFactor:G4}/N^{law.ParameterExponent:F3} + "
            + $"{law.TokenFactor:G4}/D^{law.TokenExponent:F3}");
        Say(Invariant, $"held-out run: predicted {study.Prediction:F4} ({interval.Low:F4}–{interval.High:F4}), measured {heldOut.Loss:F4}: "
            + $"{100 * study.Error:+0.0;-0.0}%");
        double flops = 6 * heldOut.Parameters * heldOut.Tokens;
        var (size, tokens) = law.Optimal(flops);
        Say(Invariant,
            $"of {flops:E1} FLOPs the best use is {size:N0} parameters on {tokens:N0} tokens (predicted {law.Predict(size, tokens):F4})");
        return Math.Abs(study.Error) <= Bar ? 0 : 1;
    }

    private static void Say(
        IFormatProvider culture, [InterpolatedStringHandlerArgument(nameof(culture))] ref DefaultInterpolatedStringHandler text)
        => Console.WriteLine(string.Create(culture, ref text));
}
