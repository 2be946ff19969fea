using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Tiny models are trained, exported to GGUF in several types, loaded by llama.cpp, and must go on with the same tokens, as far as each
/// choice is clearer than a margin; and llama.cpp must cut texts into the same tokens.
/// </summary>
internal static class LlamaCppCheck
{
    private const float Margin = 0.02f;

    // Both sides round activations to 8 bits, each in its own places.
    private const float QuantizedMargin = 0.05f;
    private const int NewTokens = 48;
    private const int Steps = 25;
    private static readonly DataType[] Types =
        [DataType.Float32, DataType.Float16, DataType.BFloat16, DataType.Q8_0, DataType.Q4_0, DataType.Q5_1];

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments.Length < 3)
        {
            Console.Error.WriteLine("usage: benchmarks llama-cpp PEER-SCRIPT PEER-FOLDER [--models NAME,…] TEXT-FILE…");
            return 2;
        }

        int named = Array.IndexOf(arguments, "--models", 0, arguments.Length - 1);
        string[]? models = named > 0 ? arguments[named + 1].Split(',') : null;
        if (named > 0)
            arguments = [.. arguments[..named], .. arguments[(named + 2)..]];
        string[] texts = [.. arguments[2..].Select(File.ReadAllText)];
        using (var peer = LlamaPeer.Start(arguments[0], arguments[1], out var reason))
        {
            if (peer is null)
            {
                Console.Error.WriteLine($"llama-cpp: {reason}");
                return 2;
            }

            Console.WriteLine($"peer: {peer.Description}");
        }

        var parts = TinyModels.Parts(texts);
        var tokenizer = Tokenizer.Parse(System.Text.Encoding.UTF8.GetBytes(parts.TokenizerJson!));
        var folder = Directory.CreateTempSubdirectory("kotonoha-export-").FullName;
        int failures = 0, compared = 0;
        try
        {
            foreach (var (name, model) in TinyModels.All())
                using (model)
                {
                    if (models?.Contains(name) == false)
                        continue;
                    await TinyModels.TrainAsync(model, tokenizer, texts, Steps);
                    foreach (var type in Types)
                    {
                        var path = Path.Combine(folder, $"{name}.{type.Name()}.gguf");
                        foreach (var remark in GgufExport.Save(model, parts, path, type, name))
                            Console.WriteLine($"  {name} {type.Name()}: {remark}");

                        // A fresh process each time: llama.cpp does not always survive a second model.
                        using var peer = LlamaPeer.Start(arguments[0], arguments[1], out _)!;
                        peer.Load(path, 128, Environment.ProcessorCount, singlePrecisionCache: true);
                        float margin = type.BlockElements() > 1 ? QuantizedMargin : Margin;
                        var (same, clear, problem) = Compare(path, peer, tokenizer, texts, margin);
                        compared += clear;
                        Console.WriteLine($"{name} {type.Name()}: {same} of {clear} clear choices the "
                            + $"same{(problem is null ? "" : $"; FAILED: {problem}")}");
                        failures += problem is null ? 0 : 1;
                        if (name == "gpt2" && type == DataType.Float32)
                            failures += CompareTokens(peer, tokenizer, texts, ref compared);
                    }
                }

        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{compared} compared, {failures} failures"));
        return failures == 0 && compared > 0 ? 0 : 1;
    }

    private static int CompareTokens(LlamaPeer peer, Tokenizer tokenizer, string[] texts, ref int compared)
    {
        int failures = 0;
        foreach (var line in texts.SelectMany(t => t.Split('\n')).Where(l => l.Length > 0).Append("  two  blanks, 1234567 and 日本語 🙂\ttab")
            .Take(400))
        {
            compared++;
            int[] here = tokenizer.Encode(line, addSpecialTokens: false), there = peer.Tokenize(line);
            if (here.AsSpan().SequenceEqual(there))
                continue;
            failures++;
            Console.WriteLine($"FAILED tokens of '{line}': [{string.Join(' ', here)}], there [{string.Join(' ', there)}]");
        }

        return failures;
    }

    /// <summary>The best id of some logits and how far ahead of the next it is.</summary>
    public static (int Id, float Margin) Best(ReadOnlySpan<float> logits)
    {
        int best = 0;
        float second = float.NegativeInfinity;
        for (int i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best])
            {
                second = logits[best];
                best = i;
            }
            else
            {
                second = Math.Max(second, logits[i]);
            }

        return (best, logits[best] - second);
    }

    private static (int Same, int Clear, string? Problem) Compare(
        string path, LlamaPeer peer, Tokenizer tokenizer, string[] texts, float margin)
    {
        using var model = GgufCheckpoint.Load(path);
        using var backend = new CpuBackend { IsExact = false };
        int same = 0, clear = 0;
        foreach (var text in texts.Take(3))
        {
            int[] prompt = [.. tokenizer.Encode(text.AsSpan(0, Math.Min(text.Length, 60)), addSpecialTokens: false).Take(24)];
            int[] there = peer.Greedy(prompt, NewTokens);
            var here = Greedy(model, backend, prompt);
            for (int i = 0; i < here.Count && here[i].Margin > margin; i++)
            {
                clear++;
                if (i >= there.Length || there[i] != here[i].Id)
                    return (same, clear, $"token {i} is {here[i].Id} here (margin "
                        + $"{here[i].Margin.ToString("0.000", CultureInfo.InvariantCulture)}), {(i < there.Length ? there[i] : -1)} there");
                same++;
            }
        }

        return (same, clear, null);
    }

    private static List<(int Id, float Margin)> Greedy(CausalModel model, CpuBackend backend, int[] prompt)
    {
        using var pass = new CpuInferencePass(backend);
        using var cache = new BlockKvCache(model.CacheShape, prompt.Length + NewTokens);
        using var sequence = cache.NewSequence(prompt.Length + NewTokens);
        var chosen = new List<(int Id, float Margin)>();
        int[] next = prompt;
        for (int i = 0; i < NewTokens; i++)
        {
            pass.Begin();
            var batch = new Batch();
            batch.Append(next, sequence);
            var hidden = model.Forward(pass, batch);
            chosen.Add(Best(pass.Read(model.Logits(pass, pass.SelectRows(hidden, [next.Length - 1])))));
            next = [chosen[^1].Id];
        }

        return chosen;
    }
}
