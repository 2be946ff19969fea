using System.Diagnostics;
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Reading a prompt (512 tokens) and generating after it, against llama.cpp on the same GGUF file; both sides by turns in the same minute,
/// all threads, medians; on a machine that is busy otherwise the processor seconds of one thread say more (<c>--threads 1</c>).
/// </summary>
internal static class DecodeBenchmark
{
    private const int PromptTokens = 512;
    private const int Chunk = 256;
    private const int NewTokens = 64;

    public static int Run(string[] arguments)
    {
        var files = arguments.TakeWhile(argument => !argument.StartsWith("--", StringComparison.Ordinal)).ToArray();
        var options = Arguments.Parse(arguments[files.Length..], "rounds", "threads", "peer", "peer-folder");
        int rounds = options.TryGetValue("rounds", out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : 5;
        int threads = options.TryGetValue("threads", out text) ? int.Parse(text, CultureInfo.InvariantCulture) : Environment.ProcessorCount;
        if (files.Length == 0)
        {
            Console.Error.WriteLine("usage: benchmarks decode FILE.gguf… [--rounds N] [--threads N] [--peer SCRIPT --peer-folder DIR]   "
                + "(gpt2-124m:TYPE stands for random weights of that shape)");
            return 2;
        }

        Console.WriteLine(Machine.Describe());
        string reason = "no --peer and --peer-folder given";
        using var peer = options.TryGetValue("peer", out var script) && options.TryGetValue("peer-folder", out var folder)
            ? LlamaPeer.Start(script, folder, out reason)
            : null;
        Console.WriteLine(peer is null ? $"peer skipped: {reason}" : $"peer: {peer.Description}");
        foreach (var file in files)
        {
            var made = RandomGpt2(file);
            Measure(Path.GetFileName(file), made ?? file, rounds, threads, peer);
            if (made is not null)
                File.Delete(made);
        }

        return 0;
    }

    private static void Measure(string name, string path, int rounds, int threads, LlamaPeer? peer)
    {
        using var model = GgufCheckpoint.Load(path);
        using var backend = new CpuBackend(threads);
        int[] prompt =
            [.. Enumerable.Range(0, Math.Min(PromptTokens, model.ContextLength - NewTokens - 1))
                .Select(i => (i * 7919 + 13) % (model.VocabularySize - 20) + 10)];
        peer?.Load(path, 1024, threads, singlePrecisionCache: false);
        var runs = new List<double[]>();
        for (int round = 0; round <= rounds; round++)
        {
            var (prefill, decode) = Ours(model, backend, prompt);
            var peerPrefill = peer?.Prefill(prompt) ?? (double.NaN, double.NaN);
            var peerDecode = peer?.Decode(prompt, NewTokens) ?? (double.NaN, double.NaN);
            if (round > 0) // the first warms up
                runs.Add(
                    [prompt.Length / prefill.Wall, prompt.Length / peerPrefill.Wall, 1 / decode.Wall, 1 / peerDecode.Wall,
                        peerPrefill.Processor / prefill.Processor, peerDecode.Processor / decode.Processor]);
        }

        double Median(Func<double[], double> value) => runs.Select(value).Order().ElementAt(runs.Count / 2);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name}: prefill({prompt.Length}) {Median(r => r[0]):0} tok/s, peer {Median(r => r[1]):0}, ratio "
                + $"{Median(r => r[0] / r[1]):0.00}; decode {Median(r => r[2]):0.0} tok/s, peer {Median(r => r[3]):0.0}, ratio "
                + $"{Median(r => r[2] / r[3]):0.00}; by processor time {Median(r => r[4]):0.00} and {Median(r => r[5]):0.00}"));
    }

    private static ((double Wall, double Processor) Prefill, (double Wall, double Processor) Decode) Ours(
        CausalModel model, CpuBackend backend, int[] prompt)
    {
        using var pass = new CpuInferencePass(backend);
        using var cache = new BlockKvCache(model.CacheShape, prompt.Length + NewTokens + 1);
        using var sequence = cache.NewSequence(prompt.Length + NewTokens + 1);
        var batch = new Batch();
        long start = Stopwatch.GetTimestamp();
        var used = Environment.CpuUsage.TotalTime;
        int next = 0;
        for (int first = 0; first < prompt.Length; first += Chunk)
            next = Step(prompt.AsSpan(first, Math.Min(Chunk, prompt.Length - first)), first + Chunk >= prompt.Length);
        var prefill = (Stopwatch.GetElapsedTime(start).TotalSeconds, (Environment.CpuUsage.TotalTime - used).TotalSeconds);
        start = Stopwatch.GetTimestamp();
        used = Environment.CpuUsage.TotalTime;
        for (int i = 0; i < NewTokens; i++)
            next = Step([next], wanted: true);
        return (prefill,
            (Stopwatch.GetElapsedTime(start).TotalSeconds / NewTokens, (Environment.CpuUsage.TotalTime - used).TotalSeconds / NewTokens));

        int Step(ReadOnlySpan<int> tokens, bool wanted)
        {
            pass.Begin();
            batch.Clear();
            batch.Append(tokens, sequence);
            var hidden = model.Forward(pass, batch);
            if (!wanted)
                return 0;
            var logits = pass.Read(model.Logits(pass, pass.SelectRows(hidden, [tokens.Length - 1])));
            return LlamaCppCheck.Best(logits).Id;
        }
    }

    /// <summary>
    /// Writes the model that a name like <c>gpt2-124m:q8_0</c> stands for: that shape with random weights of that type. Null for other
    /// names.
    /// </summary>
    public static string? RandomGpt2(string name)
    {
        const string Prefix = "gpt2-124m:";
        if (!name.StartsWith(Prefix, StringComparison.Ordinal))
            return null;
        if (!DataTypes.TryParse(name[Prefix.Length..], out var type))
            throw new ArgumentException($"'{name}': unknown type.", nameof(name));
        var path = Path.Combine(Path.GetTempPath(), $"kotonoha-{Guid.NewGuid():N}.gguf");
        using var model = Gpt2.Create(new Gpt2Config());
        GgufExport.Save(model, TinyModels.Parts(["The quick brown fox jumps over the lazy dog."]), path, type, "random gpt2-124m");
        return path;
    }
}
