using System.Globalization;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Benchmarks.Training;

/// <summary>
/// <c>scaling FILE [--seed N] [--budget N]</c>: GPTs of several widths on several amounts of a text by bytes, the fit of L(N, D), the
/// prediction of a run that is larger than all of them, and the compute-optimal size.
/// </summary>
internal static class ScalingBenchmark
{
    private const int Context = 64, Batch = 16;

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length == 0 || !File.Exists(args[0]))
        {
            Console.WriteLine("skipped: data not found (give a text file, for example tinyshakespeare's input.txt)");
            return 0;
        }

        var options = Arguments.Parse(args[1..], "seed", "budget");
        ulong seed = ulong.Parse(options.GetValueOrDefault("seed", "1"), CultureInfo.InvariantCulture);
        int budget = int.Parse(options.GetValueOrDefault("budget", "1600"), CultureInfo.InvariantCulture);
        Console.WriteLine($"Machine: {Machine.Describe()}; seed {seed}");
        using var data = TokenDataset.FromBytes(await File.ReadAllBytesAsync(args[0]));
        var runs = new List<ScalingRun>();
        foreach (int width in (int[])[16, 32, 48, 64, 96])
            foreach (int steps in (int[])[budget / 8, budget / 4, budget / 2, budget])
                runs.Add(await RunAsync(data, width, steps, seed));

        // The largest model with the most steps takes no part in the fit.
        var heldOut = await RunAsync(data, 128, budget * 3 / 2, seed);
        var law = ScalingLaw.Fit(runs);
        double predicted = law.Predict(heldOut.Parameters, heldOut.Tokens), error = predicted / heldOut.Loss - 1;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"L(N, D) = {law.Irreducible:F3} + {law.ParameterFactor:G4}/N^{law.ParameterExponent:F3} + "
                + $"{law.TokenFactor:G4}/D^{law.TokenExponent:F3}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"held-out run: predicted {predicted:F4}, measured {heldOut.Loss:F4}: {100 * error:+0.0;-0.0}%"));
        double flops = 6 * heldOut.Parameters * heldOut.Tokens;
        var (size, tokens) = law.Optimal(flops);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"of {flops:E1} FLOPs the best use is {size:N0} parameters on {tokens:N0} tokens (predicted {law.Predict(size, tokens):F4})"));
        return Math.Abs(error) <= 0.03 ? 0 : 1;
    }

    // Parameters without the tables of tokens and positions, as in the papers.
    private static async Task<ScalingRun> RunAsync(TokenDataset data, int width, int steps, ulong seed)
    {
        using var model = Gpt2.Create(
            new Gpt2Config { VocabularySize = 256, ContextLength = Context, Width = width, Layers = 3, Heads = width / 16 }, seed);
        var result = await new Trainer(model, new TrainingOptions
        {
            Steps = steps,
            BatchSize = Batch,
            LearningRate = DepthDial.LearningRate(width),
            EvaluateEvery = steps,
            Seed = seed,
        }).RunAsync(data);
        long tables = (256L + Context) * width;
        var run = new ScalingRun(model.ParameterCount - tables, (double)steps * Batch * Context, result.ValidationLoss!.Value);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {run.Parameters,9:N0} parameters, {run.Tokens,11:N0} tokens: loss {run.Loss:F4} ({result.Duration.TotalSeconds:F0} s)"));
        return run;
    }
}
