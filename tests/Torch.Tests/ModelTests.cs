using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Torch;

namespace Kotonoha.Torch.Tests;

/// <summary>Whole models on libtorch beside the same models on the processor: ragged batches, the cache, the engine.</summary>
public sealed class ModelTests
{
    private const int Vocabulary = 300;

    private static readonly LlamaConfig Small = new()
    {
        VocabularySize = Vocabulary,
        ContextLength = 200,
        Width = 32,
        Layers = 2,
        Heads = 4,
        KeyHeads = 2,
        HeadWidth = 8,
        InnerWidth = 64,
        InitializerRange = 0.3f,
    };

    private static readonly GemmaConfig Capped = new()
    {
        ModelType = "gemma2",
        VocabularySize = Small.VocabularySize,
        ContextLength = Small.ContextLength,
        Width = Small.Width,
        Layers = 2,
        Heads = Small.Heads,
        KeyHeads = Small.KeyHeads,
        HeadWidth = Small.HeadWidth,
        InnerWidth = 64,
        InitializerRange = 0.3f,
        AttentionScalar = 7,
        AttentionSoftCap = 4,
        FinalSoftCap = 6,
        SlidingWindow = 9,
        SlidingLayers = [true, false],
    };

    private static readonly Dictionary<string, Func<CausalModel>> Families = new()
    {
        ["gpt2"] = () => Gpt2.Create(new Gpt2Config
        {
            VocabularySize = Vocabulary,
            ContextLength = 200,
            Width = 32,
            Layers = 2,
            Heads = 4,
            InitializerRange = 0.3f,
            ScaleAttentionByInverseLayerIndex = true,
        }, 5),
        ["llama"] = () => Llama.Create(Small, 5),
        ["llama, interleaved"] = () => Llama.Create(Small with { RotaryInterleaved = true }, 5),
        ["mistral"] = () => Llama.Create(Small with { ModelType = "mistral", SlidingWindow = 9 }, 5),
        ["qwen2"] = () => Llama.Create(Small with { ModelType = "qwen2", QueryKeyValueBias = true }, 5),
        ["qwen3"] = () => Llama.Create(Small with { ModelType = "qwen3", QueryKeyNorm = true, HeadWidth = 16 }, 5),
        ["phi3"] = () => Llama.Create(Small with { ModelType = "phi3", FusedProjections = true, PartialRotaryFactor = 0.5 }, 5),
        ["gemma2"] = () => Gemma.Create(Capped, 5),
        ["gemma3"] = () => Gemma.Create(Capped with
        {
            ModelType = "gemma3_text",
            AttentionSoftCap = 0,
            FinalSoftCap = 0,
            LocalRopeTheta = 300,
        }, 5),
        ["dynamic positions"] = () => Llama.Create(Small with
        {
            ContextLength = 25,
            RopeScaling = new RopeScaling { Kind = RopeScalingKind.Dynamic, Factor = 8 },
        }, 5),
    };

