using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Conformance.Models;

/// <summary>Folders of sentence-transformers: token ids after truncation, vectors under every prompt, their cosines.</summary>
internal sealed class SentenceEmbedderRunner : FixtureRunner
{
    private const double Tolerance = 1e-4;
    private const double LeastCosine = 0.99999;

    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "modules.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(f => Path.GetDirectoryName(f)!)
            .Where(f => File.Exists(Path.Combine(f, "expected.json")) && File.Exists(Path.Combine(f, "expected.safetensors")))
            .Select(f => Path.GetRelativePath(root, f).Replace('\\', '/'));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json")));
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var encoder = LocalEncoder.Load(folder, new LocalEncoderOptions { Device = ComputingDevice.Current });
        log.Pass(); // it could be loaded
        string[] texts = [.. json.RootElement.GetProperty("texts").EnumerateArray().Select(t => t.GetString()!)];
        foreach (var expected in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            var promptName = expected.GetProperty("prompt_name").GetString();
            var name = promptName ?? "(no prompt)";
            int[][] ids = [.. expected.GetProperty("input_ids").EnumerateArray().Select(e => e.Ids())];
            for (int i = 0; i < texts.Length; i++)
                log.Case($"{name}: ids of text {i}",
                    () => encoder.Encode(texts[i], promptName).Ids.AsSpan().SequenceEqual(ids[i])
                        ? null
                        : $"[{string.Join(", ", encoder.Encode(texts[i], promptName).Ids)}] instead of [{string.Join(", ", ids[i])}]");
            var vectors = encoder.EmbedAsync(texts, new EncodingOptions { PromptName = promptName }).GetAwaiter().GetResult().Vectors;
            var want = tensors.ReadFloats(expected.GetProperty("embeddings").GetString()!);
            CompareVectors(log, name, vectors, want, Tolerance, LeastCosine);
            var cosines = vectors.SelectMany(a => vectors.Select(b => (float)Cosine(a, b))).ToArray();
            log.Case($"{name}: cosines",
                () => CaseLog.Compare(cosines, tensors.ReadFloats(expected.GetProperty("cosine").GetString()!), Tolerance, 0));
            if (!ComputingDevice.IsCpu)
                continue;
            log.Case($"{name}: a text alone has the same bits",
                () => texts.Index().FirstOrDefault(t => !Alone(t.Item).AsSpan().SequenceEqual(vectors[t.Index])).Item is { } other
                    ? $"'{other}' differs"
                    : null);

            float[] Alone(string text)
                => encoder.EmbedAsync([text], new EncodingOptions { PromptName = promptName }).GetAwaiter().GetResult().Vectors[0];
        }
    }

    /// <summary>Logs a case for each vector: components within a tolerance, and the cosine.</summary>
    public static void CompareVectors(
        CaseLog log, string name, IReadOnlyList<float[]> vectors, float[] want, double tolerance, double leastCosine)
    {
        int width = want.Length / vectors.Count;
        for (int i = 0; i < vectors.Count; i++)
        {
            var expected = want.AsSpan(i * width, width).ToArray();
            log.Case($"{name}: vector {i}", () =>
            {
                if (CaseLog.Compare(vectors[i], expected, tolerance, 0) is { } difference)
                    return difference;
                double cosine = Cosine(vectors[i], expected);
                return cosine >= leastCosine ? null : FormattableString.Invariant($"cosine {cosine:R}");
            });
        }
    }

    private static double Cosine(float[] a, float[] b)
    {
        double product = 0, left = 0, right = 0;
        for (int i = 0; i < a.Length; i++)
            (product, left, right) = (product + (double)a[i] * b[i], left + (double)a[i] * a[i], right + (double)b[i] * b[i]);
        return product / Math.Sqrt(left * right);
    }
}
