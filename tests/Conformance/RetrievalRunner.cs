using System.Text.Json;
using Kotonoha.Rag.Evaluation;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Conformance;

/// <summary>Retrieval: rankings and their measures, fusion, maximal marginal relevance, BM25. Each kind is known by its fields.</summary>
internal sealed class RetrievalRunner : FixtureRunner
{
    private delegate void Check(JsonElement fixture, string name, CaseLog log);

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var path in Directory.EnumerateFiles(root, "*.jsonl", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            if (KindOf(path) is not null)
                yield return Path.GetRelativePath(root, path).Replace('\\', '/');
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var path = Path.Combine(root, family);
        var check = KindOf(path)!;
        int line = 0;
        foreach (var text in File.ReadLines(path))
        {
            line++;
            if (text.Trim().Length == 0)
                continue;
            using var json = JsonDocument.Parse(text);
            var name = json.RootElement.TryGetProperty("name", out var given) ? given.GetString()! : $"line {line}";
            check(json.RootElement, name, log);
        }
    }

    private static Check? KindOf(string path)
    {
        JsonDocument? json = null;
        try
        {
            var first = File.ReadLines(path).FirstOrDefault(line => line.Trim().Length > 0);
            if (first is null)
                return null;
            json = JsonDocument.Parse(first);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                return null;
            bool Has(params string[] fields) => fields.All(field => json.RootElement.TryGetProperty(field, out _));
            return Has("qrels", "run", "expected") ? CheckMetrics
                : Has("lists", "rrf_60", "dbsf") ? CheckFusion
                : Has("vectors", "query", "lambda", "selected") ? CheckMmr
                : Has("documents", "queries", "k1", "b", "idf") ? CheckBm25
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
        finally
        {
            json?.Dispose();
        }
    }

    private static void CheckMetrics(JsonElement fixture, string name, CaseLog log)
    {
        var expected = fixture.GetProperty("expected");
        var sums = new Dictionary<string, double>();
        foreach (var query in expected.EnumerateObject())
        {
            var judgements = fixture.GetProperty("qrels").GetProperty(query.Name).EnumerateObject()
                .ToDictionary(p => p.Name, p => p.Value.GetInt32());
            var ranking =
                RetrievalMetrics.Order(fixture.GetProperty("run").GetProperty(query.Name).EnumerateObject()
                    .ToDictionary(p => p.Name, p => p.Value.GetDouble()));
            foreach (var value in query.Value.EnumerateObject())
            {
                if (value.Name == "order")
                {
                    log.Case($"{name}/{query.Name}/order", () => Same(ranking, value.Value));
                    continue;
                }

                double got = Measure(value.Name, ranking, judgements);
                sums[value.Name] = sums.GetValueOrDefault(value.Name) + got;
                log.Case($"{name}/{query.Name}/{value.Name}", () => Near(got, value.Value.GetDouble(), 1e-4));
            }
        }

        int queries = expected.EnumerateObject().Count();
        foreach (var value in fixture.GetProperty("mean").EnumerateObject())
            log.Case($"{name}/mean/{value.Name}", () => Near(sums[value.Name] / queries, value.Value.GetDouble(), 1e-4));
    }

    private static double Measure(string measure, IReadOnlyList<string> ranking, Dictionary<string, int> judgements)
    {
        var parts = measure.Split('@');
        int? depth = parts.Length > 1 ? int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture) : null;
        return parts[0] switch
        {
            "map" => RetrievalMetrics.AveragePrecision(ranking, judgements, depth),
            "recip_rank" or "mrr" => RetrievalMetrics.ReciprocalRank(ranking, judgements, depth),
            "ndcg" => RetrievalMetrics.Ndcg(ranking, judgements, depth),
            "recall" => RetrievalMetrics.Recall(ranking, judgements, depth),
            "precision" => RetrievalMetrics.Precision(ranking, judgements, depth!.Value),
            "success" => RetrievalMetrics.Success(ranking, judgements, depth),
            _ => throw new NotSupportedException($"the measure '{measure}' is not known"),
        };
    }

