using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha scaling</c>: how the loss falls with size and data, from a sweep of small runs.</summary>
internal static class ScalingCommand
{
    private const string RunsFile = "runs.jsonl", PageFile = "scaling.html";
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public static Command Create()
    {
        var defaults = new ScalingSweepOptions();
        var data = new Option<string>("--data") { Description = "The text: a file.", HelpName = "FILE", Required = true };
        var output = new Option<string>("--out")
        {
            Description = "The folder for the runs (an interrupted sweep goes on from them) and the plot.",
            HelpName = "DIR",
            Required = true,
        };
        var widths = new Option<int[]>("--width")
        {
            Description = $"The widths of the models, multiples of 16 (default {string.Join(", ", defaults.Widths)}).",
            HelpName = "N",
            AllowMultipleArgumentsPerToken = true,
        };
        var steps = new Option<int[]>("--steps")
        {
            Description = $"The steps of the runs (default {string.Join(", ", defaults.Steps)}).",
            HelpName = "N",
            AllowMultipleArgumentsPerToken = true,
        };
        var heldOutWidth = Number("--held-out-width", "The width of the run that is predicted.", defaults.HeldOutWidth);
        var heldOutSteps = Number("--held-out-steps", "The steps of the run that is predicted.", defaults.HeldOutSteps);
        var flops = new Option<double?>("--flops")
        {
            Description = "Say which size and how many tokens are best for this many floating-point operations (default: those of the "
                + "predicted run).",
            HelpName = "C",
        };
        var seed = Number("--seed", "What all random numbers come from.", 1);
        var command = new Command("scaling", "Train GPTs of several sizes on several amounts of a text, fit L(N, D) = E + A/N^α + B/D^β, "
            + "predict a larger run, and say which size is best for a compute.");
        foreach (var option in (Option[])[data, output, widths, steps, heldOutWidth, heldOutSteps, flops, seed])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var file = parsed.GetRequiredValue(data);
            if (!File.Exists(file))
                throw new UsageException($"--data '{file}': there is no such file");
            if (parsed.GetValue(flops) is { } compute && !(compute > 0 && double.IsFinite(compute)))
                throw new UsageException(string.Create(Invariant, $"--flops {compute}: a number above 0"));
            var options = new ScalingSweepOptions
            {
                Widths = parsed.GetValue(widths) is { Length: > 0 } w ? w : defaults.Widths,
                Steps = parsed.GetValue(steps) is { Length: > 0 } s ? s : defaults.Steps,
                HeldOutWidth = parsed.GetValue(heldOutWidth),
                HeldOutSteps = parsed.GetValue(heldOutSteps),
                Seed = (ulong)Math.Max(0, parsed.GetValue(seed)),
                Device = ComputeDevice.Current,
            };
            try
            {
                options.Validate();
            }
            catch (ArgumentException exception)
            {
                throw new UsageException(exception.Message);
            }

            var folder = parsed.GetRequiredValue(output);
            Directory.CreateDirectory(folder);
            using var text = TokenDataset.FromBytes(await File.ReadAllBytesAsync(file, cancellationToken));
            var runs = await ProgressDisplay.RunAsync(
                progress => RunAllAsync(text, options, Path.Combine(folder, RunsFile), progress, cancellationToken));
            Tell(ScalingStudy.Of(runs[..^1], runs[^1]), parsed.GetValue(flops), Path.Combine(folder, PageFile));
            return 0;
        });
        return command;
    }

    private static async Task<ScalingRun[]> RunAllAsync(
        TokenDataset text, ScalingSweepOptions options, string file, IProgress<ProgressReport> progress,
            CancellationToken cancellationToken)
    {
        var done = Known(file);
        var runs = new List<ScalingRun>();
        var plan = options.Plan.ToArray();
        foreach (var (width, steps) in plan)
        {
            progress.Report(new ProgressReport("runs", runs.Count, plan.Length, $"width {width}, {steps} steps"));
            var key = new SweepKey(width, steps, options.Seed, text.Train.Count);
            if (!done.TryGetValue(key, out var run))
            {
                run = await Task.Run(() => ScalingSweep.RunAsync(text, width, steps, options, cancellationToken), cancellationToken);
                await File.AppendAllTextAsync(file, JsonSerializer.Serialize(new SweepLine(key, run)) + "\n", cancellationToken);
                await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                    $"{runs.Count + 1}/{plan.Length}: {run.Parameters:N0} parameters, {run.Tokens:N0} tokens: loss {run.Loss:F4}"));
            }

            runs.Add(run);
        }

        return [.. runs];
    }

    private static Dictionary<SweepKey, ScalingRun> Known(string file)
    {
        var known = new Dictionary<SweepKey, ScalingRun>();
        foreach (var line in File.Exists(file) ? File.ReadLines(file) : [])
        {
            try
            {
                if (JsonSerializer.Deserialize<SweepLine>(line) is { } written)
                    known[written.Key] = written.Run;
            }
            catch (JsonException)
            {
                // A line that was being written when the process ended.
            }
        }

        return known;
    }

    private static void Tell(ScalingStudy study, double? flops, string page)
    {
        var law = study.Law;
        Say(Invariant, $"L(N, D) = {law.Irreducible:F3} + {law.ParameterFactor:G4} / N^{law.ParameterExponent:F3} + "
            + $"{law.TokenFactor:G4} / D^{law.TokenExponent:F3}   (N parameters without tables, D bytes, nats a byte)");
        var interval = study.Predicted(study.HeldOut.Parameters, study.HeldOut.Tokens);
        Say(Invariant, $"A run that took no part, {study.HeldOut.Parameters:N0} parameters on {study.HeldOut.Tokens:N0} bytes: predicted "
            + $"{study.Prediction:F4} ({interval.Low:F4}–{interval.High:F4}), measured {study.HeldOut.Loss:F4}: "
            + $"{100 * study.Error:+0.0;-0.0}%");
        double compute = flops ?? 6 * study.HeldOut.Parameters * study.HeldOut.Tokens;
        var (size, tokens) = law.Optimal(compute);
        Say(Invariant, $"For {compute:E1} floating-point operations {size:N0} parameters on {tokens:N0} bytes are best (predicted "
            + $"{law.Predict(size, tokens):F4}).");
        AtomicFile.WriteText(page, ScalingPage.Write(study));
        Say(Invariant, $"Plot: {page}");
    }

    private static void Say(
        IFormatProvider culture, [InterpolatedStringHandlerArgument(nameof(culture))] ref DefaultInterpolatedStringHandler text)
        => Console.WriteLine(string.Create(culture, ref text));

    private static Option<int> Number(string name, string description, int standard)
        => new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => standard };

    private sealed record SweepKey(int Width, int Steps, ulong Seed, long Bytes);

    private sealed record SweepLine(SweepKey Key, ScalingRun Run);
}
