using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.Conformance.Training;

/// <summary>Training adapters over fixed weights (LoRA, rsLoRA, DoRA), merging them, and reading back what was saved.</summary>
internal sealed class LoraTrainingRunner : FixtureRunner
{
    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "adapter_config.json", SearchOption.AllDirectories)
            .Where(f => File.Exists(Path.Combine(Path.GetDirectoryName(f)!, "run.json")))
            .Select(f => Path.GetRelativePath(root, Path.GetDirectoryName(f)!).Replace('\\', '/')).Order(StringComparer.Ordinal);

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "run.json")));
        var run = json.RootElement;
        var home = Path.Combine(folder, "..", "..", run.GetProperty("base").GetString()!);
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var batches = SafetensorsFile.Open(Path.Combine(home, "batches.safetensors"));
        using var model = ModelCheckpoint.Load(home);
        model.ContinueLora(folder);
        using var data = TokenDataset.FromTokens(new int[256], model.VocabularySize, 0);
        using var task = new LanguageModeling(model, data);
        using var session = ComputingDevice.Training(task.Trained);
        var engine = new TrainingEngine(session, new TrainingOptions
        {
            MaxGradientNorm = run.GetProperty("clip").GetDouble(),
            Optimizer = new AdamWOptions
            {
                Beta1 = run.GetProperty("betas")[0].GetDouble(),
                Beta2 = run.GetProperty("betas")[1].GetDouble(),
                Epsilon = run.GetProperty("eps").GetDouble(),
                WeightDecay = run.GetProperty("weight_decay").GetDouble(),
            },
        });
        var shape = batches["input_ids"].Shape;
        int micros = checked((int)shape[1]), rows = checked((int)shape[2]), length = checked((int)shape[3]), size = rows * length;
        int[] ids = batches.Ids("input_ids"), labels = batches.Ids("labels");
        double gradientTolerance = run.GetProperty("kind").GetString() == "rslora" ? 1e-4 : 1e-5;
        log.Case("logits_adapter", () => Logits(model, expected, length, session));
        for (int step = 0; step < run.GetProperty("steps").GetInt32(); step++)
        {
            int at = step, first = step * micros * size;
            task.BeginStep(step, session, default);
            engine.Begin(step);
            var batch = Batch.Packed(ids.AsSpan(first, size), length);
            double loss = engine.Accumulate(0, TokenLoss.Of(model, batch, Models.LossCheck.Shifted(labels.AsSpan(first, size), length)), 1);
            log.Case($"step {at + 1} loss", () => FixtureTensors.Close(loss, run.GetProperty("loss")[at].GetDouble(), 2e-5, 0));
            if (step == 0)
                foreach (var parameter in task.Trained)
                    log.Case($"grad {parameter.Name}", () =>
                    {
                        var gradient = new float[parameter.Length];
                        session.ReadGradient(parameter, gradient);
                        return CaseLog.Compare(gradient, expected.ReadFloats("grad." + parameter.Name), gradientTolerance, 1e-4);
                    });
            double norm = engine.Update(run.GetProperty("lr").GetDouble());
            log.Case($"step {at + 1} grad_norm", () => FixtureTensors.Close(norm, run.GetProperty("grad_norm")[at].GetDouble(), 0, 1e-4));
        }

        session.Download();
        foreach (var parameter in task.Trained)
            log.Case($"final {parameter.Name}",
                () => CaseLog.Compare(parameter.Values, expected.ReadFloats("final." + parameter.Name), 1e-4, 0));
        log.Case("saved and read", () => Saved(model, home));
        model.MergeLora();
        foreach (var tensor in expected.Tensors.Where(t => t.Name.StartsWith("merged.", StringComparison.Ordinal)))
            log.Case(tensor.Name, () =>
            {
                var parameter = model.Parameters.Single(p => tensor.Name["merged.".Length..] == p.Name);
                return CaseLog.Compare(parameter.Values, expected.ReadFloats(tensor.Name), 1e-4, 0);
            });
    }

    private static string? Logits(CausalModel model, SafetensorsFile expected, int length, TrainingSession session)
    {
        var pass = session.Evaluation.Begin();
        var logits = model.Logits(pass, model.Forward(pass, Batch.Packed(expected.Ids("input_ids"), length)));
        return CaseLog.Compare(pass.Read(logits), expected.ReadFloats("logits_adapter"), 1e-4, 0);
    }

    // The saved adapter, merged into a fresh base, gives what the trained one gives.
    private static string? Saved(CausalModel model, string home)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"kotonoha-conformance-{Guid.NewGuid():N}");
        try
        {
            model.SaveLora(folder);
            using var merged = ModelCheckpoint.Load(home, folder);
            using var session = ComputingDevice.Inference();
            Lora.Refresh(model, session);
            var batch = Batch.Packed([5, 6, 7, 8, 9, 10]);
            float[] ours = Run(model), theirs = Run(merged);
            return CaseLog.Compare(ours, theirs, 1e-4, 0);

            float[] Run(CausalModel one)
            {
                var pass = session.Begin();
                return pass.Read(one.Logits(pass, one.Forward(pass, batch))).ToArray();
            }
        }
        finally
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
    }
}

/// <summary>Reward models: scores, losses with margin and centring, three steps.</summary>
internal sealed class RewardTrainingRunner : FixtureRunner
{
    private const int PaddingId = 1;

    public override IEnumerable<string> Discover(string root)
        => FixtureTensors.ModelFolders(root, "llama").Where(f => File.Exists(Path.Combine(root, f, "run.json"))
            && File.Exists(Path.Combine(root, f, "batch.safetensors")));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        var (body, score) = ModelCheckpoint.LoadScored(folder);
        using var model = new RewardModel(body, score);
        using var file = SafetensorsFile.Open(Path.Combine(folder, "batch.safetensors"));
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "run.json")));
        int[] ids = file.Ids("input_ids"), last = json.RootElement.GetProperty("last_token_index").Ids();
        int rows = last.Length, length = ids.Length / rows;
        var batch = new Batch();
        for (int r = 0; r < rows; r++)
            batch.Append(ids.AsSpan(r * length, last[r] + 1));
        var margin = file.ReadFloats("margin");
        using (var session = ComputingDevice.Inference())
        {
            var pass = session.Begin();
            var scores = pass.Read(model.Scores(pass, batch)).ToArray();
            log.Case("rewards", () => CaseLog.Compare(scores, file.ReadFloats("rewards"), 1e-4, 0));
            log.Case("loss_with_margin", () => Value(p => RewardModeling.Loss(p, model.Scores(p, batch), margin, 0), "loss_with_margin"));
            log.Case("loss_with_center_0_01",
                () => Value(p => RewardModeling.Loss(p, model.Scores(p, batch), null, 0.01f), "loss_with_center_0_01"));

            string? Value(Func<Pass, Tensor> loss, string name)
            {
                var p = session.Begin();
                return FixtureTensors.Close(p.ReadScalar(loss(p)), json.RootElement.GetProperty(name).GetDouble(), 2e-5, 0);
            }
        }

        new StepChecker(folder, log).Run(model.Parameters, _ => pass => RewardModeling.Loss(pass, model.Scores(pass, batch), null, 0),
            PaddingId);
    }
}
