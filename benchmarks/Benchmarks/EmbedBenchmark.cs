using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>embed --model DIR --texts FILE.jsonl [--count N] [--rounds N] [--threads N] [--peer-model FILE.gguf]</c>: how many texts a second an
/// encoder turns into vectors; with a peer, llama.cpp on the same texts in turn (through node-llama-cpp, installed in the folder that
/// NODE_LLAMA_CPP names).
/// </summary>
internal static class EmbedBenchmark
{
    private const int DefaultRounds = 5;
    private const int BatchTexts = 64;

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "model", "texts", "count", "rounds", "peer-model", "threads");
        int rounds = Number("rounds") ?? DefaultRounds;
        string[] texts = [.. Texts(options["texts"]).Take(Number("count") ?? int.MaxValue)];
        Console.WriteLine(Machine.Describe());
        using var encoder = LocalEncoder.Load(options["model"], new LocalEncoderOptions { Threads = Number("threads") });
        Console.WriteLine(encoder.Description);
        using var peer = options.TryGetValue("peer-model", out var gguf)
            ? LlamaEmbedPeer.Start(gguf, Number("threads") ?? Environment.ProcessorCount)
            : null;
        var warm = await encoder.EmbedAsync(texts[..Math.Min(texts.Length, BatchTexts)]);
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{texts.Length} texts, {(double)warm.InputTokens / warm.Vectors.Count:F0} "
                + $"tokens each in the first {warm.Vectors.Count}"));
        peer?.Embed(texts[..Math.Min(texts.Length, BatchTexts)]);
        var own = new List<double>();
        var others = new List<double>();
        for (int round = 0; round < rounds; round++)
        {
            var before = Process.GetCurrentProcess().TotalProcessorTime;
            var watch = Stopwatch.StartNew();
            int tokens = 0;
            var vectors = new List<float[]>();
            foreach (var part in texts.Chunk(BatchTexts))
            {
                var result = await encoder.EmbedAsync(part);
                tokens += result.InputTokens;
                vectors.AddRange(result.Vectors);
            }

            own.Add(texts.Length / watch.Elapsed.TotalSeconds);
            var processor = Process.GetCurrentProcess().TotalProcessorTime - before;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"round {round + 1}: {own[^1]:F1} texts/s, "
                + $"{tokens / watch.Elapsed.TotalSeconds:F0} tokens/s, {1000 * processor.TotalSeconds / texts.Length:F1} ms of processor "
                + $"a text"));
            if (peer is null)
                continue;
            var (seconds, theirs) = peer.Embed(texts);
            others.Add(texts.Length / seconds);
            double worst = vectors.Zip(theirs, Cosine).Min();
            Console.WriteLine(
                string.Create(CultureInfo.InvariantCulture,
                    $"         {others[^1]:F1} texts/s of {peer.Description}; least cosine to its vectors {worst:F6}"));
        }

        own.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"median {own[own.Count / 2]:F1} texts/s"));
        if (others.Count > 0)
        {
            others.Sort();
            Console.WriteLine(
                string.Create(CultureInfo.InvariantCulture,
                    $"median of the peer {others[others.Count / 2]:F1} texts/s: {own[own.Count / 2] / others[others.Count / 2]:F2}×"));
        }

        return 0;

        int? Number(string name) => options.TryGetValue(name, out var value) ? int.Parse(value, CultureInfo.InvariantCulture) : null;
    }

    // Lines of JSON with a text, and a title if there is one.
    private static IEnumerable<string> Texts(string file)
    {
        foreach (var line in File.ReadLines(file))
        {
            if (line.Length == 0)
                continue;
            using var json = JsonDocument.Parse(line);
            var text = json.RootElement.GetProperty("text").GetString()!;
            yield return json.RootElement.TryGetProperty("title", out var title) && title.GetString() is { Length: > 0 } name
                ? $"{name} {text}"
                : text;
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
