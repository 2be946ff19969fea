using System.Diagnostics;
using System.Globalization;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>shakespeare FILE [--optimizer muon|adamw] [--learning-rate R] [--seeds N] [--steps N] [--rounds N] [--threads N]
/// [--peer SCRIPT] [--peer-threads N]</c>: nanoGPT's small CPU setting by single bytes. The
/// held-out loss of some seeds, then short blocks of training steps in turn with PyTorch.
/// </summary>
internal static class ShakespeareBenchmark
{
    private const double Bar = 1.88;
    private const int Batch = 12;
    private const int StepsInABlock = 10;
    private const int WarmupBlocks = 3;
    private static readonly Gpt2Config Config = new() { VocabularySize = 256, ContextLength = 64, Width = 128, Layers = 4, Heads = 4 };

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length == 0 || !File.Exists(args[0]))
        {
            Console.Error.WriteLine("shakespeare: give a text file, for example tinyshakespeare's input.txt");
            return 2;
        }

        var options = Arguments.Parse(
            args[1..], "optimizer", "learning-rate", "seeds", "steps", "rounds", "threads", "peer", "peer-threads");
        int Number(string name, int otherwise)
            => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        int seeds = Number("seeds", 3), steps = Number("steps", 2000), rounds = Number("rounds", 15), threads = Number("threads", 0);
        bool isMuon = options.GetValueOrDefault("optimizer", "muon") == "muon";
        double rate = options.TryGetValue("learning-rate", out var given) ? double.Parse(given, CultureInfo.InvariantCulture)
            : isMuon ? 4e-3 : 1e-3;
        var adam = new AdamWOptions { Beta1 = 0.9, Beta2 = 0.99, WeightDecay = 0.1 };
        var training = new TrainingOptions
        {
            Steps = steps,
            BatchSize = Batch,
            Schedule = LearningRateSchedule.WarmupCosine(rate, rate / 10, Math.Min(100, steps / 2), steps),
            MaxGradientNorm = 1.0,
            Optimizer = isMuon ? new MuonOptions { WeightDecay = 0.1, Others = adam } : adam,
            Threads = threads,
        };
        using var data = TokenDataset.FromBytes(await File.ReadAllBytesAsync(args[0]));
        Console.WriteLine($"Machine: {Machine.Describe()}");
        using (var backend = new CpuBackend(threads))
            Console.WriteLine($"Kotonoha: {backend.Description}");
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture,
                $"Data: {data.Train.Count:N0} tokens to train on, {data.Validation.Count:N0} held out; {steps} steps "
            + $"of {Batch} × {Config.ContextLength} tokens by {(isMuon ? "Muon" : "AdamW")}, at most {rate}"));
        bool passed = await Losses(data, training, seeds);
        if (rounds > 0)
            await Speed(args[0], data, training with { Optimizer = adam }, rounds,
                options.GetValueOrDefault("peer"), Number("peer-threads", 0));
        return passed ? 0 : 1;
    }

    private static async Task<bool> Losses(TokenDataset data, TrainingOptions training, int seeds)
    {
        if (seeds == 0)
            return true;
        Console.WriteLine("| seed | loss before | held-out loss | seconds | tokens/s |");
        Console.WriteLine("| --- | --- | --- | --- | --- |");
        double sum = 0;
        for (ulong seed = 1; seed <= (ulong)seeds; seed++)
        {
            using var model = Gpt2.Create(Config, seed);
            double before = Perplexity.Measure(model, data.Validation, Config.ContextLength).Loss;
            var result = await new Trainer(model, training with { Seed = seed }).RunAsync(data);
            double loss = Perplexity.Measure(model, data.Validation, Config.ContextLength).Loss;
            sum += loss;
            Console.WriteLine(
                string.Create(CultureInfo.InvariantCulture,
                    $"| {seed} | {before:F4} | {loss:F4} | {result.Duration.TotalSeconds:F1} | {result.TokensPerSecond:N0} |"));
        }

        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"Mean held-out loss of {seeds} seeds: {sum / seeds:F4} (bar: at most {Bar:F2}): "
            + $"{(sum / seeds <= Bar ? "passed" : "FAILED")}"));
        return sum / seeds <= Bar;
    }

    private static async Task Speed(string file, TokenDataset data, TrainingOptions training, int rounds, string? script, int peerThreads)
    {
        var peers = new List<TorchPeer>();
        try
        {
            int[] counts = peerThreads > 0
                ? [peerThreads]
                : [.. Enumerable.Range(0, 31).Select(i => 1 << i).TakeWhile(t => t < Environment.ProcessorCount)
                    .Append(Environment.ProcessorCount)];
            foreach (int threads in counts)
            {
                var reason = "no --peer was given";
                var peer = script is null ? null : TorchPeer.Start(script, file, Config, Batch, threads, out reason);
                if (peer is null)
                {
                    Console.WriteLine($"PyTorch: skipped, {reason}");
                    break;
                }

                Console.WriteLine($"Peer: {peer.Description}");
                peers.Add(peer);
            }

            await Alternate(data, training, rounds, peers);
        }
        finally
        {
            foreach (var peer in peers)
                peer.Dispose();
        }
    }

    // Both sides train a short block in turn; ours runs inside one long training that is held between its blocks.
    private static async Task Alternate(TokenDataset data, TrainingOptions training, int rounds, List<TorchPeer> peers)
    {
        int blocks = rounds + WarmupBlocks, block = 0;
        var own = new List<(double Wall, double Processor)>();
        var clock = new Stopwatch();
        var processor = TimeSpan.Zero;
        using var model = Gpt2.Create(Config, 1);
        var turn = new Turn(value =>
        {
            if (value.Step % StepsInABlock != 0)
                return;
            var seconds =
                (clock.Elapsed.TotalSeconds / StepsInABlock, (Environment.CpuUsage.TotalTime - processor).TotalSeconds / StepsInABlock);
            if (block >= WarmupBlocks)
                own.Add(seconds);
            foreach (var peer in peers)
            {
                seconds = peer.Train(StepsInABlock);
                if (block >= WarmupBlocks)
                    peer.Steps.Add(seconds);
            }

            block++;
            processor = Environment.CpuUsage.TotalTime;
            clock.Restart();
        });
        processor = Environment.CpuUsage.TotalTime;
        clock.Start();
        await new Trainer(model, training with { Steps = blocks * StepsInABlock }).RunAsync(data, turn);

        Console.WriteLine("| training step | median ms | least ms | processor ms | tokens/s at the median |");
        Console.WriteLine("| --- | --- | --- | --- | --- |");
        Row("Kotonoha", own);
        foreach (var peer in peers)
            Row(peer.Description, peer.Steps);
        if (peers.MinBy(p => Median(p.Steps, s => s.Wall)) is { } best)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Kotonoha against PyTorch's best ({best.Description}): "
                + $"{Median(best.Steps, s => s.Wall) / Median(own, s => s.Wall):F2} times as fast (medians of {rounds} alternating "
                + $"blocks of {StepsInABlock} steps)"));

        // Processor time is what remains to compare on a machine that others use too; threads that wait by spinning count in it.
        static void Row(string name, List<(double Wall, double Processor)> steps)
            => Console.WriteLine(
                string.Create(CultureInfo.InvariantCulture,
                    $"| {name} | {Median(steps, s => s.Wall) * 1e3:F1} | {steps.Min(s => s.Wall) * 1e3:F1} | "
                + $"{Median(steps, s => s.Processor) * 1e3:F1} | {Batch * Config.ContextLength / Median(steps, s => s.Wall):N0} |"));
    }

    private static double Median<T>(List<T> values, Func<T, double> of)
    {
        var sorted = values.Select(of).Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }


    private sealed class Turn(Action<TrainingProgress> then) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => then(value);
    }
}
