using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Conformance.Models;

/// <summary>
/// Tiny causal checkpoints: loading, logits, hidden states, losses, log-probabilities, and what <see cref="ICausalModelCheck"/>s add.
/// </summary>
internal sealed class CausalModelsRunner : FixtureRunner
{
    private const string ExpectedFile = "expected.json";
    private static readonly string[] ModelTypes = ["gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2", "gemma3_text"];

    // What expected.json says about how it was made, or what tells how sharp the fixture is: nothing to compare.
    private static readonly string[] Informative =
        ["seed", "model", "transformers", "torch", "max_abs_diff_f32_vs_f64", "logit_std", "beam_penalty_matters", "same_as", "note",
            "shards"];

    private static readonly ICausalModelCheck[] Checks =
    [
        new LogitsCheck(),
        new LossCheck(),
        new SequenceLogProbabilityCheck(),
        new WeakestTensorCheck(),
        new GenerationCheck(),
    ];

    public override IEnumerable<string> Discover(string root)
        => ModelTypes.SelectMany(type => FixtureTensors.ModelFolders(root, type))
            .Where(f => File.Exists(Path.Combine(root, f, ExpectedFile)));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        var expectations = folder;
        using var own = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, ExpectedFile)));
        if (own.RootElement.TryGetProperty("same_as", out var other))
            expectations = Path.Combine(folder, "..", other.GetString()!);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(expectations, ExpectedFile)));
        using var tensors = SafetensorsFile.Open(Path.Combine(expectations, "expected.safetensors"));
        using var model = ModelCheckpoint.Load(folder);
        log.Pass(); // it could be loaded
        using var session = ComputingDevice.Inference();
        var fixture = new CausalModelFixture(folder, model, session, tensors, json.RootElement);
        var handled = new HashSet<string>(Informative, StringComparer.Ordinal);
        foreach (var check in Checks)
        {
            check.Run(fixture, log);
            handled.UnionWith(check.Fields);
        }

        // Half precision as it is stored, which is how the engine keeps it.
        using var stored = ModelCheckpoint.Load(folder, WeightPrecision.AsStored);
        if (stored.Parameters.Any(p => p.IsMapped))
            foreach (ICausalModelCheck check
                in (ICausalModelCheck[])[new LogitsCheck(), new SequenceLogProbabilityCheck(), new GenerationCheck()])
                check.Run(fixture with { Model = stored }, log);
        foreach (var field in json.RootElement.EnumerateObject())
            if (!handled.Contains(field.Name))
                log.Skip(field.Name, $"'{field.Name}' is not checked yet");
        foreach (var tensor in tensors.Tensors)
            if (!handled.Contains(tensor.Name))
                log.Skip(tensor.Name, $"'{tensor.Name}' is not checked yet");
    }
}
