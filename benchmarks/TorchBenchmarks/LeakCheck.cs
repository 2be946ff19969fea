using System.Globalization;
using Kotonoha.Benchmarks;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Torch;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.TorchBenchmarks;

/// <summary><c>leaks [--steps N] [--sequences N]</c>: resident memory and living tensors while many steps and generations run.</summary>
internal static class LeakCheck
{
    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "steps", "sequences");
        int steps = PeerBenchmarks.Number(options, "steps", 2000), sequences = PeerBenchmarks.Number(options, "sequences", 2000);
        Console.WriteLine($"Machine: {Machine.Describe()}");
        var config = new Gpt2Config
        {
            VocabularySize = 256,
            ContextLength = 64,
            Width = 64,
            Layers = 2,
            Heads = 2,
            EmbeddingDropout = 0.1f,
            ResidualDropout = 0.1f,
        };
        var device = TorchDevice.Cpu();
        long before = TorchSharp.torch.Tensor.TotalCount;
        using var model = Gpt2.Create(config, 1);
        var text = new byte[20000];
        new Random(1).NextBytes(text);
        using var data = TokenDataset.FromBytes(text);
        Console.WriteLine("| training steps | resident MB | living tensors |");
        Console.WriteLine("| --- | --- | --- |");
        Row(0);
        await new Trainer(model, new TrainingOptions { Steps = steps, BatchSize = 4, Device = device, EvaluateEvery = steps / 4 })
            .RunAsync(data, new Every(steps / 8, Row));
        Collect();
        long afterTraining = TorchSharp.torch.Tensor.TotalCount;
        Console.WriteLine($"living tensors before {before}, after training {afterTraining}");

        Console.WriteLine("| sequences | resident MB | living tensors |");
        Console.WriteLine("| --- | --- | --- |");
        using (var session = device.CreateInferenceSession())
        using (var engine = new EngineCore(model, session, 64 * 64))
        {
            var random = new Random(2);
            int done = 0, started = 0;
            while (done < sequences)
            {
                while (started < sequences && engine.ActiveJobs < 8)
                {
                    var prompt = Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(256)).ToArray();
                    var job = new GenerationJob(prompt, random.Next(1, 30), SamplingOptions.Greedy, [], ignoreEndTokens: true, [],
                        tokenizer: null, includeLogProbabilities: false, matcher: null, CancellationToken.None);
                    engine.Admit(job);
                    started++;
                }

                int active = engine.ActiveJobs;
                engine.Step();
                int ended = active - engine.ActiveJobs;
                if ((done + ended) / (sequences / 8) > done / (sequences / 8))
                    Row(done + ended);
                done += ended;
            }
        }

        Collect();
        long after = TorchSharp.torch.Tensor.TotalCount;
        Console.WriteLine($"living tensors before {before}, after generating {after}");
        return afterTraining == before && after == before ? 0 : 1;

        static void Row(long done)
            => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {done} | {Environment.WorkingSet / 1e6:F0} | {TorchSharp.torch.Tensor.TotalCount} |"));
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private sealed class Every(int steps, Action<long> then) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Step % steps == 0)
                then(value.Step);
        }
    }
}
