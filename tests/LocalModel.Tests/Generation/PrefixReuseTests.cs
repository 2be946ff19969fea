using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Generation;

/// <summary>Prompts that begin as others did: what is computed, and that nobody sees a difference but in the time that it takes.</summary>
public sealed class PrefixReuseTests : IDisposable
{
    private const int Context = 400, Usual = 100;
    private const int Block = KvCache.BlockTokens;
    private readonly CpuBackend _backend = new(1);

    public void Dispose() => _backend.Dispose();

    public static TheoryData<string> Families
        => ["gpt2", "llama", "qwen2", "qwen3", "mistral", "dynamic", "longrope", "phi3", "gemma2", "gemma3", "q8_0"];

    [Theory]
    [MemberData(nameof(Families))]
    public void A_chat_has_the_bits_of_one_that_computes_every_turn_anew(string family)
    {
        using var model = Model(family);
        using var reusing = new EngineCore(model, new CpuInferenceSession(_backend), 2 * Context);
        using var anew = new EngineCore(model, new CpuInferenceSession(_backend), 2 * Context, prefixReuse: false);
        var random = new Random(3);
        SamplingOptions[] settings =
        [
            SamplingOptions.Greedy,
            SamplingOptions.Greedy with { RepetitionPenalty = 1.2f },
            new() { Seed = 5 },
            new() { Temperature = 0.7f, TopK = 20, Seed = 6 },
        ];
        List<int> chat = [.. Ids(random, 45)];
        int known = 0, last = 0, reused = 0;
        for (int turn = 0; turn < 8; turn++)
        {
            int[] prompt = [.. chat];
            var sampling = settings[turn % settings.Length];
            var (want, wantUsage) = Run(anew, Job(prompt, 13, sampling));
            var (got, usage) = Run(reusing, Job(prompt, 13, sampling));
            Assert.Equal(want, got);
            Assert.Equal(0, wantUsage.CachedInputTokens);

            // The last token of an answer was never run. Keys that are turned by the prompt's own length are of no use to a longer prompt.
            bool alike = prompt.Length <= Usual || (family == "longrope" ? last > Usual : family != "dynamic");
            if (alike)
                Assert.Equal(known, usage.CachedInputTokens);
            else
                Assert.Equal(0, usage.CachedInputTokens);
            (known, last) = (prompt.Length + 12, prompt.Length);
            reused += usage.CachedInputTokens;
            chat.AddRange(got.Select(t => t.Id));
            chat.AddRange(Ids(random, 1 + turn * 3));
        }

        Assert.InRange(reused, family == "dynamic" ? 50 : 300, int.MaxValue);
        Assert.Equal(reusing.CapacityBlocks, reusing.FreeBlocks);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Prompts_that_part_anywhere_have_the_bits_of_those_that_run_alone(string family)
    {
        using var model = Model(family);
        using var reusing = new EngineCore(model, new CpuInferenceSession(_backend), 20 * Context);
        using var anew = new EngineCore(model, new CpuInferenceSession(_backend), 20 * Context, prefixReuse: false);
        var random = new Random(4);
        int[] common = Ids(random, 200);
        int[] shared = [0, 1, 15, 16, 31, 32, 33, 64, 95, 97, 99, 100, 101, 130, 200];
        int reused = 0;
        for (int round = 0; round < 2; round++)
        {
            // All at once: some wait for others.
            var parting = shared.Select(count => (int[])[.. common[..count], .. Ids(random, random.Next(1, 40))]);
            int[][] prompts = [common, common[..64], .. parting];
            random.Shuffle(prompts);
            var jobs = prompts.Select((p, i) => Job(p, 6, new SamplingOptions { Seed = i })).ToArray();
            Drive(reusing, jobs);
            for (int i = 0; i < jobs.Length; i++)
            {
                var (got, usage) = Outcome(jobs[i]);
                Assert.Equal(Run(anew, Job(prompts[i], 6, new SamplingOptions { Seed = i })).Tokens, got);
                Assert.InRange(usage.CachedInputTokens, 0, prompts[i].Length - 1);
                reused += usage.CachedInputTokens;
            }
        }

        Assert.InRange(reused, 500, int.MaxValue);
        Assert.Equal(reusing.CapacityBlocks, reusing.FreeBlocks);
    }

    [Theory]
    [InlineData(512)]
    [InlineData(500)]
    [InlineData(513)]
    public void Sixteen_samples_of_one_prompt_cost_one_prefill(int length)
    {
        const int Samples = 16, NewTokens = 5;
        using var model = new CountingModel(TinyGpt.Model(contextLength: 600));
        using var engine = new EngineCore(model, new CpuInferenceSession(_backend), Samples * 600);
        int[] prompt = Ids(new Random(1), length);
        var jobs = Enumerable.Range(0, Samples).Select(i => Job(prompt, NewTokens, new SamplingOptions { Seed = i })).ToArray();
        Drive(engine, jobs);

        // Of each sample but the first the last token of the prompt alone; and the last token of each sample is never run.
        Assert.Equal(length + (Samples - 1) + Samples * (NewTokens - 1), model.Tokens);
        Assert.All(jobs.Skip(1), job => Assert.Equal(length - 1, Outcome(job).Usage.CachedInputTokens));
        Assert.Equal(Samples, jobs.Select(j => string.Join(' ', Outcome(j).Tokens)).Distinct().Count());
    }

    [Fact]
    public void When_the_prompt_that_others_wait_for_is_cancelled_they_go_on_from_what_it_read()
    {
        using var model = new CountingModel(TinyGpt.Model(contextLength: 900));
        using var engine = new EngineCore(model, new CpuInferenceSession(_backend), 4 * 900);
        int[] prompt = Ids(new Random(1), 800);
        using var source = new CancellationTokenSource();
        var leader = Job(prompt, 5, SamplingOptions.Greedy, source.Token);
        GenerationJob[] followers = [Job([.. prompt[..700], 5, 6], 5, SamplingOptions.Greedy), Job(prompt, 5, SamplingOptions.Greedy)];
        engine.Admit(leader);
        foreach (var follower in followers)
            engine.Admit(follower);
        engine.Step();
        engine.Step();
        Assert.Equal(2 * StepPlan.MaximumPrefillTokens, model.Tokens);
        source.Cancel();
        while (engine.ActiveJobs > 0)
            engine.Step();
        Assert.Throws<OperationCanceledException>(() => Outcome(leader));
        Assert.Equal(512, Outcome(followers[0]).Usage.CachedInputTokens);
        Assert.Equal(700, Outcome(followers[1]).Usage.CachedInputTokens);
        Assert.Equal(800 + 2 + 2 * 4, model.Tokens);
        using var fresh = new EngineCore(model, new CpuInferenceSession(_backend), 900);
        Assert.Equal(Run(fresh, Job(prompt, 5, SamplingOptions.Greedy)).Tokens, Outcome(followers[1]).Tokens);
    }

    [Fact]
    public void What_is_kept_makes_room_for_requests_and_the_oldest_leaves_first()
    {
        const int Capacity = 9 * Block;
        using var model = TinyGpt.Model(contextLength: Capacity);
        using var engine = new EngineCore(model, new CpuInferenceSession(_backend), Capacity);
        var random = new Random(2);
        int[] first = Ids(random, 90), second = Ids(random, 90);
        Run(engine, Job(first, 2, SamplingOptions.Greedy));
        Run(engine, Job(second, 2, SamplingOptions.Greedy));
        Assert.Equal(89, Run(engine, Job(first, 2, SamplingOptions.Greedy)).Usage.CachedInputTokens);

        // Three blocks are free. One is taken from the second, which nobody has asked for since, and one more for the copy of a block that
        // the first needs in part.
        Run(engine, Job(Ids(random, 100), 2, SamplingOptions.Greedy));
        Assert.Equal(89, Run(engine, Job(first, 2, SamplingOptions.Greedy)).Usage.CachedInputTokens);
        Assert.Equal(Block, Run(engine, Job(second, 2, SamplingOptions.Greedy)).Usage.CachedInputTokens);

        // One that takes everything still fits, also when it begins inside a block that it must write into.
        int[] whole = [.. first[..50], .. Ids(random, Capacity - 60)];
        var job = Job(whole, 10, SamplingOptions.Greedy);
        Assert.True(engine.CanAdmit(job));
        using var anew = new EngineCore(model, new CpuInferenceSession(_backend), Capacity, prefixReuse: false);
        Assert.Equal(Run(anew, Job(whole, 10, SamplingOptions.Greedy)).Tokens, Run(engine, job).Tokens);
        Assert.Equal(engine.CapacityBlocks, engine.FreeBlocks);
        int[] again = [.. whole[..^3], 9];
        Assert.Equal(Run(anew, Job(again, 12, SamplingOptions.Greedy)).Tokens, Run(engine, Job(again, 12, SamplingOptions.Greedy)).Tokens);
    }

    [Fact]
    public void Scores_and_beams_reuse_prefixes_and_stay_the_same()
    {
        using var model = new CountingModel(TinyGpt.Model(contextLength: Context));
        using var engine = new EngineCore(model, new CpuInferenceSession(_backend), 4 * Context);
        using var anew = new EngineCore(model, new CpuInferenceSession(_backend), 4 * Context, prefixReuse: false);
        var random = new Random(8);
        int[] examples = Ids(random, 150);
        for (int question = 0; question < 4; question++)
        {
            int[] prompt = [.. examples, .. Ids(random, 9)];
            int[][] choices = [Ids(random, 3), Ids(random, 40), [], Ids(random, 1)];
            ScoreJob Scores() => new(prompt, choices, CancellationToken.None);
            BeamJob Beams() => PrefixReuseTests.Beams(prompt, CancellationToken.None);
            Assert.Equal(Outcome(anew, Scores()), Outcome(engine, Scores()));
            Assert.Equal(Outcome(anew, Beams()), Outcome(engine, Beams()));
            var known = Beams();
            long before = model.Tokens;
            Drive(engine, known);
            Assert.Equal(prompt.Length - 1, known.Usage.CachedInputTokens);
            Assert.InRange(model.Tokens - before, 1, 1 + 3 * 8);
        }

        Assert.Equal(engine.CapacityBlocks, engine.FreeBlocks);
    }

    [Fact]
    public void A_step_that_fails_leaves_nothing_behind_that_was_not_computed()
    {
        using var inner = TinyGpt.Model(contextLength: Context);
        using var model = new CountingModel(inner);
        using var engine = new EngineCore(model, new CpuInferenceSession(_backend), 4 * Context);
        using var anew = new EngineCore(inner, new CpuInferenceSession(_backend), 4 * Context, prefixReuse: false);
        int[] prompt = Ids(new Random(1), 300);
        foreach (int failing in (int[])[1, 2, 3, 4, 9])
        {
            model.FailAfter(failing);
            var jobs = Enumerable.Range(0, 3).Select(i => Job([.. prompt[..(250 + i)], i, failing], 12, SamplingOptions.Greedy)).ToArray();
            Drive(engine, jobs);
            Assert.All(jobs, job => Assert.Throws<ArithmeticException>(() => Outcome(job)));
            Assert.Equal(engine.CapacityBlocks, engine.FreeBlocks);
            for (int i = 0; i < 3; i++)
            {
                int[] ids = [.. prompt[..(250 + i)], i, failing];
                var (want, _) = Run(anew, Job(ids, 12, SamplingOptions.Greedy));
                Assert.Equal(want, Run(engine, Job(ids, 12, SamplingOptions.Greedy)).Tokens);
            }
        }
    }

    [Fact]
    public void A_thousand_cancellations_at_any_moment_leave_every_block_free_and_later_results_right()
    {
        const int Cancellations = 1000, Capacity = 1600;
        using var inner = TinyGpt.Model(contextLength: Context);
        using var model = new CountingModel(inner);
        using var anew = new EngineCore(inner, new CpuInferenceSession(_backend), Capacity, prefixReuse: false);
        using var engine = new EngineCore(model, new CpuInferenceSession(_backend), Capacity);
        var random = new Random(11);
        int[][] beginnings = [Ids(random, 350), Ids(random, 120), Ids(random, 33)];
        var wanted = new Dictionary<string, string>();
        var running = new List<(EngineJob Job, CancellationTokenSource Source, Func<EngineJob> Again, string Key, int End)>();
        var moments = new Dictionary<string, int>();
        int step = 0, cancelled = 0, compared = 0;
        while (cancelled < Cancellations || running.Count > 0)
        {
            for (int tries = random.Next(4); tries > 0 && cancelled < Cancellations; tries--)
            {
                var source = new CancellationTokenSource();
                var next = RandomWork(random, beginnings, model.Width, source.Token);
                if (!engine.CanAdmit(next.Job))
                {
                    source.Dispose();
                    break;
                }

                // Nine in ten are cancelled: before they begin, or some steps later, between two steps or inside one.
                int end = random.Next(10) == 0 ? int.MaxValue : step + (random.Next(3) == 0 ? random.Next(12) : random.Next(3));
                engine.Admit(next.Job);
                running.Add((next.Job, source, next.Again, next.Key, end));
            }

            void Cancel()
            {
                foreach (var (job, source, _, _, end) in running)
                    if (end <= step && !source.IsCancellationRequested && !job.IsDone)
                    {
                        source.Cancel();
                        cancelled++;
                        string moment = job is GenerationJob { Published: > 0 } ? "decoding" : job.IsPrefilling ? "reading" : "waiting";
                        moments[moment] = moments.GetValueOrDefault(moment) + 1;
                    }
            }

            if (random.Next(2) == 0)
                Cancel();
            else
                model.DuringNext(Cancel);
            if (engine.ActiveJobs > 0)
                engine.Step();
            step++;
            for (int i = running.Count - 1; i >= 0; i--)
            {
                var (job, source, again, key, _) = running[i];
                if (!job.IsDone && !source.IsCancellationRequested)
                    continue;
                if (job.IsDone && !source.IsCancellationRequested)
                {
                    if (!wanted.TryGetValue(key, out var want))
                        wanted[key] = want = Outcome(anew, again());
                    Assert.Equal(want, Outcome(job).ToString());
                    compared++;
                }

                running.RemoveAt(i);
            }
        }

        while (engine.ActiveJobs > 0)
            engine.Step();
        Assert.Equal(engine.CapacityBlocks, engine.FreeBlocks);
        Assert.InRange(compared, 60, int.MaxValue);
        Assert.All(["decoding", "reading", "waiting"], moment => Assert.InRange(moments.GetValueOrDefault(moment), 30, Cancellations));
        foreach (var beginning in beginnings)
        {
            var job = Job(beginning, 20, new SamplingOptions { Seed = 3 });
            Assert.Equal(Run(anew, Job(beginning, 20, new SamplingOptions { Seed = 3 })).Tokens, Run(engine, job).Tokens);
        }
    }

    [Fact]
    public async Task A_model_counts_what_it_did_not_compute_unless_reuse_is_turned_off()
    {
        int[] prompt = Ids(new Random(1), 60);
        var request = new GenerationRequest
        {
            TokenIds = prompt,
            MaxOutputTokens = 5,
            Sampling = SamplingOptions.Greedy,
            IgnoreEndTokens = true,
            IncludeLogProbabilities = true,
        };
        await using var reusing = TinyGpt.Create();
        await using var anew = TinyGpt.Create(new LocalGptOptions { PrefixReuse = false });
        var first = await reusing.CompleteAsync(request);
        var second = await reusing.CompleteAsync(request);
        await anew.CompleteAsync(request);
        var other = await anew.CompleteAsync(request);
        Assert.Equal(0, first.Usage.CachedInputTokens);
        Assert.Equal(59, second.Usage.CachedInputTokens);
        Assert.Equal(0, other.Usage.CachedInputTokens);
        Assert.Equal(other.TokenIds, second.TokenIds);
        Assert.Equal(other.LogProbabilities, second.LogProbabilities);
    }

    [Fact]
    public void Dispose_ends_requests_that_wait_for_the_prompt_of_another()
    {
        using var model = new CountingModel(TinyGpt.Model(contextLength: 800));
        int[] prompt = Ids(new Random(1), 700);
        var jobs = Enumerable.Range(0, 3).Select(_ => Job(prompt, 5, SamplingOptions.Greedy)).ToArray();
        using (var engine = new EngineCore(model, new CpuInferenceSession(_backend), 4 * 800))
        {
            foreach (var job in jobs)
                engine.Admit(job);
            engine.Step();
            Assert.Equal(StepPlan.MaximumPrefillTokens, model.Tokens);
        }

        Assert.All(jobs, job => Assert.Throws<ObjectDisposedException>(() => Outcome(job)));
    }

    private static CausalModel Model(string family)
    {
        var llama = new LlamaConfig
        {
            VocabularySize = TinyGpt.Tokenizer.VocabularySize,
            ContextLength = Context,
            Width = 32,
            Layers = 2,
            Heads = 4,
            KeyHeads = 2,
            HeadWidth = 8,
            InnerWidth = 64,
            InitializerRange = 0.4f,
        };
        switch (family)
        {
            case "gpt2":
                return TinyGpt.Model(contextLength: Context);
            case "llama":
                return Llama.Create(llama, seed: 7);
            case "qwen2":
                return Llama.Create(llama with { ModelType = "qwen2", QueryKeyValueBias = true, TieWordEmbeddings = true }, seed: 7);
            case "qwen3":
                return Llama.Create(llama with { ModelType = "qwen3", QueryKeyNorm = true }, seed: 7);
            case "mistral":
                return Llama.Create(llama with { ModelType = "mistral", SlidingWindow = 40 }, seed: 7);
            case "phi3":
                return Llama.Create(llama with { ModelType = "phi3", FusedProjections = true, PartialRotaryFactor = 0.5 }, seed: 7);
            case "gemma2" or "gemma3":
                return Gemma.Create(
                    new GemmaConfig
                    {
                        ModelType = family == "gemma3" ? "gemma3_text" : family,
                        VocabularySize = llama.VocabularySize,
                        ContextLength = Context,
                        Width = 32,
                        Layers = 2,
                        Heads = 4,
                        KeyHeads = 2,
                        HeadWidth = 8,
                        InnerWidth = 64,
                        InitializerRange = 0.4f,
                        AttentionScalar = 10,
                        AttentionSoftCap = family == "gemma2" ? 20 : 0,
                        FinalSoftCap = family == "gemma2" ? 30 : 0,
                        SlidingWindow = 40,
                        SlidingLayers = [true, false],
                        LocalRopeTheta = family == "gemma3" ? 700 : null,
                    },
                    seed: 7);
            case "dynamic":
                var growing = new RopeScaling { Kind = RopeScalingKind.Dynamic, Factor = 4 };
                return Llama.Create(llama with { ContextLength = Usual, RopeScaling = growing }, seed: 7);
            case "longrope":
                var twofold = new RopeScaling
                {
                    Kind = RopeScalingKind.LongRope,
                    Factor = 4,
                    OriginalContextLength = Usual,
                    ShortFactors = [1, 1, 1, 1],
                    LongFactors = [2, 3, 4, 5],
                };
                return Llama.Create(llama with { RopeScaling = twofold }, seed: 7);
            default:
                if (!DataTypes.TryParse(family, out var type))
                    throw new ArgumentException($"'{family}': unknown type.", nameof(family));
                using (var model = Llama.Create(llama with { HeadWidth = 16, Heads = 2, KeyHeads = 1 }, seed: 7))
                {
                    var path = Path.Combine(Path.GetTempPath(), $"kotonoha-{Guid.NewGuid():N}.gguf");
                    GgufExport.Save(model, CheckpointParts.Of(TinyGpt.Tokenizer), path, type, "tiny");
                    try
                    {
                        return GgufCheckpoint.Load(path);
                    }
                    finally
                    {
                        File.Delete(path);
                    }
                }
        }
    }

    private static int[] Ids(Random random, int count)
        => [.. Enumerable.Range(0, count).Select(_ => random.Next(TinyGpt.Tokenizer.VocabularySize))];

    private static GenerationJob Job(int[] prompt, int maxNewTokens, SamplingOptions sampling, CancellationToken cancellation = default)
        => new(prompt, maxNewTokens, sampling, [], ignoreEndTokens: true, [], TinyGpt.Tokenizer, includeLogProbabilities: true,
            matcher: null, cancellation);

    private static BeamJob Beams(int[] prompt, CancellationToken cancellation)
    {
        var options = new BeamSearchOptions { BeamCount = 3, ReturnCount = 3 };
        return new BeamJob(prompt, 8, new BeamSearch(prompt, 8, options, [], [5]), TinyGpt.Tokenizer.VocabularySize, cancellation);
    }

    private static (EngineJob Job, Func<EngineJob> Again, string Key) RandomWork(
        Random random, int[][] beginnings, int width, CancellationToken token)
    {
        int which = random.Next(beginnings.Length), common = random.Next(1, beginnings[which].Length + 1), tail = random.Next(3);
        int kind = random.Next(6), newTokens = random.Next(1, 25), seed = random.Next(3);
        int[] prompt = [.. beginnings[which][..common], .. Enumerable.Range(7, tail)];
        int[][] choices = [[5, 6, 7], [.. Enumerable.Range(0, 40)], [9]];
        EngineJob Make(CancellationToken cancellation) => kind switch
        {
            0 => new ScoreJob(prompt, choices, cancellation),
            1 => Beams(prompt, cancellation),
            2 => new EmbeddingJob(prompt, width, Pooling.Mean, cancellation),
            _ => Job(prompt, newTokens, new SamplingOptions { Seed = seed }, cancellation),
        };
        return (Make(token), () => Make(CancellationToken.None), $"{which} {common} {kind} {tail} {newTokens} {seed}");
    }

    private static void Drive(EngineCore engine, params EngineJob[] jobs)
    {
        foreach (var job in jobs)
        {
            Assert.True(engine.CanAdmit(job));
            engine.Admit(job);
        }

        while (engine.ActiveJobs > 0)
            engine.Step();
    }

    private static ((int Id, float LogProbability)[] Tokens, GenerationUsage Usage) Run(EngineCore engine, GenerationJob job)
    {
        Drive(engine, job);
        return Outcome(job);
    }

    private static ((int Id, float LogProbability)[] Tokens, GenerationUsage Usage) Outcome(GenerationJob job)
    {
        var updates = job.ReadAsync().ToBlockingEnumerable().ToList();
        return ([.. updates.SelectMany(u => u.TokenIds.Zip(u.LogProbabilities))], updates[^1].Usage!);
    }

    private static string Outcome(EngineCore engine, EngineJob job)
    {
        Drive(engine, job);
        return Outcome(job);
    }

    private static string Outcome(EngineJob job) => job switch
    {
        GenerationJob g => string.Join(' ', Outcome(g).Tokens.Select(t => $"{t.Id}:{t.LogProbability:R}")),
        ScoreJob s => string.Join(' ', s.Result.GetAwaiter().GetResult()),
        EmbeddingJob e => string.Join(' ', e.Result.GetAwaiter().GetResult()),
        BeamJob b => string.Join(' ', b.Result.GetAwaiter().GetResult().Select(h => $"{string.Join(',', h.Ids)}:{h.Score:R}")),
        _ => throw new InvalidOperationException(),
    };

    /// <summary>A real model that counts the tokens that it runs; it can fail, or call back in the midst of a step.</summary>
    private sealed class CountingModel(CausalModel inner) : CausalModel
    {
        private Action? _during;
        private int _failAfter;

        public long Tokens { get; private set; }

        internal override IReadOnlyList<Parameter> Parameters => inner.Parameters;

        public override int VocabularySize => inner.VocabularySize;

        public override int ContextLength => inner.ContextLength;

        public override int Width => inner.Width;

        public void FailAfter(int steps) => _failAfter = steps;

        public void DuringNext(Action action) => _during = action;

        internal override Tensor Forward(Pass pass, Batch batch)
        {
            _during?.Invoke();
            _during = null;
            var hidden = inner.Forward(pass, batch);
            if (_failAfter > 0 && --_failAfter == 0)
                throw new ArithmeticException("The test makes this step fail.");
            Tokens += batch.Tokens;
            return hidden;
        }

        internal override Tensor FinalNorm(Pass pass, Tensor hidden) => inner.FinalNorm(pass, hidden);

        internal override Tensor Logits(Pass pass, Tensor hidden) => inner.Logits(pass, hidden);

        internal override KvShape CacheShape => inner.CacheShape;
    }
}
