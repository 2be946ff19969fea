using System.Text.Json;
using Kotonoha.Conformance.Models;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.Conformance.Training;

/// <summary>
/// Training runs of causal models step by step: losses, gradient norms, gradients, weights, optimiser state, packed sequences.
/// </summary>
internal sealed class CausalTrainingRunner : FixtureRunner
{
    private const string RunsFile = "runs.json";
    private const string ZeroGradients = "tensors_with_a_gradient_that_is_zero_in_exact_arithmetic";

    // The README: about ten times the recorded rounding, and never better than these.
    private const double RecordedFactor = 10;
    private const double LossTolerance = 1e-5;
    private const double NormTolerance = 1e-5;
    private const double WeightTolerance = 5e-5;
    private const double PackedTolerance = 1e-4;
    private static readonly string[] ModelTypes = ["gpt2", "llama"];

    public override IEnumerable<string> Discover(string root)
        => ModelTypes.SelectMany(type => FixtureTensors.ModelFolders(root, type)).Where(f => File.Exists(Path.Combine(root, f, RunsFile)));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, RunsFile)));
        foreach (var run in json.RootElement.GetProperty("runs").EnumerateArray())
            Replay(folder, run, log);
        if (File.Exists(Path.Combine(folder, "packed.safetensors")))
            Packed(folder, log);
    }

    private static void Replay(string folder, JsonElement run, CaseLog log)
    {
        var name = run.GetProperty("name").GetString()!;
        if (run.GetProperty("optimizer").GetString() != "AdamW")
        {
            log.Skip(name, $"the optimiser '{run.GetProperty("optimizer").GetString()}' is not supported yet");
            return;
        }

        var rates = run.GetProperty("lr").Numbers();
        log.Case($"{name} schedule", () => Schedule(run, rates));
        using var batches = SafetensorsFile.Open(Path.Combine(folder, "batches.safetensors"));
        var weighting = run.GetProperty("accumulation").GetString() switch
        {
            "mean_of_means" => GradientAccumulation.MeanOfMeans,
            "token_weighted" => GradientAccumulation.TokenWeighted,
            var other => throw new InvalidDataException($"unknown accumulation '{other}'"),
        };
        var options = new TrainingOptions
        {
            Steps = rates.Length,
            Accumulation = weighting,
            LabelSmoothing = run.GetProperty("label_smoothing").GetDouble(),
            MaxGradientNorm = run.GetProperty("clip") is { ValueKind: JsonValueKind.Number } clip ? clip.GetDouble() : null,
            Optimizer = new AdamWOptions
            {
                Beta1 = run.GetProperty("betas")[0].GetDouble(),
                Beta2 = run.GetProperty("betas")[1].GetDouble(),
                Epsilon = run.GetProperty("eps").GetDouble(),
                WeightDecay = run.GetProperty("weight_decay").GetDouble(),
            },
        };

        using var model = ModelCheckpoint.Load(folder);
        using var session = ComputingDevice.Training(model.Parameters);
        var engine = new TrainingEngine(session, options);
        Steps(folder, name, run, batches, options, model, engine, 0, log);

        var state = Path.Combine(folder, "optimizer.step5.safetensors");
        var weights = Path.Combine(folder, $"{name}.weights.step5.safetensors");
        if (!File.Exists(state) || !File.Exists(weights))
            return;
        using var resumedModel = ModelCheckpoint.Load(folder);
        using var stored = SafetensorsFile.Open(weights);
        foreach (var parameter in resumedModel.Parameters)
            stored.Read(parameter.Name, parameter.Values);
        using var resumedSession = ComputingDevice.Training(resumedModel.Parameters);
        var resumedEngine = new TrainingEngine(resumedSession, options);
        using (var moments = SafetensorsFile.Open(state))
            resumedEngine.Optimizer.Load(moments);
        Steps(folder, $"{name} resumed", run, batches, options, resumedModel, resumedEngine, 5, log);
    }

    private static void Steps(
        string folder, string name, JsonElement run, SafetensorsFile batches, TrainingOptions options, CausalModel model,
        TrainingEngine engine, int first, CaseLog log)
    {
        var shape = batches["input_ids"].Shape;
        int micros = checked((int)shape[1]), rows = checked((int)shape[2]), length = checked((int)shape[3]), size = rows * length;
        int[] ids = batches.Ids("input_ids"), labels = batches.Ids("labels");
        var rates = run.GetProperty("lr").Numbers();
        bool original = first == 0;
        var recorded = run.GetProperty("max_abs_diff_f32_vs_f64");
        double lossTolerance = Math.Max(LossTolerance, RecordedFactor * recorded.GetProperty("loss").GetDouble());
        double normTolerance = Math.Max(NormTolerance, RecordedFactor * recorded.GetProperty("grad_norm_rel").GetDouble());
        for (int step = first; step < rates.Length; step++)
        {
            int at = step;
            var targets = new int[micros][];
            for (int m = 0; m < micros; m++)
                targets[m] = LossCheck.Shifted(labels.AsSpan((step * micros + m) * size, size), length);
            engine.Begin(step);
            double objective = 0;
            for (int m = 0; m < micros; m++)
            {
                int micro = m;
                double weight = TrainingEngine.WeightOf(options.Accumulation, [.. targets.Select(row => TokenLoss.Counted(row))], m);
                var batch = Batch.Packed(ids.AsSpan((step * micros + m) * size, size), length);
                double loss = engine.Accumulate(m, TokenLoss.Of(model, batch, targets[micro], options.LabelSmoothing), weight);
                objective += weight * loss;
                log.Case($"{name} step {at + 1} micro_losses {micro}",
                    () => FixtureTensors.Close(loss, run.GetProperty("micro_losses")[at][micro].GetDouble(), lossTolerance, 0));
                if (original && step == 0 && m == 0)
                    CompareGradients(folder, name, run, "micro1.", model, engine, log);
            }

            log.Case($"{name} step {at + 1} loss",
                () => FixtureTensors.Close(objective, run.GetProperty("loss")[at].GetDouble(), lossTolerance, 0));
            log.Case($"{name} step {at + 1} loss_float64",
                () => FixtureTensors.Close(objective, run.GetProperty("loss_float64")[at].GetDouble(), lossTolerance, 0));
            if (original && step == 0)
                CompareGradients(folder, name, run, "step1.", model, engine, log);
            double norm = engine.Update(rates[step]);
            log.Case($"{name} step {at + 1} grad_norm",
                () => FixtureTensors.Close(norm, run.GetProperty("grad_norm")[at].GetDouble(), 0, normTolerance));
            log.Case($"{name} step {at + 1} grad_norm_float64",
                () => FixtureTensors.Close(norm, run.GetProperty("grad_norm_float64")[at].GetDouble(), 0, normTolerance));
            engine.Session.Download();
            if (run.GetProperty("snapshots").Ids().Contains(step + 1))
                CompareWeights(folder, name, run, step + 1, model, log);
            if (original && File.Exists(Path.Combine(folder, $"optimizer.step{step + 1}.safetensors"))
                && File.Exists(Path.Combine(folder, $"{name}.weights.step{step + 1}.safetensors"))
                && run.GetProperty("schedule").GetProperty("kind").GetString() == "cosine")
                CompareMoments(folder, name, run, step + 1, model, engine, log);
        }
    }

    private static string? Schedule(JsonElement run, double[] rates)
    {
        var settings = run.GetProperty("schedule");
        double Number(string name) => settings.GetProperty(name).GetDouble();
        long Step(string name) => settings.GetProperty(name).GetInt64();
        var schedule = settings.GetProperty("kind").GetString() switch
        {
            "constant" => LearningRateSchedule.Constant(rates[0]),
            "cosine" => LearningRateSchedule.WarmupCosine(Number("peak"), Number("min"), Step("warmup"), Step("total")),
            "wsd" => LearningRateSchedule.WarmupStableDecay(
                Number("peak"), Number("min"), Step("warmup"), Step("decay_start"), Step("total"),
                settings.GetProperty("decay").GetString() == "linear" ? DecayCurve.Linear : DecayCurve.OneMinusSquareRoot),
            var other => throw new InvalidDataException($"unknown schedule '{other}'"),
        };
        for (int i = 0; i < rates.Length; i++)
            if (FixtureTensors.Close(schedule.At(i), rates[i], 1e-12, 0) is { } difference)
                return $"step {i + 1}: {difference}";
        return null;
    }

    // Gradients were recorded for the first run of the file that starts from the initial weights without smoothing and with means of means:
    // "cosine".
    private static void CompareGradients(
        string folder, string name, JsonElement run, string prefix, CausalModel model, TrainingEngine engine, CaseLog log)
    {
        var file = Path.Combine(folder, "grads.safetensors");
        if (!File.Exists(file) || run.GetProperty("schedule").GetProperty("kind").GetString() != "cosine")
            return;
        using var expected = SafetensorsFile.Open(file);
        foreach (var parameter in model.Parameters)
            log.Case($"{name} {prefix}{parameter.Name}",
                () =>
                {
                    var gradient = new float[parameter.Length];
                    engine.Session.ReadGradient(parameter, gradient);
                    return CaseLog.Compare(gradient, expected.ReadFloats(prefix + parameter.Name), 2e-6, 1e-4);
                });
        log.Case($"{name} {prefix} names",
            () => expected.Tensors.Count(t => t.Name.StartsWith(prefix, StringComparison.Ordinal)) == model.Parameters.Count
                ? null
                : "other tensors than the model's");
    }

    private static void CompareWeights(string folder, string name, JsonElement run, int step, CausalModel model, CaseLog log)
    {
        var file = Path.Combine(folder, $"{run.GetProperty("name").GetString()}.weights.step{step}.safetensors");
        using var expected = SafetensorsFile.Open(file);
        var recorded = run.GetProperty("max_abs_diff_f32_vs_f64").GetProperty("weights").GetProperty($"{step}");
        foreach (var parameter in model.Parameters)
            log.Case($"{name} weights.step{step} {parameter.Name}", () =>
            {
                float[] got = parameter.Values.ToArray(), want = expected.ReadFloats(parameter.Name);
                LeaveOutZeroGradients(run, parameter, model.Width, got, want);
                double rounding = recorded.TryGetProperty(parameter.Name, out var value) ? RecordedFactor * value.GetDouble() : 0;
                return CaseLog.Compare(got, want, Math.Max(WeightTolerance, rounding), 0);
            });
    }

    private static void CompareMoments(
        string folder, string name, JsonElement run, int step, CausalModel model, TrainingEngine engine, CaseLog log)
    {
        var saved = Path.Combine(Path.GetTempPath(), $"kotonoha-conformance-{Guid.NewGuid():N}.safetensors");
        var writer = new SafetensorsWriter();
        engine.Optimizer.Save(writer);
        writer.Save(saved);
        try
        {
            using var got = SafetensorsFile.Open(saved);
            using var want = SafetensorsFile.Open(Path.Combine(folder, $"optimizer.step{step}.safetensors"));
            log.Case($"{name} optimizer.step{step} names",
                () => got.Tensors.Select(t => t.Name + t.ShapeText).Order(StringComparer.Ordinal)
                    .SequenceEqual(want.Tensors.Select(t => t.Name + t.ShapeText).Order(StringComparer.Ordinal))
                    ? null
                    : "other names or shapes");
            foreach (var tensor in want.Tensors)
                log.Case($"{name} optimizer.step{step} {tensor.Name}", () =>
                {
                    float[] ours = got.ReadFloats(tensor.Name), theirs = want.ReadFloats(tensor.Name);
                    return CaseLog.Compare(ours, theirs, tensor.Name.StartsWith("exp_avg_sq.", StringComparison.Ordinal) ? 1e-7 : 2e-6,
                        1e-4);
                });
        }
        finally
        {
            File.Delete(saved);
        }
    }

    // The key bias: Adam divides rounding noise by rounding noise there.
    private static void LeaveOutZeroGradients(JsonElement run, Parameter parameter, int width, float[] got, float[] want)
    {
        if (!run.GetProperty(ZeroGradients).TryGetProperty(parameter.Name, out var elements))
            return;
        if (elements.GetString()!.Contains("[hidden, 2*hidden)", StringComparison.Ordinal))
            got.AsSpan(width, width).CopyTo(want.AsSpan(width));
        else
            got.CopyTo(want, 0);
    }

    private static void Packed(string folder, CaseLog log)
    {
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "packed.safetensors"));
        using var model = ModelCheckpoint.Load(folder);
        int[] ids = expected.Ids("input_ids"), segments = expected.Ids("segment_ids"), labels = expected.Ids("labels");
        var packed = new Batch();
        for (int start = 0, end; start < ids.Length; start = end)
        {
            end = start + 1;
            while (end < ids.Length && segments[end] == segments[start])
                end++;
            packed.Append(ids.AsSpan(start, end - start));
        }

        log.Case("packed position_ids",
            () => expected.Ids("position_ids").AsSpan().SequenceEqual(packed.Positions) ? null : "positions differ");
        using var session = ComputingDevice.Training(model.Parameters);
        var pass = session.Begin(0);
        var logits = model.Logits(pass, model.Forward(pass, packed));
        var values = pass.Read(logits).ToArray();
        log.Case("packed logits", () => CaseLog.Compare(values, expected.ReadFloats("logits"), PackedTolerance, 0));
        var targets = LossCheck.Shifted(labels, labels.Length);
        log.Case("packed token_losses", () => Losses(pass, logits, "token_losses"));

        // One sequence without borders is what a leaking implementation computes: it must be told apart.
        using var leakingSession = ComputingDevice.Training(model.Parameters);
        var leaking = leakingSession.Begin(0);
        var leakingLogits = model.Logits(leaking, model.Forward(leaking, Batch.Packed(ids)));
        log.Case("packed token_losses_without_block_mask", () => Losses(leaking, leakingLogits, "token_losses_without_block_mask"));
        log.Case("packed borders matter", () => Losses(leaking, leakingLogits, "token_losses") is null ? "sequences see each other" : null);

        string? Losses(Pass within, Tensor of, string name)
        {
            var losses = within.Read(within.CrossEntropy(of, targets, new CrossEntropyOptions { Reduction = Reduction.None }));
            return CaseLog.Compare(losses[..^1], expected.ReadFloats(name), PackedTolerance, 0);
        }
    }
}
