using System.Diagnostics;
using System.Globalization;
using Kotonoha.Benchmarks;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Torch;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using static TorchSharp.torch;

namespace Kotonoha.TorchBenchmarks;

/// <summary>
/// Our trainer and our decoding on libtorch for the processor, in single precision, against hand-written TorchSharp: one process, by turns,
/// medians.
/// </summary>
internal static class PeerBenchmarks
{
    private static readonly Gpt2Config Small = new() { VocabularySize = 256, ContextLength = 64, Width = 128, Layers = 4, Heads = 4 };
    private static readonly Gpt2Config Large = new();

    /// <summary><c>train [--rounds N] [--threads N] [--shape small|124m]</c></summary>
    public static int Train(string[] args)
    {
        var options = Arguments.Parse(args, "rounds", "threads", "shape");
        int rounds = Number(options, "rounds", 15);
        Console.WriteLine($"Machine: {Machine.Describe()}");
        foreach (var (name, config, batch, length, steps) in new[]
        {
            ("small: 4 layers, 128 wide, 12 × 64 tokens", Small, 12, 64, 10),
            ("124M: 12 layers, 768 wide, 1 × 128 tokens", Large, 1, 128, 1),
        })
            if (!options.TryGetValue("shape", out var shape) || name.StartsWith(shape, StringComparison.OrdinalIgnoreCase))
                Train(name, config, batch, length, steps, rounds, Number(options, "threads", 0));
        return 0;
    }

    /// <summary><c>decode [--rounds N] [--threads N] [--batch N]</c></summary>
    public static int Decode(string[] args)
    {
        var options = Arguments.Parse(args, "rounds", "threads", "batch");
        Console.WriteLine($"Machine: {Machine.Describe()}");
        foreach (int batch in options.ContainsKey("batch") ? [Number(options, "batch", 1)] : (int[])[1, 8])
            Decode(batch, Number(options, "rounds", 15), Number(options, "threads", 0));
        return 0;
    }

    private static void Train(string name, Gpt2Config config, int batch, int length, int steps, int rounds, int threads)
    {
        var device = TorchDevice.Cpu();
        using var model = Gpt2.Create(config, 1);
        var training = new TrainingOptions { Steps = 1000, Threads = threads };
        using var session = device.CreateTrainingSession(model.Parameters, 1, threads);
        var engine = new TrainingEngine(session, training);
        Console.WriteLine($"{name}; {session.Evaluation.Description}");
        var random = new Random(1);
        int[] ids = [.. Enumerable.Range(0, batch * length).Select(_ => random.Next(config.VocabularySize))];
        int[] targets = [.. ids.Skip(1), 0];
        var packed = Batch.Packed(ids, length);

        using var peer = new HandWrittenGpt(config);
        using var optimizer = peer.Optimizer(1e-3, 0.1, 0.9, 0.95);
        using var peerIds = tensor(Array.ConvertAll(ids, i => (long)i), [batch, length]);
        using var peerTargets = tensor(Array.ConvertAll(targets, i => (long)i));
        long step = 0;
        var (ours, theirs) = Alternate(rounds, Ours, Theirs);
        Report("training step", ours, theirs, steps, batch * length);

        void Ours()
        {
            for (int i = 0; i < steps; i++)
            {
                engine.Begin(step++);
                engine.Accumulate(0, TokenLoss.Of(model, packed, targets), 1);
                engine.Update(1e-3);
            }
        }

        void Theirs()
        {
            for (int i = 0; i < steps; i++)
            {
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                var logits = peer.forward(peerIds);
                var loss = nn.functional.cross_entropy(logits.view(-1, config.VocabularySize), peerTargets);
                loss.backward();
                nn.utils.clip_grad_norm_(peer.parameters(), 1.0);
                optimizer.step();
                loss.item<float>();
            }
        }
    }

    private static void Decode(int batch, int rounds, int threads)
    {
        const int past = 512, tokens = 16;
        var device = TorchDevice.Cpu();
        using var model = Gpt2.Create(Large, 1);
        using var session = device.CreateInferenceSession(threads);
        session.Load(model.Parameters);
        Console.WriteLine($"GPT-2 124M, {batch} sequence(s) after {past} tokens; {session.Description}");
        using var cache = session.CreateCache(model.CacheShape, batch * (past + tokens + 32));
        var sequences = Enumerable.Range(0, batch).Select(_ => cache.NewSequence()).ToArray();
        var prompt = Enumerable.Range(0, past).Select(i => i % Large.VocabularySize).ToArray();
        var work = new Batch();
        foreach (var sequence in sequences)
            work.Append(prompt, sequence);
        var first = session.Begin();
        first.Read(first.SelectRows(model.Forward(first, work), [0]));

        using var peer = new HandWrittenGpt(Large);
        using var noGradients = no_grad();
        using var peerCache = new HandWrittenCache(Large, batch, past + tokens, ScalarType.Float32, CPU);
        var prompts = Enumerable.Range(0, batch).SelectMany(_ => prompt).Select(i => (long)i).ToArray();
        using (var scope = NewDisposeScope())
            peer.Next(tensor(prompts, [batch, past]), peerCache);

        var (ours, theirs) = Alternate(rounds, Ours, Theirs);
        Report("token", ours, theirs, tokens, batch);
        foreach (var sequence in sequences)
            sequence.Dispose();

        void Ours()
        {
            var next = new int[batch];
            for (int i = 0; i < tokens; i++)
            {
                work.Clear();
                for (int s = 0; s < batch; s++)
                    work.Append(next.AsSpan(s, 1), sequences[s]);
                var pass = session.Begin();
                var logits = pass.Read(model.Logits(pass, model.Forward(pass, work)));
                for (int s = 0; s < batch; s++)
                    next[s] = Best(logits.Slice(s * Large.VocabularySize, Large.VocabularySize));
            }

            foreach (var sequence in sequences)
                sequence.Truncate(past);
        }

        void Theirs()
        {
            var next = new long[batch];
            for (int i = 0; i < tokens; i++)
            {
                using var scope = NewDisposeScope();
                var logits = peer.Next(tensor(next, [batch, 1]), peerCache);
                next = logits.argmax(1).data<long>().ToArray();
            }

            peerCache.Length = past;
        }
    }

    internal static int Best(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best])
                best = i;
        return best;
    }

    internal static int Number(Dictionary<string, string> options, string name, int otherwise)
        => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    internal static double Median(List<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    // The first two rounds warm up.
    private static (List<double> Ours, List<double> Theirs) Alternate(int rounds, Action ours, Action theirs)
    {
        var (a, b) = (new List<double>(), new List<double>());
        for (int round = -2; round < rounds; round++)
        {
            double first = Seconds(ours), second = Seconds(theirs);
            if (round < 0)
                continue;
            a.Add(first);
            b.Add(second);
        }

        return (a, b);

        static double Seconds(Action work)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    private static void Report(string unit, List<double> ours, List<double> theirs, int units, int tokens)
        => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  one {unit}: ours {Median(ours) / units * 1e3:F2} ms ({units * tokens / Median(ours):N0} tokens/s), hand-written ")
                + string.Create(CultureInfo.InvariantCulture,
                    $"{Median(theirs) / units * 1e3:F2} ms; ratio {Median([.. ours.Zip(theirs, (a, b) => a / b)]):F3} (medians of "
                        + $"{ours.Count})"));
}
