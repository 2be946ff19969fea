using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Conformance.Models;

/// <summary>
/// A published sentence embedder (NAME.json and NAME.safetensors for the folder NAME among the models): token ids and vectors.
/// </summary>
/// <param name="models">The folder of the models.</param>
internal sealed class RealEmbedderRunner(string models) : FixtureRunner
{
    private const double LeastCosine = 0.9999;

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var file in Directory.EnumerateFiles(root, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var tensors = Path.ChangeExtension(file, ".safetensors");
            if (!File.Exists(tensors))
                continue;
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("texts", out _)
                || !json.RootElement.TryGetProperty("input_ids", out _))
                continue;
            using var expected = SafetensorsFile.Open(tensors);
            if (expected.TryGet("embeddings", out _))
                yield return Path.GetRelativePath(root, file).Replace('\\', '/');
        }
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        var folder = Path.Combine(models, Path.GetFileNameWithoutExtension(file));
        if (!Directory.Exists(folder))
        {
            log.Skip(family, "model not found");
            return;
        }

        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        using var tensors = SafetensorsFile.Open(Path.ChangeExtension(file, ".safetensors"));
        using var encoder = LocalEncoder.Load(folder, new LocalEncoderOptions { Device = ComputingDevice.Current });
        string[] texts = [.. json.RootElement.GetProperty("texts").EnumerateArray().Select(t => t.GetString()!)];
        int[][] ids = [.. json.RootElement.GetProperty("input_ids").EnumerateArray().Select(e => e.Ids())];
        for (int i = 0; i < texts.Length; i++)
            log.Case($"ids of text {i}",
                () => encoder.Encode(texts[i]).Ids.AsSpan().SequenceEqual(ids[i])
                    ? null
                    : $"[{string.Join(", ", encoder.Encode(texts[i]).Ids)}] instead of [{string.Join(", ", ids[i])}]");
        if (json.RootElement.TryGetProperty("max_seq_length", out var maximum))
            log.Case("max_seq_length", () => encoder.MaximumTokens == maximum.GetInt32() ? null : $"{encoder.MaximumTokens} tokens");
        var vectors = encoder.EmbedAsync(texts).GetAwaiter().GetResult().Vectors;
        SentenceEmbedderRunner.CompareVectors(log, "embeddings", vectors, tensors.ReadFloats("embeddings"), double.PositiveInfinity,
            LeastCosine);
        if (!ComputingDevice.IsCpu)
            return;
        log.Case("each text alone has the same bits", () =>
        {
            for (int i = 0; i < texts.Length; i++)
                if (!encoder.EmbedAsync([texts[i]]).GetAwaiter().GetResult().Vectors[0].AsSpan().SequenceEqual(vectors[i]))
                    return $"text {i} differs";
            return null;
        });
    }
}