    public static TheoryData<string> Names => [.. Families.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Ragged_batches_and_cached_steps_give_the_processors_logits(string family)
    {
        var want = Logits(family, Device.Cpu);
        Near(want, Logits(family, TorchDevice.Cpu()), 2e-4f);

        // Rounding to 8 bits at every step: the largest error beside the largest logit.
        float largest = want.Max(Math.Abs);
        Near(want, Logits(family, TorchDevice.Cpu(TorchPrecision.BFloat16)), 0.1f * largest);
    }

    [Theory]
    [InlineData("gpt2", 1)]
    [InlineData("mistral", 2)]
    [InlineData("dynamic positions", 3)]
    public void The_engine_generates_the_same_with_requests_that_come_and_go(string family, int seed)
    {
        var want = Generate(family, Device.Cpu, seed);
        var got = Generate(family, TorchDevice.Cpu(), seed);
        Assert.Equal(want.Count, got.Count);
        for (int i = 0; i < want.Count; i++)
            Assert.Equal(want[i], got[i]);
    }

    [Fact]
    public void Beams_are_the_same()
    {
        Assert.Equal(Beams(Device.Cpu).Select(b => string.Join(' ', b.Ids)), Beams(TorchDevice.Cpu()).Select(b => string.Join(' ', b.Ids)));

        static IReadOnlyList<(int[] Ids, double Score, bool Ended)> Beams(Device device)
        {
            using var model = Families["llama"]();
            using var session = device.CreateInferenceSession();
            using var engine = new EngineCore(model, session, 2000);
            int[] prompt = [3, 1, 4, 1, 5];
            var options = new BeamSearchOptions { BeamCount = 4, ReturnCount = 4 };
            var job = new BeamJob(prompt, 12, new BeamSearch(prompt, 12, options, [], [7]), Vocabulary, CancellationToken.None);
            engine.Admit(job);
            while (engine.ActiveJobs > 0)
                engine.Step();
            return job.Result.GetAwaiter().GetResult();
        }
    }

    [Fact]
    public async Task A_loaded_model_says_the_same_and_names_its_device()
    {
        using var folder = new TemporaryFolder();
        SavedModel.Save(folder.Path);
        var request = new GenerationRequest { Prompt = "the quick", MaxOutputTokens = 20, Sampling = SamplingOptions.Greedy };
        using var processor = LocalGpt.Load(folder.Path);
        using var torch = LocalGpt.Load(folder.Path, new LocalGptOptions { Device = TorchDevice.Cpu() });
        Assert.Contains("libtorch", torch.Description, StringComparison.Ordinal);
        Assert.Equal("torch-cpu", torch.Device.Name);
        Assert.Equal((await processor.CompleteAsync(request)).Text, (await torch.CompleteAsync(request)).Text);
    }

    [Fact]
    public void Quantised_weights_are_raised_and_that_is_said()
    {
        using var folder = new TemporaryFolder();
        using (var weights = Llama.Create(Small with { Width = 64, InnerWidth = 128 }, 5))
            GgufExport.Save(weights, new CheckpointParts(), folder.At("m.gguf"), DataType.Q8_0, "m");
        using var file = GgufFile.Open(folder.At("m.gguf"));
        using var model = GgufCheckpoint.Load(file, WeightPrecision.AsStored);
        using var session = TorchDevice.Cpu().CreateInferenceSession();
        Assert.Contains("quantised", Assert.Single(session.Load(model.Parameters)), StringComparison.Ordinal);
        using var own = Device.Cpu.CreateInferenceSession(exact: true);
        Near(Once(own), Once(session), 1e-3f);

        float[] Once(InferenceSession on)
        {
            var pass = on.Begin();
            return pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed([1, 2, 3])))).ToArray();
        }
    }

    [Fact]
    public void A_full_cache_is_an_error_and_forks_count_once()
    {
        using var session = TorchDevice.Cpu().CreateInferenceSession();
        using var cache = session.CreateCache(new KvShape(1, 1, 2, 2), 4 * KvCache.BlockTokens);
        using var sequence = cache.NewSequence();
        var batch = new Batch();
        batch.Append(new int[2 * KvCache.BlockTokens + 3], sequence);
        Assert.Equal(KvCache.BlockTokens, cache.FreeTokens);
        using var fork = sequence.Fork();
        Assert.Equal(0, cache.FreeTokens);
        batch.Clear();
        Assert.Throws<KvCacheFullException>(() => batch.Append(new int[KvCache.BlockTokens], fork));
        Assert.Equal(2 * KvCache.BlockTokens + 3, fork.Length);
        fork.Dispose();
        sequence.Truncate(KvCache.BlockTokens);
        Assert.Equal(3 * KvCache.BlockTokens, cache.FreeTokens);
        sequence.Dispose();
        Assert.Equal(4 * KvCache.BlockTokens, cache.FreeTokens);
    }

    [Fact]
    public void Nothing_is_left_alive_after_a_session()
    {
        long before = TorchSharp.torch.Tensor.TotalCount;
        Generate("qwen3", TorchDevice.Cpu(), 4);
        Logits("mistral", TorchDevice.Cpu(TorchPrecision.BFloat16));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(before, TorchSharp.torch.Tensor.TotalCount);
    }

    // Prompts of many lengths at once, then steps of one and of several tokens each, with truncation and forks between them.
    private static float[] Logits(string family, Device device)
    {
        var random = new Random(3);
        using var model = Families[family]();
        using var session = device.CreateInferenceSession();
        int[][] texts = [.. new[] { 40, 3, 17, 64, 1 }.Select(n => Enumerable.Range(0, n).Select(_ => random.Next(Vocabulary)).ToArray())];
        var pass = session.Begin();
        var all = pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed(texts)))).ToArray().ToList();
        using var cache = session.CreateCache(model.CacheShape, 4096);
        var sequences = texts.Select(t => cache.NewSequence(promptLength: t.Length)).ToList();
        for (int step = 0; step < 30; step++)
        {
            var batch = new Batch();
            for (int s = 0; s < sequences.Count; s++)
            {
                int count = step == 0 ? 0 : (step + s) % 5 == 0 ? 4 : 1;
                batch.Append(step == 0 ? texts[s] : [.. Enumerable.Range(0, count).Select(_ => random.Next(Vocabulary))], sequences[s]);
            }

            pass = session.Begin();
            var hidden = model.Forward(pass, batch);
            int[] last = [.. Enumerable.Range(0, sequences.Count).Select(s => batch.SequenceStarts[s + 1] - 1)];
            all.AddRange(pass.Read(model.Logits(pass, pass.SelectRows(hidden, last))));
            if (step % 7 == 3)
                sequences[step % 3].Truncate(sequences[step % 3].Length / 2 + 1);
            if (step % 9 == 4)
            {
                var fork = sequences[2].Fork();
                sequences[1].Dispose();
                sequences[1] = fork;
            }
        }

        foreach (var sequence in sequences)
            sequence.Dispose();
        return [.. all];
    }

    private static List<int[]> Generate(string family, Device device, int seed)
    {
        var random = new Random(seed);
        using var model = Families[family]();
        using var session = device.CreateInferenceSession();
        using var engine = new EngineCore(model, session, 1200);
        var jobs = new List<GenerationJob>();
        for (int step = 0; jobs.Count < 14 || engine.ActiveJobs > 0; step++)
        {
            while (jobs.Count < 14 && random.Next(3) > 0)
            {
                int[] prompt = [.. Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Next(Vocabulary))];
                var job = new GenerationJob(prompt, random.Next(1, 40), SamplingOptions.Greedy, [], ignoreEndTokens: true, [],
                    tokenizer: null, includeLogProbabilities: false, matcher: null, CancellationToken.None);
                if (!engine.CanAdmit(job))
                    break;
                engine.Admit(job);
                jobs.Add(job);
            }

            engine.Step();
        }

        return [.. jobs.Select(j => j.ReadAsync().ToBlockingEnumerable().SelectMany(u => u.TokenIds).ToArray())];
    }

    private static void Near(float[] want, float[] got, float tolerance)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
            Assert.True(Math.Abs(want[i] - got[i]) <= tolerance, $"[{i}] is {got[i]}, expected {want[i]}");
    }
}
