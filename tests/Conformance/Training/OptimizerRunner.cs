using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Conformance.Training;

/// <summary>Optimisers step by step, gradient clipping, learning-rate schedules.</summary>
internal sealed class OptimizerRunner : FixtureRunner
{
    private const double Tolerance = 1e-5;
    private const double MuonTolerance = 1e-4;

    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "cases.json", SearchOption.AllDirectories)
            .Where(f => File.Exists(Path.Combine(Path.GetDirectoryName(f)!, "schedules.json")))
            .Select(f => Path.GetRelativePath(root, Path.GetDirectoryName(f)!).Replace('\\', '/')).Order(StringComparer.Ordinal);

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "cases.json")));
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "tensors.safetensors"));
        int steps = json.RootElement.GetProperty("steps").GetInt32();
        int[][] shapes = [.. json.RootElement.GetProperty("shapes").EnumerateArray().Select(s => s.Ids())];
        var cases = json.RootElement.GetProperty("cases").EnumerateArray().ToArray();
        foreach (var one in cases)
            Replay(one, cases, tensors, shapes, steps, log);
        int number = 0;
        foreach (var clip in json.RootElement.GetProperty("clip").EnumerateArray())
            Clip(clip, number++, tensors, shapes, log);
        foreach (var tensor in tensors.Tensors.Where(t => t.Name.StartsWith("newton_schulz.in.", StringComparison.Ordinal)))
            log.Case(tensor.Name, () =>
            {
                using var session = ComputingDevice.Inference();
                var values = tensors.ReadFloats(tensor.Name);
                MuonOptions.Orthogonalize(values, checked((int)tensor.Shape[0]), checked((int)tensor.Shape[1]), session);
                return CaseLog.Compare(
                    values, tensors.ReadFloats(tensor.Name.Replace(".in.", ".out.", StringComparison.Ordinal)), MuonTolerance, 0);
            });
        using var schedules = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "schedules.json")));
        foreach (var schedule in schedules.RootElement.EnumerateArray())
            log.Case($"schedule {schedule.GetProperty("kind").GetString()}", () => Schedule(schedule));
    }

    private static void Replay(JsonElement one, JsonElement[] cases, SafetensorsFile tensors, int[][] shapes, int steps, CaseLog log)
    {
        var name = one.GetProperty("name").GetString()!;
        double? average = null;
        var rule = one;
        if (one.GetProperty("kind").GetString() == "EMA")
        {
            average = one.GetProperty("decay").GetDouble();
            rule = cases.Single(c => c.GetProperty("name").GetString() == one.GetProperty("of").GetString());
        }

        int[] numbers = one.GetProperty("params").Ids();
        Parameter[] parameters = [.. numbers.Select(i => new Parameter($"param.{i}.weight", shapes[i]))];
        for (int p = 0; p < parameters.Length; p++)
            tensors.Read($"param.{numbers[p]}", parameters[p].Values);
        using var session = ComputingDevice.Training(parameters);
        var options = new TrainingOptions { Optimizer = Options(rule), MaxGradientNorm = null, AverageDecay = average };
        var engine = new TrainingEngine(session, options);

        // The fixture decays vectors too.
        if (engine.Optimizer is HostOptimizer host && rule.TryGetProperty("weight_decay", out var decay))
            host.DecayOf = _ => decay.GetDouble();
        double rate = rule.GetProperty("lr").GetDouble();
        for (int step = 1; step <= steps; step++)
        {
            int at = step;
            session.ZeroGradients();
            for (int p = 0; p < parameters.Length; p++)
                Feed(session, parameters[p], tensors.ReadFloats($"grad.{at}.{numbers[p]}"), p);

            if (engine.Optimizer is AdamW)
                StepAll(rate, session, options, step);
            else
                engine.Update(rate);
            engine.UseAverage();
            session.Download();
            for (int p = 0; p < parameters.Length; p++)
            {
                int index = p;
                log.Case($"{name} step {at} {numbers[p]}", () => CaseLog.Compare(
                    parameters[index].Values, tensors.ReadFloats($"{name}.{at}.{numbers[index]}"),
                    rule.GetProperty("kind").GetString() == "Muon" ? MuonTolerance : Tolerance, 0));
            }

            engine.UseTrained();
        }
    }

    // AdamW on the device leaves vectors out of the decay; here each parameter gets it.
    private static void StepAll(double rate, TrainingSession session, TrainingOptions options, int step)
    {
        var settings = (AdamWOptions)options.Optimizer;
        for (int i = 0; i < session.Parameters.Count; i++)
            session.Update(i, settings.Factors(step, rate, settings.WeightDecay, 1));
    }

    private static OptimizerOptions Options(JsonElement one)
    {
        double Number(string name, double otherwise) => one.TryGetProperty(name, out var value) ? value.GetDouble() : otherwise;
        bool Flag(string name) => one.TryGetProperty(name, out var value) && value.GetBoolean();
        double Beta(int i) => one.GetProperty("betas")[i].GetDouble();
        double decay = Number("weight_decay", 0);
        return one.GetProperty("kind").GetString() switch
        {
            "SGD" => new SgdOptions
            {
                Momentum = Number("momentum", 0),
                Dampening = Number("dampening", 0),
                Nesterov = Flag("nesterov"),
                WeightDecay = decay,
            },
            "AdamW" when !Flag("amsgrad") => new AdamWOptions
            {
                Beta1 = Beta(0),
                Beta2 = Beta(1),
                Epsilon = Number("eps", 1e-8),
                WeightDecay = decay,
            },
            "Adam" or "AdamW" => new AdamOptions
            {
                Beta1 = Beta(0),
                Beta2 = Beta(1),
                Epsilon = Number("eps", 1e-8),
                WeightDecay = decay,
                Amsgrad = Flag("amsgrad"),
                Decoupled = one.GetProperty("kind").GetString() == "AdamW",
            },
            "Adagrad" => new AdagradOptions { Epsilon = Number("eps", 1e-10), WeightDecay = decay },
            "RMSprop" => new RmsPropOptions
            {
                Alpha = Number("alpha", 0.99),
                Epsilon = Number("eps", 1e-8),
                Momentum = Number("momentum", 0),
                WeightDecay = decay,
            },
            "Lion" => new LionOptions { Beta1 = Beta(0), Beta2 = Beta(1), WeightDecay = decay },
            "Muon" => new MuonOptions
            {
                Momentum = Number("momentum", 0.95),
                Nesterov = Flag("nesterov"),
                MatchAdamW = one.GetProperty("adjust_lr_fn").GetString() == "match_rms_adamw",
                WeightDecay = decay,
            },
            var other => throw new InvalidDataException($"unknown optimiser '{other}'"),
        };
    }

    // With a plain gradient step at rate 1 from zero the weights are the clipped gradients, negated.
    private static void Clip(JsonElement clip, int number, SafetensorsFile tensors, int[][] shapes, CaseLog log)
    {
        var kind = clip.GetProperty("norm_type");
        Parameter[] parameters = [.. shapes.Select((shape, i) => new Parameter($"param.{i}.weight", shape))];
        using var session = ComputingDevice.Training(parameters);
        var engine = new TrainingEngine(session, new TrainingOptions
        {
            Optimizer = new SgdOptions { Momentum = 0 },
            MaxGradientNorm = clip.GetProperty("max_norm").GetDouble(),
            GradientNorm = kind.ValueKind == JsonValueKind.String ? GradientNorm.Maximum
                : kind.GetDouble() == 1 ? GradientNorm.Sum : GradientNorm.Euclidean,
        });
        for (int i = 0; i < parameters.Length; i++)
            Feed(session, parameters[i], tensors.ReadFloats($"grad.1.{i}"), i);
        double total = engine.Update(1);
        session.Download();
        log.Case($"clip {number} total_norm",
            () => FixtureTensors.Close(total, clip.GetProperty("total_norm").GetDouble(), 0, Tolerance));
        for (int i = 0; i < parameters.Length; i++)
        {
            int index = i;
            log.Case($"clip.{number}.{i}", () => CaseLog.Compare(
                [.. parameters[index].Values.ToArray().Select(w => -w)], tensors.ReadFloats($"clip.{number}.{index}"), Tolerance,
                Tolerance));
        }
    }

    // The derivative of Σ g · w is g.
    private static void Feed(TrainingSession session, Parameter parameter, float[] gradient, int micro)
    {
        var pass = session.Begin(0, micro);
        var weights = pass.FromParameter(parameter);
        session.Backward(pass.Sum(pass.Multiply(weights, pass.Constant(gradient, weights.Rows, weights.Columns))));
    }

    private static string? Schedule(JsonElement settings)
    {
        double Number(string name) => settings.GetProperty(name).GetDouble();
        long Whole(string name) => settings.GetProperty(name).GetInt64();
        var kind = settings.GetProperty("kind").GetString()!;
        double[] rates = settings.GetProperty("lr").Numbers();
        LearningRateSchedule schedule = kind switch
        {
            "nanogpt-cosine" => LearningRateSchedule.WarmupCosine(Number("peak"), Number("min"), Whole("warmup"), Whole("total")),
            "wsd-linear" or "wsd-1-sqrt" => LearningRateSchedule.WarmupStableDecay(
                Number("peak"), Number("min"), Whole("warmup"), Whole("decay_start"), Whole("total"),
                kind == "wsd-linear" ? DecayCurve.Linear : DecayCurve.OneMinusSquareRoot),
            "noam" => LearningRateSchedule.InverseSquareRoot(
                Number("factor") / Math.Sqrt(Number("d_model") * Number("warmup")), Whole("warmup")),
            "hf-polynomial-2" => Transformers(TransformersSchedule.Polynomial) with { Power = 2, Minimum = 1e-4 },
            "hf-cosine-restarts-2" => Transformers(TransformersSchedule.CosineWithRestarts) with { Cycles = 2 },
            "hf-cosine-min-0.1" => Transformers(TransformersSchedule.Cosine) with { Minimum = 0.1 * Number("peak") },
            "hf-constant-warmup" => Transformers(TransformersSchedule.Constant),
            "hf-linear" => Transformers(TransformersSchedule.Linear),
            "hf-cosine" => Transformers(TransformersSchedule.Cosine),
            "hf-inverse-sqrt" => Transformers(TransformersSchedule.InverseSquareRoot),
            _ => throw new InvalidDataException($"unknown schedule '{kind}'"),
        };
        for (int i = 0; i < rates.Length; i++)
            if (FixtureTensors.Close(schedule.At(i), rates[i], 1e-12, 1e-9) is { } difference)
                return $"step {i}: {difference}";

        return null;

        TransformersLearningRate Transformers(TransformersSchedule curve) => new(curve, Number("peak"), Whole("warmup"), Whole("total"));
    }
}
