using System.Text.Json;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>
/// Greedy decoding with and without an end token, each prompt alone and all in one batch, and beam search: through the engine that serves
/// requests.
/// </summary>
internal sealed class GenerationCheck : ICausalModelCheck
{
    private const double ScoreTolerance = 1e-3;

    public IEnumerable<string> Fields => ["greedy", "greedy_eos", "beam"];

    public void Run(CausalModelFixture fixture, CaseLog log)
    {
        foreach (var name in (string[])["greedy", "greedy_eos"])
            if (fixture.Expected.TryGetProperty(name, out var expected))
                Greedy(fixture, name, expected, log);
        if (fixture.Expected.TryGetProperty("beam", out var beams))
        {
            int number = 0;
            foreach (var entry in beams.EnumerateArray())
                log.Case($"beam {number++}", () => Beam(fixture, entry));
        }
    }

    private static void Greedy(CausalModelFixture fixture, string name, JsonElement expected, CaseLog log)
    {
        int maxNewTokens = expected.GetProperty("max_new_tokens").GetInt32();
        int[] ends = EndTokens(expected);
        var cases = expected.GetProperty("cases").EnumerateArray().ToArray();
        GenerationJob NewJob(JsonElement entry) => new(
            entry.GetProperty("prompt").Ids(), maxNewTokens, SamplingOptions.Greedy, ends, ignoreEndTokens: false, [], tokenizer: null,
            includeLogProbabilities: false, matcher: null,
            CancellationToken.None);

        for (int i = 0; i < cases.Length; i++)
        {
            var entry = cases[i];
            log.Case($"{name} {i}", () => Differs(entry, Generate(fixture, NewJob(entry))[0], ends));
        }

        log.Case($"{name} batched", () =>
        {
            var generated = Generate(fixture, [.. cases.Select(NewJob)]);
            for (int i = 0; i < cases.Length; i++)
                if (Differs(cases[i], generated[i], ends) is { } difference)
                    return $"prompt {i}: {difference}";
            if (!expected.TryGetProperty("batched_output_rows", out var rows))
                return null;
            int pad = expected.GetProperty("pad_token_id").GetInt32();
            for (int i = 0; i < cases.Length; i++)
            {
                int[] want = rows[i].Ids();
                int[] got = [.. generated[i], .. Enumerable.Repeat(pad, Math.Max(0, want.Length - generated[i].Length))];
                if (!got.AsSpan().SequenceEqual(want))
                    return $"row {i} is [{string.Join(' ', got)}], expected [{string.Join(' ', want)}]";
            }

            return null;
        });
    }

    private static string? Differs(JsonElement entry, int[] got, int[] ends)
    {
        int[] want = entry.GetProperty("new_ids").Ids();
        if (!got.AsSpan().SequenceEqual(want))
            return $"[{string.Join(' ', got)}], expected [{string.Join(' ', want)}]";
        return entry.TryGetProperty("stopped_by_eos", out var stopped) && stopped.GetBoolean() != ends.Contains(got[^1])
            ? "stopped for another reason"
            : null;
    }

    private static string? Beam(CausalModelFixture fixture, JsonElement entry)
    {
        int[] prompt = entry.GetProperty("prompt").Ids(), ends = EndTokens(entry);
        int maxNewTokens = entry.GetProperty("max_new_tokens").GetInt32();
        var expected = entry.GetProperty("hypotheses").EnumerateArray().ToArray();
        var options = SamplingRunner.ReadOptions(entry) with { ReturnCount = expected.Length };
        options.Validate();
        var job =
            new BeamJob(prompt, maxNewTokens, new BeamSearch(prompt, maxNewTokens, options, [], ends), fixture.Model.VocabularySize,
                CancellationToken.None);
        RunAll(fixture, [job]);
        var found = job.Result.GetAwaiter().GetResult();
        for (int i = 0; i < expected.Length; i++)
        {
            int[] want = expected[i].GetProperty("new_ids").Ids();
            if (i >= found.Count || !found[i].Ids.AsSpan().SequenceEqual(want))
                return $"hypothesis {i} is [{(i < found.Count ? string.Join(' ', found[i].Ids) : "missing")}], expected "
                    + $"[{string.Join(' ', want)}]";
            if (FixtureTensors.Close(found[i].Score, expected[i].GetProperty("score").GetDouble(), ScoreTolerance, 0) is { } difference)
                return $"score of hypothesis {i}: {difference}";
        }

        return null;
    }

    /// <summary>What a model goes on with, greedily.</summary>
    internal static int[] Greedy(CausalModelFixture fixture, int[] prompt, int maxNewTokens)
        => Generate(fixture,
            new GenerationJob(prompt, maxNewTokens, SamplingOptions.Greedy, [], ignoreEndTokens: false, [], tokenizer: null,
                includeLogProbabilities: false, matcher: null, CancellationToken.None))[0];

    private static int[][] Generate(CausalModelFixture fixture, params GenerationJob[] jobs)
    {
        RunAll(fixture, jobs);
        return [.. jobs.Select(j => j.ReadAsync().ToBlockingEnumerable().SelectMany(u => u.TokenIds).ToArray())];
    }

    private static void RunAll(CausalModelFixture fixture, IReadOnlyList<EngineJob> jobs)
    {
        using var engine = new EngineCore(fixture.Model, fixture.Session, jobs.Sum(j => j.MaximumBlocks) * KvCache.BlockTokens);
        foreach (var job in jobs)
            engine.Admit(job);
        while (engine.ActiveJobs > 0)
            engine.Step();
    }

    private static int[] EndTokens(JsonElement settings)
        => settings.GetProperty("eos_token_id") is { ValueKind: JsonValueKind.Number } id ? [id.GetInt32()] : [];
}