    private static void CheckFusion(JsonElement fixture, string name, CaseLog log)
    {
        RankedItem[][] lists =
            [.. fixture.GetProperty("lists").EnumerateArray().Select(list => list.EnumerateArray().Select(Item).ToArray())];
        double[] weights = fixture.TryGetProperty("weights", out var given)
            ? [.. given.EnumerateArray().Select(weight => weight.GetDouble())]
            : [];
        Compare("rrf_60", Fusion.ReciprocalRank(lists));
        Compare("rrf_2_zero_based", Fusion.ReciprocalRank(lists, k: 1));
        if (weights.Length > 0)
            Compare("rrf_60_weighted", Fusion.ReciprocalRank(lists, weights));
        Compare("dbsf", Fusion.DistributionBased(lists));

        static RankedItem Item(JsonElement pair) => new(pair[0].GetString()!, pair[1].GetDouble());

        void Compare(string field, List<RankedItem> got) => log.Case($"{name}/{field}", () =>
        {
            var want = fixture.GetProperty(field).EnumerateArray().Select(Item).ToArray();
            if (got.Count != want.Length)
                return $"{got.Count} entries instead of {want.Length}";
            for (int i = 0; i < want.Length; i++)
                if (got[i].Id != want[i].Id || Near(got[i].Score, want[i].Score, 1e-6) is not null)
                    return $"entry {i} is {got[i]}, expected {want[i]}";
            return null;
        });
    }

    private static void CheckMmr(JsonElement fixture, string name, CaseLog log) => log.Case(name, () =>
    {
        float[][] vectors = [.. fixture.GetProperty("vectors").EnumerateArray().Select(Vector)];
        var got =
            MaximalMarginalRelevance.Select(Vector(fixture.GetProperty("query")), vectors, fixture.GetProperty("lambda").GetDouble(),
                fixture.GetProperty("k").GetInt32());
        int[] selected = [.. fixture.GetProperty("selected").EnumerateArray().Select(index => index.GetInt32())];
        if (!got.Select(pick => pick.Index).SequenceEqual(selected))
            return $"picked [{string.Join(", ", got.Select(pick => pick.Index))}], expected [{string.Join(", ", selected)}]";
        double[] scores = [.. fixture.GetProperty("scores").EnumerateArray().Select(score => score.GetDouble())];
        // The vectors are single precision here.
        return scores.Select((score, i) => Near(got[i].Score, score, 1e-4)).FirstOrDefault(difference => difference is not null);

        static float[] Vector(JsonElement values) => [.. values.EnumerateArray().Select(value => value.GetSingle())];
    });

    private static void CheckBm25(JsonElement fixture, string name, CaseLog log)
    {
        var weights = new Bm25(fixture.GetProperty("k1").GetSingle(), fixture.GetProperty("b").GetSingle());
        TermVector[] documents = [.. fixture.GetProperty("documents").EnumerateArray().Select(Terms)];
        double average = documents.Average(document => document.Length);
        log.Case($"{name}/average_length", () => Near(average, fixture.GetProperty("average_length").GetDouble(), 1e-6));
        var index = new EmbeddedIndex(0, average, weights: weights);
        for (int i = 0; i < documents.Length; i++)
        {
            index.AddDocument(new DocumentRecord($"{i}", "", "", 1, documents[i].Length, null, 0, []));
            index.AddChunk($"{i}", $"{i}", documents[i], default, i);
        }

        foreach (var idf in fixture.GetProperty("idf").EnumerateObject())
        {
            uint term = TermVector.FromTerms([idf.Name]).Indices[0];
            log.Case($"{name}/idf/{idf.Name}",
                () => Near(Bm25.Idf(documents.Length, documents.Count(document => document.Indices.Contains(term))), idf.Value.GetDouble(),
                    1e-4));
        }

        int query = 0;
        foreach (var terms in fixture.GetProperty("queries").EnumerateArray())
        {
            var scores = index.SearchSparse(Terms(terms), documents.Length, null).ToDictionary(entry => entry.Id, entry => entry.Score);
            foreach (var (field, factor) in new[] { ("scores_with_k1_plus_1", 1.0), ("scores", weights.K1 + 1.0) })
            {
                var want = fixture.GetProperty(field)[query];
                log.Case($"{name}/{field}/{query}", () => Enumerable.Range(0, documents.Length)
                    .Select(i => Near(scores.GetValueOrDefault($"{i}") / factor, want[i].GetDouble(), 1e-4) is { } difference
                        ? $"document {i}: {difference}"
                        : null)
                    .FirstOrDefault(difference => difference is not null));
            }

            query++;
        }

        static TermVector Terms(JsonElement words) => TermVector.FromTerms(words.EnumerateArray().Select(word => word.GetString()!));
    }

    private static string? Same(IReadOnlyList<string> got, JsonElement want)
        => got.SequenceEqual(want.EnumerateArray().Select(id => id.GetString()!)) ? null : $"[{string.Join(", ", got)}], expected {want}";

    private static string? Near(double got, double want, double tolerance)
        => Math.Abs(got - want) <= tolerance * Math.Max(1, Math.Abs(want))
            ? null
            : FormattableString.Invariant($"{got:R}, expected {want:R}");
}
