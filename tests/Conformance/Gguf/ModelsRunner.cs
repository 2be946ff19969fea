using System.Text.Json;
using Kotonoha.Conformance.Models;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.Conformance.Gguf;

/// <summary>
/// Whole tiny models in GGUF files: logits and greedy output with the weights as stored (mapped; activations exact) and raised to single
/// precision; files of single precision also give everything that the same model's folder does.
/// </summary>
internal sealed class ModelsRunner : FixtureRunner
{
    private const string ListFile = "models.json";
    private const double Tolerance = 2e-3;
    private const double EmbeddingTolerance = 1e-4;
    private static readonly ICausalModelCheck[] Checks = [new LogitsCheck(), new SequenceLogProbabilityCheck(), new GenerationCheck()];

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var file in Directory.EnumerateFiles(root, ListFile, SearchOption.AllDirectories))
            if (Directory.EnumerateFiles(Path.GetDirectoryName(file)!, "*.gguf").Any())
                yield return Path.GetRelativePath(root, file).Replace('\\', '/');
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var list = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(list));
        foreach (var item in json.RootElement.EnumerateObject())
        {
            var path = Path.Combine(Path.GetDirectoryName(list)!, item.Name + ".gguf");
            var like = item.Value.TryGetProperty("equals_model", out var equal) && equal.ValueKind == JsonValueKind.String
                ? Path.Combine(root, "models", equal.GetString()!)
                : null;
            if (item.Value.GetProperty("architecture").GetString() == "bert")
            {
                log.Case(item.Name, () => Embeddings(path, like!));
                log.Case($"{item.Name} as an encoder", () => EncoderEmbeddings(path, like!));
            }
            else
                foreach (var precision in Enum.GetValues<WeightPrecision>())
                    Causal(item.Name, item.Value, path, like, precision, log);
        }
    }

    private static void Causal(string name, JsonElement expected, string path, string? like, WeightPrecision precision, CaseLog log)
    {
        CausalModel? model = null;
        log.Case($"{name} {precision} is loaded", () =>
        {
            using var file = GgufFile.Open(path);
            model = GgufCheckpoint.Load(file, precision);
            return model.Parameters.All(p => p.Shape.Length == 1 || p.IsMapped == (precision == WeightPrecision.AsStored))
                ? null
                : "weights are mapped that should not be, or the other way round";
        });
        if (model is null)
            return;
        using (model)
        using (var session = ComputingDevice.Inference())
        {
            var own = Path.ChangeExtension(path, ".expected.safetensors");
            if (!File.Exists(own))
            {
                using var all = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(like!, "expected.json")));
                using var tensors = SafetensorsFile.Open(Path.Combine(like!, "expected.safetensors"));
                var whole = new CausalModelFixture(like!, model, session, tensors, all.RootElement);
                foreach (var check in Checks)
                    check.Run(whole, log);
                if (precision == WeightPrecision.Single)
                    new WeakestTensorCheck().Run(whole, log);
                return;
            }

            using var logits = SafetensorsFile.Open(own);
            var fixture = new CausalModelFixture(path, model, session, logits, expected);
            int length = checked((int)logits["input_ids"].Shape[1]);
            var ids = logits.Ids("input_ids");
            log.Case($"{name} {precision} logits",
                () => CaseLog.Compare(fixture.Forward(Batch.Packed(ids, length)).Logits, logits.ReadFloats("logits"), Tolerance, 0));
            log.Case($"{name} {precision} logits of one token after another", () =>
            {
                using var cache = session.CreateCache(model.CacheShape, length);
                using var sequence = cache.NewSequence(length);
                var got = new List<float>();
                for (int i = 0; i < length; i++)
                {
                    var pass = session.Begin();
                    var batch = new Batch();
                    batch.Append(ids.AsSpan(i, 1), sequence);
                    got.AddRange(pass.Read(model.Logits(pass, model.Forward(pass, batch))).ToArray());
                }

                return CaseLog.Compare([.. got], logits.ReadFloats("logits").AsSpan(0, got.Count), Tolerance, 0);
            });
            if (!expected.TryGetProperty("greedy", out var greedy))
                return;
            int number = 0;
            foreach (var entry in greedy.EnumerateArray())
                log.Case($"{name} {precision} greedy {number++}", () =>
                {
                    int[] want = entry.GetProperty("new_ids").Ids(),
                        got = GenerationCheck.Greedy(fixture, entry.GetProperty("prompt").Ids(), want.Length);
                    return got.AsSpan().SequenceEqual(want) ? null : $"[{string.Join(' ', got)}], expected [{string.Join(' ', want)}]";
                });
        }
    }

    // The same through the loaded encoder, whose tokenizer and pooling come from the file.
    private static string? EncoderEmbeddings(string path, string like)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(like, "expected.json")));
        using var tensors = SafetensorsFile.Open(Path.Combine(like, "expected.safetensors"));
        using var encoder =
            LocalEncoder.Load(path, new LocalEncoderOptions
            {
                MaximumTokens = json.RootElement.GetProperty("max_seq_length").GetInt32(),
                Device = ComputingDevice.Current,
            });
        var vectors = encoder.EmbedAsync([.. json.RootElement.GetProperty("texts").EnumerateArray().Select(t => t.GetString()!)])
            .GetAwaiter().GetResult().Vectors;
        return CaseLog.Compare([.. vectors.SelectMany(v => v)],
            tensors.ReadFloats(json.RootElement.GetProperty("cases")[0].GetProperty("embeddings").GetString()!), EmbeddingTolerance, 0);
    }

    // Mean of the last hidden states, divided by its length; token ids by the folder's own tokenizer.
    private static string? Embeddings(string path, string like)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(like, "expected.json")));
        using var tensors = SafetensorsFile.Open(Path.Combine(like, "expected.safetensors"));
        using var settings = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(like, "sentence_bert_config.json")));
        int longest = settings.RootElement.GetProperty("max_seq_length").GetInt32();
        var tokenizer = Tokenizer.Load(Path.Combine(like, "tokenizer.json"));
        using var file = GgufFile.Open(path);
        using var model = GgufCheckpoint.LoadEncoder(file);
        using var session = ComputingDevice.Inference();
        var got = new List<float>();
        foreach (var text in json.RootElement.GetProperty("texts").EnumerateArray())
        {
            var pass = session.Begin();
            int[] ids = tokenizer.Encode(text.GetString()!, addSpecialTokens: true);
            var batch = Batch.Packed(ids.Length <= longest ? ids : [.. ids[..(longest - 1)], ids[^1]]);
            got.AddRange(pass.Read(pass.L2Normalize(pass.Pool(model.Forward(pass, batch), batch, Pooling.Mean))).ToArray());
        }

        return CaseLog.Compare([.. got],
            tensors.ReadFloats(tensors.Tensors.First(t => t.Name.StartsWith("embeddings", StringComparison.Ordinal)).Name),
            EmbeddingTolerance, 0);
    }
}
