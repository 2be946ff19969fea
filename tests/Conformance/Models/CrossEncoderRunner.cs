using System.Text.Json;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Conformance.Models;

/// <summary>Cross-encoders: ids and types of pairs after truncation, scores raw and as returned, the ranking of documents.</summary>
internal sealed class CrossEncoderRunner : FixtureRunner
{
    private const double Tolerance = 1e-3;

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var file in Directory.EnumerateFiles(root, "expected.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            if (json.RootElement.TryGetProperty("pairs", out var pairs) && pairs.ValueKind == JsonValueKind.Array
                && pairs[0].TryGetProperty("score_sigmoid", out _))
                yield return Path.GetRelativePath(root, Path.GetDirectoryName(file)!).Replace('\\', '/');
        }
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json")));
        var expected = json.RootElement;
        using var encoder =
            LocalEncoder.Load(folder, new LocalEncoderOptions
            {
                MaximumTokens = expected.GetProperty("max_length").GetInt32(),
                Device = ComputingDevice.Current,
            });
        log.Pass(); // it could be loaded
        int number = 0;
        foreach (var item in expected.GetProperty("pairs").EnumerateArray())
        {
            string first = item.GetProperty("pair")[0].GetString()!, second = item.GetProperty("pair")[1].GetString()!;
            var name = $"pair {number++}";
            var input = encoder.EncodePair(first, second);
            log.Case($"{name}: ids",
                () => input.Ids.AsSpan().SequenceEqual(item.GetProperty("input_ids").Ids()) ? null : $"[{string.Join(", ", input.Ids)}]");
            log.Case($"{name}: types",
                () => input.TypeIds.AsSpan().SequenceEqual(item.GetProperty("token_type_ids").Ids())
                    ? null
                    : $"[{string.Join(", ", input.TypeIds)}]");
            log.Case($"{name}: raw score",
                () => FixtureTensors.Close(Score(first, second, raw: true), item.GetProperty("score").GetDouble(), Tolerance, 0));
            log.Case($"{name}: score",
                () => FixtureTensors.Close(Score(first, second, raw: false), item.GetProperty("predict_default").GetDouble(), Tolerance,
                    0));
            log.Case($"{name}: sigmoid",
                () => FixtureTensors.Close(1 / (1 + Math.Exp(-Score(first, second, raw: true))),
                    item.GetProperty("score_sigmoid").GetDouble(), Tolerance, 0));
        }

        if (expected.TryGetProperty("rank", out var rank))
            log.Case("rank", () => Rank(rank));

        float Score(string first, string second, bool raw) => encoder.RerankAsync(first, [second], raw).GetAwaiter().GetResult().Scores[0];

        string? Rank(JsonElement rank)
        {
            string[] documents = [.. rank.GetProperty("documents").EnumerateArray().Select(d => d.GetString()!)];
            var scores = encoder.RerankAsync(rank.GetProperty("query").GetString()!, documents).GetAwaiter().GetResult().Scores;
            var order = Enumerable.Range(0, documents.Length).OrderByDescending(i => scores[i]).ToArray();
            int place = 0;
            foreach (var want in rank.GetProperty("ranking").EnumerateArray())
            {
                int document = order[place++];
                if (document != want.GetProperty("corpus_id").GetInt32())
                    return $"place {place} is document {document}, expected {want.GetProperty("corpus_id").GetInt32()}";
                if (FixtureTensors.Close(scores[document], want.GetProperty("score").GetDouble(), Tolerance, 0) is { } difference)
                    return $"document {document}: {difference}";
            }

            return place == documents.Length ? null : $"{place} places instead of {documents.Length}";
        }
    }
}
