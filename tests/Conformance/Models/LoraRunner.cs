using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>PEFT adapters of causal models: logits with the adapter active and merged, and the merged weights.</summary>
internal sealed class LoraRunner : FixtureRunner
{
    private const string ExpectedFile = "expected.json";
    private const string MergedPrefix = "merged.";
    private const double Tolerance = 1e-3;
    private const double WeightTolerance = 1e-5;
    private const double RecordedFactor = 20;

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var file in Directory.EnumerateFiles(root, LoraAdapter.ConfigFileName, SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal))
        {
            var expected = Path.Combine(Path.GetDirectoryName(file)!, ExpectedFile);
            if (!File.Exists(expected))
                continue;
            using var json = JsonDocument.Parse(File.ReadAllBytes(expected));
            if (json.RootElement.TryGetProperty("base", out _))
                yield return Path.GetRelativePath(root, Path.GetDirectoryName(file)!).Replace('\\', '/');
        }
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, ExpectedFile)));
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        var model = Path.Combine(folder, "..", json.RootElement.GetProperty("base").GetString()!);
        var recorded = json.RootElement.GetProperty("max_abs_diff_f32_vs_f64");
        double logitTolerance = Math.Max(Tolerance, RecordedFactor * recorded.GetProperty("logits").GetDouble());
        double weightTolerance = Math.Max(WeightTolerance, RecordedFactor * recorded.GetProperty("merged_weights").GetDouble());
        using var session = ComputingDevice.Inference();

        using var merged = ModelCheckpoint.Load(model, folder);
        foreach (var tensor in tensors.Tensors)
            if (tensor.Name.StartsWith(MergedPrefix, StringComparison.Ordinal))
                log.Case(tensor.Name,
                    () => merged.Parameters.FirstOrDefault(p => p.Name == tensor.Name[MergedPrefix.Length..]) is { } parameter
                    ? CaseLog.Compare(parameter.Values, tensors.ReadFloats(tensor.Name), weightTolerance, 0)
                    : "the model has no such weight");
        log.Case("logits merged", () => Logits(merged));

        using var active = ModelCheckpoint.Load(model, folder, merge: false);
        log.Case("logits active", () => Logits(active));

        string? Logits(CausalModel loaded)
        {
            var pass = session.Begin();
            var batch = Batch.Packed(tensors.Ids("input_ids"), checked((int)tensors["input_ids"].Shape[1]));
            return CaseLog.Compare(pass.Read(loaded.Logits(pass, loaded.Forward(pass, batch))), tensors.ReadFloats("logits"),
                logitTolerance, 0);
        }
    }
}
