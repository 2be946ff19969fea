using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kotonoha.Benchmarks;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Torch;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using TorchSharp;
using static TorchSharp.torch;
using Device = Kotonoha.LocalModel.Devices.Device;

namespace Kotonoha.TorchBenchmarks;

/// <summary>
/// <c>gpu [--libtorch DIR] [--shakespeare FILE] [--steps N] [--json FILE] [--only LIST]</c>: on a machine with an NVIDIA GPU: parity with
/// the processor, nanoGPT's Shakespeare setting, GPT-2's training speed, decoding beside the bandwidth of the memory.
/// </summary>
internal static class GpuCheck
{
    private const double ShakespeareBar = 1.48;
    private static readonly List<(string What, string Value)> Rows = [];
    private static readonly SortedDictionary<string, object> Numbers = new(StringComparer.Ordinal);

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "libtorch", "shakespeare", "steps", "json", "only", "device");
        var only = options.TryGetValue("only", out var list) ? list.Split(',') : ["parity", "train", "decode", "shakespeare"];
        var libtorch = options.GetValueOrDefault("libtorch");
        Func<TorchPrecision, TorchDevice> device;
        try
        {
            device = options.GetValueOrDefault("device") == "torch-cpu"
                ? precision => TorchDevice.Cpu(precision, libtorch)
                : precision => TorchDevice.Cuda(0, precision, libtorch);
            device(TorchPrecision.Float32);
        }
        catch (DeviceNotAvailableException exception)
        {
            Console.WriteLine($"Nothing is measured: {exception.Message}");
            return 0;
        }

        Console.WriteLine($"Machine: {Machine.Describe()}");
        using (var session = device(TorchPrecision.BFloat16).CreateInferenceSession())
            Add("device", session.Description);
        bool passed = true;
        var clock = Stopwatch.StartNew();
        foreach (var part in only)
        {
            try
            {
                passed &= part switch
                {
                    "parity" => Parity(device),
                    "train" => Training(device(TorchPrecision.BFloat16)),
                    "decode" => Decoding(device(TorchPrecision.BFloat16)),
                    "shakespeare" => await Shakespeare(device, options),
                    _ => throw new ArgumentException($"'{part}' is not a part; there are parity, train, decode and shakespeare."),
                };
            }
            catch (Exception exception) when (exception is not ArgumentException)
            {
                Add($"{part} FAILED", $"{exception.GetType().Name}: {exception.Message.Split('\n')[0]}");
                Console.WriteLine(exception);
                passed = false;
            }
        }

        Add("seconds in all", $"{clock.Elapsed.TotalSeconds:F0}");
        Console.WriteLine("| what | value |\n| --- | --- |");
        foreach (var (what, value) in Rows)
            Console.WriteLine($"| {what} | {value} |");
        if (options.TryGetValue("json", out var file))
            await File.WriteAllTextAsync(file, JsonSerializer.Serialize(Numbers));
        return passed ? 0 : 1;
    }

    // Tiny models of every family with random weights: logits and a few training steps on both devices.
    private static bool Parity(Func<TorchPrecision, TorchDevice> device)
    {
        var small =
            new LlamaConfig
            {
                VocabularySize = 300,
                ContextLength = 128,
                Width = 64,
                Layers = 2,
                Heads = 4,
                KeyHeads = 2,
                HeadWidth = 16,
                InnerWidth = 128,
                InitializerRange = 0.1f
            };
        var families = new (string Name, Func<CausalModel> Create)[]
        {
            ("gpt2", () =>
                Gpt2.Create(
                    new Gpt2Config { VocabularySize = 300, ContextLength = 128, Width = 64, Layers = 2, Heads = 4,
                        InitializerRange = 0.1f }, 5)),
            ("llama", () => Llama.Create(small, 5)),
            ("llama interleaved", () => Llama.Create(small with { RotaryInterleaved = true }, 5)),
            ("mistral, window 16", () => Llama.Create(small with { ModelType = "mistral", SlidingWindow = 16 }, 5)),
            ("qwen2", () => Llama.Create(small with { ModelType = "qwen2", QueryKeyValueBias = true }, 5)),
            ("phi3", () => Llama.Create(small with { ModelType = "phi3", FusedProjections = true, PartialRotaryFactor = 0.5 }, 5)),
            ("gemma2, gemma3", () => Gemma.Create(
                new GemmaConfig
                {
                    VocabularySize = 300, ContextLength = 128, Width = 64, Layers = 2, Heads = 4, KeyHeads = 2, HeadWidth = 16,
                    InnerWidth = 128, InitializerRange = 0.1f, AttentionScalar = 20, AttentionSoftCap = 20, FinalSoftCap = 30,
                    SlidingWindow = 16, SlidingLayers = [true, false], LocalRopeTheta = 1000,
                }, 5)),
            ("qwen3", () => Llama.Create(small with { ModelType = "qwen3", QueryKeyNorm = true }, 5)),
        };
        bool passed = true;
        foreach (var (name, create) in families)
            foreach (var (precision, logitBar, lossBar) in new[]
            {
                (TorchPrecision.Float32, 2e-4, 1e-4), (TorchPrecision.TensorFloat32, 5e-2, 2e-3), (TorchPrecision.BFloat16, 2e-1, 2e-2),
            })
            {
                var (logits, loss) = Differences(create, device(precision));
                bool good = logits <= logitBar && loss <= lossBar;
                passed &= good;
                Add($"parity of {name}, {precision}", Text($"logits differ by at most {logits:E1}, losses of 10 steps by {loss:E1}")
                    + (good ? "" : " FAILED"));
                Numbers[$"parity.{name}.{precision}.logits"] = logits;
                Numbers[$"parity.{name}.{precision}.loss"] = loss;
            }

        return passed;
    }

    private static (double Logits, double Loss) Differences(Func<CausalModel> create, Device device)
    {
        var random = new Random(3);
        int[][] texts = [.. new[] { 40, 3, 17, 64 }.Select(n => Enumerable.Range(0, n).Select(_ => random.Next(300)).ToArray())];
        float[][] logits = [.. new[] { Device.Cpu, device }.Select(d => Logits(create, d, texts))];
        double[][] losses = [.. new[] { Device.Cpu, device }.Select(d => Losses(create, d, texts))];
        return (logits[0].Zip(logits[1], (a, b) => Math.Abs((double)a - b)).Max(),
            losses[0].Zip(losses[1], (a, b) => Math.Abs(a - b)).Max());
    }

    // Ragged, then the same again token by token out of the cache.
    private static float[] Logits(Func<CausalModel> create, Device device, int[][] texts)
    {
        using var model = create();
        using var session = device.CreateInferenceSession();
        var pass = session.Begin();
        var all = pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed(texts)))).ToArray().ToList();
        using var cache = session.CreateCache(model.CacheShape, 4096);
        var sequences = texts.Select(_ => cache.NewSequence()).ToArray();
        for (int step = 0; step < 30; step++)
        {
            var batch = new Batch();
            for (int s = 0; s < texts.Length; s++)
                batch.Append(step == 0 ? texts[s] : [(step * 31 + s * 7) % 300], sequences[s]);
            pass = session.Begin();
            var hidden = model.Forward(pass, batch);
            int[] last = [.. Enumerable.Range(0, texts.Length).Select(s => batch.SequenceStarts[s + 1] - 1)];
            all.AddRange(pass.Read(model.Logits(pass, pass.SelectRows(hidden, last))));
        }

        foreach (var sequence in sequences)
            sequence.Dispose();
        return [.. all];
    }

    private static double[] Losses(Func<CausalModel> create, Device device, int[][] texts)
    {
        using var model = create();
        using var session = device.CreateTrainingSession(model.Parameters);
        var engine = new TrainingEngine(session, new TrainingOptions());
        var batch = Batch.Packed(texts);
        int[] targets = [.. batch.TokenIds.ToArray().Skip(1), 0];
        return [.. Enumerable.Range(0, 10).Select(step =>
        {
            engine.Begin(step);
            double loss = engine.Accumulate(0, TokenLoss.Of(model, batch, targets), 1);
            engine.Update(1e-3);
            return loss;
        })];
    }

    private static async Task<bool> Shakespeare(Func<TorchPrecision, TorchDevice> device, Dictionary<string, string> options)
    {
        if (!options.TryGetValue("shakespeare", out var file) || !File.Exists(file))
        {
            Add("shakespeare-char", "skipped: give --shakespeare FILE (tinyshakespeare's input.txt)");
            return true;
        }

        int steps = PeerBenchmarks.Number(options, "steps", 5000);

        // nanoGPT's config/train_shakespeare_char.py; its characters are this file's bytes.
        var config = new Gpt2Config
        {
            VocabularySize = 256,
            ContextLength = 256,
            Width = 384,
            Layers = 6,
            Heads = 6,
            EmbeddingDropout = 0.2f,
            AttentionDropout = 0.2f,
            ResidualDropout = 0.2f,
        };
        using var data = TokenDataset.FromBytes(await File.ReadAllBytesAsync(file));
        using var model = Gpt2.Create(config, 1337);
        double best = double.MaxValue;
        long bestStep = 0;
        var progress = new Reports(p =>
        {
            if (p.ValidationLoss is not { } loss)
                return;
            if (loss < best)
                (best, bestStep) = (loss, p.Step);
            Console.WriteLine(
                Text($"  step {p.Step}: held-out loss {loss:F4}, training loss {p.Loss:F4}, {p.TokensPerSecond:N0} tokens/s"));
        });
        var result = await new Trainer(model, new TrainingOptions
        {
            Steps = steps,
            BatchSize = 64,
            Schedule = LearningRateSchedule.WarmupCosine(1e-3, 1e-4, 100, steps),
            Optimizer = new AdamWOptions { Beta1 = 0.9, Beta2 = 0.99, WeightDecay = 0.1 },
            MaxGradientNorm = 1,
            Seed = 1337,
            EvaluateEvery = 250,
            Device = device(TorchPrecision.BFloat16),
        }).RunAsync(data, progress);
        Add("shakespeare-char (6 layers, 384 wide, 64 × 256 tokens, dropout 0.2, bf16)",
            Text($"best held-out loss {best:F4} at step {bestStep}, last {result.ValidationLoss:F4}; {steps} steps in ")
                + Text($"{result.Duration.TotalSeconds:F0} s with {steps / 250} measurements, {result.TokensPerSecond:N0} tokens/s")
                + (best <= ShakespeareBar || steps < 5000 ? "" : " FAILED"));
        Numbers["shakespeare.best_loss"] = best;
        Numbers["shakespeare.last_loss"] = result.ValidationLoss ?? double.NaN;
        Numbers["shakespeare.seconds"] = result.Duration.TotalSeconds;

        // The weights are back on the host: the processor measures the same.
        double host = steps < 5000 ? 0 : Perplexity.Measure(model, FirstTokens(data.Validation, 20_000), 256).Loss;
        double there = steps < 5000
            ? 0
            : Perplexity.Measure(model, FirstTokens(data.Validation, 20_000), 256, device: device(TorchPrecision.Float32)).Loss;
        if (steps >= 5000)
            Add("the trained weights on the processor and on the GPU (fp32), 20,000 tokens", Text($"{host:F5} and {there:F5}"));
        return (best <= ShakespeareBar || steps < 5000) && Math.Abs(host - there) < 1e-3;
    }

    private static bool Training(TorchDevice device)
    {
        var config = new Gpt2Config { VocabularySize = 50304 };
        bool passed = true;
        foreach (int sequences in (int[])[16, 32])
        {
            using var model = new Gpt2(config, new ZeroWeights());
            Fill(model);
            using var session = device.CreateTrainingSession(model.Parameters);
            var engine = new TrainingEngine(session, new TrainingOptions());
            var random = new Random(1);
            int[] ids = [.. Enumerable.Range(0, sequences * 1024).Select(_ => random.Next(config.VocabularySize))];
            var batch = Batch.Packed(ids, 1024);
            int[] targets = [.. ids.Skip(1), 0];
            var times = new List<double>();
            double loss = 0;
            for (int step = 0; step < 25; step++)
            {
                long start = Stopwatch.GetTimestamp();
                engine.Begin(step);
                loss = engine.Accumulate(0, TokenLoss.Of(model, batch, targets), 1);
                engine.Update(1e-4);
                if (step >= 5)
                    times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            // nanoGPT's estimate: 6 N + 12 · layers · width · length for each token.
            double tokens = sequences * 1024 / PeerBenchmarks.Median(times);
            double parameters = model.ParameterCount - config.ContextLength * config.Width;
            double flops = tokens * (6 * parameters + 12.0 * config.Layers * config.Width * 1024);
            Add($"GPT-2 124M, bf16, a step of {sequences} × 1024 tokens",
                Text($"{PeerBenchmarks.Median(times) * 1e3:F1} ms, {tokens:N0} tokens/s, {flops / 1e12:F0} TFLOP/s = ")
                    + Text($"{flops / 989e12:P1} of an H100's or H200's 989 dense bf16 TFLOP/s (loss {loss:F2})"));
            Numbers[$"gpt2_124m.train.{sequences}.tokens_per_second"] = tokens;
            Numbers[$"gpt2_124m.train.{sequences}.mfu_of_989"] = flops / 989e12;
            passed &= double.IsFinite(loss);
        }

        return passed;
    }

    private static bool Decoding(TorchDevice device)
    {
        double bandwidth = Bandwidth(device);
        Add("device-to-device copy, read and written bytes", Text($"{bandwidth / 1e12:F2} TB/s"));
        Numbers["bandwidth"] = bandwidth;
        using (var zeros = new ZeroWeights())
        using (var gpt2 = new Gpt2(new Gpt2Config(), zeros))
            Decode("GPT-2 124M", gpt2, device, bandwidth);
        using (var zeros = new ZeroWeights())
        using (var llama = new Llama(
            new LlamaConfig
            {
                VocabularySize = 128256,
                ContextLength = 4096,
                Width = 2048,
                Layers = 16,
                Heads = 32,
                KeyHeads = 8,
                HeadWidth = 64,
                InnerWidth = 8192,
                TieWordEmbeddings = true,
                RopeTheta = 500000,
            }, zeros))
            Decode("Llama 1B", llama, device, bandwidth);
        return true;
    }

    private static void Decode(string name, CausalModel model, TorchDevice device, double bandwidth)
    {
        const int past = 512, tokens = 100;
        using var session = device.CreateInferenceSession();
        session.Load(model.Parameters);
        foreach (int sequences in (int[])[1, 32])
        {
            using var cache = session.CreateCache(model.CacheShape, sequences * (past + tokens + 64));
            var all = Enumerable.Range(0, sequences).Select(_ => cache.NewSequence()).ToArray();
            var batch = new Batch();
            var prompt = Enumerable.Range(0, past).ToArray();
            long start = Stopwatch.GetTimestamp();
            foreach (var sequence in all)
                batch.Append(prompt, sequence);
            var pass = session.Begin();
            pass.Read(pass.SelectRows(model.Forward(pass, batch), [0]));
            double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var times = new List<double>();
            for (int i = 0; i < tokens; i++)
            {
                start = Stopwatch.GetTimestamp();
                batch.Clear();
                foreach (var sequence in all)
                    batch.Append([i], sequence);
                pass = session.Begin();
                pass.Read(model.Logits(pass, model.Forward(pass, batch)));
                if (i >= 10)
                    times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            double step = PeerBenchmarks.Median(times);
            double bytes = model.ParameterCount * 2.0 + sequences * (past + tokens / 2.0) * model.CacheShape.ElementsPerToken * 2;
            Add($"{name}, bf16, decoding {sequences} sequence(s) after {past} tokens",
                Text($"{step * 1e3:F2} ms a step, {sequences / step:N0} tokens/s; reading weights and cache once takes ")
                    + Text($"{bytes / bandwidth * 1e3:F2} ms: {bytes / bandwidth / step:P1} of the bandwidth ")
                    + Text($"(first prefill {prefill * 1e3:F0} ms)"));
            Numbers[$"{name}.decode.{sequences}.tokens_per_second"] = sequences / step;
            Numbers[$"{name}.decode.{sequences}.share_of_bandwidth"] = bytes / bandwidth / step;
            foreach (var sequence in all)
                sequence.Dispose();
        }
    }

    private static double Bandwidth(TorchDevice device)
    {
        var place = device.Name == "torch-cpu" ? CPU : CUDA;
        long count = place.type == DeviceType.CPU ? 1 << 24 : 1L << 31;
        using var from = zeros(count, ScalarType.BFloat16, place);
        using var to = zeros(count, ScalarType.BFloat16, place);
        double best = 0;
        for (int round = 0; round < 8; round++)
        {
            Wait();
            long start = Stopwatch.GetTimestamp();
            to.copy_(from);
            Wait();
            best = Math.Max(best, 4.0 * count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;

        void Wait()
        {
            if (place.type == DeviceType.CUDA)
                cuda.synchronize();
        }
    }

    // Some numbers that do not train to nothing, made faster than normal ones.
    private static void Fill(CausalModel model)
    {
        uint state = 1;
        foreach (var parameter in model.Parameters)
        {
            var values = parameter.Values;
            bool isNorm = parameter.Shape.Length == 1 && parameter.Name.EndsWith(".weight", StringComparison.Ordinal);
            if (parameter.Shape.Length == 1)
                values.Fill(isNorm ? 1 : 0);
            else
                for (int i = 0; i < values.Length; i++)
                    values[i] = ((state = state * 1664525 + 1013904223) / (float)uint.MaxValue - 0.5f) * 0.07f;
        }
    }

    private static TokenSource FirstTokens(TokenSource source, int count)
    {
        var ids = new int[Math.Min(count, source.Count)];
        source.CopyTo(0, ids);
        return TokenDataset.FromTokens(ids, source.VocabularySize, 0).Train;
    }

    private static void Add(string what, string value)
    {
        Rows.Add((what, value));
        Console.WriteLine($"{what}: {value}");
        if (!Numbers.ContainsKey(what))
            Numbers["text." + what] = value;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Reports(Action<TrainingProgress> then) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => then(value);
    }
}
