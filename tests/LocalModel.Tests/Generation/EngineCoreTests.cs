using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Generation;

/// <summary>The engine's own loop, driven step by step.</summary>
[Collection(nameof(EngineCoreTests))]
public sealed class EngineCoreTests
{
    private const int Context = 400;

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("dynamic")]
    [InlineData("longrope")]
    public void A_decoded_token_allocates_nothing_in_steady_state(string kind)
    {
        const int LongContext = 800, WarmUp = 60, Steps = 600, Rounds = 300;
        using var model = ModelOf(kind, LongContext, factor: 20, originalLength: 40);
        using var backend = new CpuBackend(1);
        using var engine = new EngineCore(model, new CpuInferenceSession(backend), 4 * LongContext);
        SamplingOptions[] settings =
        [
            SamplingOptions.Greedy with { RepetitionPenalty = 1.1f, NoRepeatNgramSize = 3 },
            new SamplingOptions { Temperature = 0.8f, TopK = 40, TopP = 0.9f, MinP = 0.01f, TypicalP = 0.95f, FrequencyPenalty = 0.1f,
                Seed = 1 },
        ];

        // With one thread everything runs on this one. The runtime allocates on it too while it compiles the loops anew, so a later round
        // counts.
        long allocated = long.MaxValue;
        for (int round = 0; round < Rounds && allocated > 0; round++)
        {
            using var source = new CancellationTokenSource();
            foreach (var sampling in settings)
                engine.Admit(Job([5, 6, 7, 8], WarmUp + Steps + 10, sampling, source.Token, stops: ["never to be seen"]));
            for (int step = 0; step < WarmUp; step++)
                engine.Step();
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int step = 0; step < Steps; step++)
                engine.Step();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(2, engine.ActiveJobs);
            source.Cancel();
            engine.Step();
            Assert.Equal(0, engine.ActiveJobs);
        }

        Assert.Equal(0, allocated);
    }

    [Fact]
    public async Task Scores_of_a_long_sequence_see_its_whole_length_in_every_chunk()
    {
        using var model = TinyGpt.Llama(contextLength: 200, new RopeScaling { Kind = RopeScalingKind.Dynamic, Factor = 4 });
        int[] ids = [.. Enumerable.Range(0, 600).Select(i => 5 + i * 7 % 200)];
        using var backend = new CpuBackend(1);
        using var pass = new CpuInferencePass(backend);
        pass.Begin();
        var hidden = model.Forward(pass, Batch.Packed(ids));
        float[] want = pass.Read(model.Logits(pass, pass.SelectRows(hidden, [ids.Length - 1]))).ToArray();

        using var engine = new EngineCore(model, new CpuInferenceSession(backend), 1024);
        var job = new TokenScoreJob(ids, lastLogits: true, CancellationToken.None);
        engine.Admit(job);
        while (engine.ActiveJobs > 0)
            engine.Step();
        Assert.Equal(want, (await job.Result).LastLogits!);
    }

    [Fact]
    public void Cancellation_between_two_layers_of_a_prompt_ends_that_request_alone()
    {
        using var weights = TinyGpt.Model(contextLength: Context);
        using var backend = new CpuBackend(1);
        int[] longPrompt = [.. Enumerable.Range(0, 300).Select(i => 5 + i % 200)];
        int[] alone = Run(weights, backend, _ => { }, Job([9, 8, 7], 12, SamplingOptions.Greedy, CancellationToken.None));

        using var source = new CancellationTokenSource();
        var steadfast = Job([9, 8, 7], 12, SamplingOptions.Greedy, CancellationToken.None);
        var cancelled = Job(longPrompt, 12, SamplingOptions.Greedy, source.Token);

        // The model itself cancels while its first layer runs in the second step, with the prompt half read.
        using var interrupting = new InterruptingModel(weights, step: 2, source.Cancel);
        int[] beside = Run(interrupting, backend, engine => engine.Admit(cancelled), steadfast);

        Assert.True(interrupting.Interrupted);
        Assert.Equal(alone, beside);
        Assert.Equal(0, cancelled.Published);
        Assert.Throws<OperationCanceledException>(() => cancelled.ReadAsync().ToBlockingEnumerable().ToList());
    }

    [Fact]
    public void A_sequence_without_a_possible_token_fails_and_the_others_go_on()
    {
        using var model = TinyGpt.Model();
        using var backend = new CpuBackend(1);
        var banned =
            Job([5], 10, SamplingOptions.Greedy with { SuppressTokens = [.. Enumerable.Range(0, model.VocabularySize)] },
                CancellationToken.None);
        int[] ids = Run(model, backend, engine => engine.Admit(banned), Job([9, 8, 7], 12, SamplingOptions.Greedy, CancellationToken.None));
        Assert.Equal(12, ids.Length);
        Assert.Throws<SamplingException>(() => banned.ReadAsync().ToBlockingEnumerable().ToList());
    }

    [Fact]
    public void An_error_of_one_sequence_leaves_the_others_alone()
    {
        using var model = TinyGpt.Model();
        using var backend = new CpuBackend(1);

        // An end token outside the vocabulary: to ban it for the first three tokens is an index error.
        var broken = new GenerationJob(
            [5], 10, SamplingOptions.Greedy with { MinNewTokens = 3 }, [100_000], ignoreEndTokens: false, [], TinyGpt.Tokenizer,
            includeLogProbabilities: false, matcher: null, CancellationToken.None);
        int[] ids = Run(model, backend, engine => engine.Admit(broken), Job([9, 8, 7], 12, SamplingOptions.Greedy, CancellationToken.None));
        Assert.Equal(12, ids.Length);
        Assert.Throws<IndexOutOfRangeException>(() => broken.ReadAsync().ToBlockingEnumerable().ToList());
    }

    [Fact]
    public void Random_work_with_random_cancellations_gives_every_block_back_and_disturbs_nobody()
    {
        const int Jobs = 120, Capacity = 3 * Context;
        using var model = TinyGpt.Model(contextLength: Context);
        using var backend = new CpuBackend(1);
        var random = new Random(20);
        var sources = Enumerable.Range(0, Jobs).Select(_ => new CancellationTokenSource()).ToArray();
        var plans = Enumerable.Range(0, Jobs)
            .Select(i =>
                (Kind: random.Next(5), Length: random.Next(1, i % 10 == 0 ? 290 : 40), Seed: random.Next(), Cancelled: random.Next(4) == 0))
                    .ToArray();
        EngineJob Make(int i, CancellationToken token)
        {
            var content = new Random(plans[i].Seed);
            int[] Ids(int count) => [.. Enumerable.Range(0, count).Select(_ => content.Next(model.VocabularySize))];
            int[] prompt = Ids(plans[i].Length);
            return plans[i].Kind switch
            {
                0 => Job(prompt, content.Next(1, 20), new SamplingOptions { Seed = plans[i].Seed }, token),
                1 => new ScoreJob(prompt, [.. Enumerable.Range(0, content.Next(0, 12)).Select(_ => Ids(content.Next(0, 60)))], token),
                2 => new EmbeddingJob(prompt, model.Width, Pooling.Mean, token),
                3 => Job(prompt, Context - prompt.Length, new SamplingOptions { Seed = plans[i].Seed }, token),
                _ => new BeamJob(prompt, 8, new BeamSearch(prompt, 8, new BeamSearchOptions { BeamCount = 3, ReturnCount = 3 }, [], [5]),
                    model.VocabularySize, token),
            };
        }

        static string Outcome(EngineJob job) => job switch
        {
            GenerationJob g => string.Join(' ', g.ReadAsync().ToBlockingEnumerable().SelectMany(u => u.TokenIds)),
            ScoreJob s => string.Join(' ', s.Result.GetAwaiter().GetResult()),
            EmbeddingJob e => string.Join(' ', e.Result.GetAwaiter().GetResult()),
            BeamJob b => string.Join(' ', b.Result.GetAwaiter().GetResult().Select(h => $"{string.Join(',', h.Ids)}:{h.Score:R}")),
            _ => throw new InvalidOperationException(),
        };

        using var engine = new EngineCore(model, new CpuInferenceSession(backend), Capacity);
        var jobs = Enumerable.Range(0, Jobs).Select(i => Make(i, sources[i].Token)).ToArray();
        for (int next = 0; next < Jobs || engine.ActiveJobs > 0;)
        {
            while (next < Jobs && engine.CanAdmit(jobs[next]))
                engine.Admit(jobs[next++]);
            int victim = random.Next(Jobs);
            if (victim < next && plans[victim].Cancelled)
                sources[victim].Cancel();
            engine.Step();
        }

        Assert.Equal(engine.CapacityBlocks, engine.FreeBlocks);
        int compared = 0;
        for (int i = 0; i < Jobs; i++)
        {
            if (plans[i].Cancelled && sources[i].IsCancellationRequested)
                continue; // it may have been done before
            using var single = new EngineCore(model, new CpuInferenceSession(backend), Capacity);
            var alone = Make(i, CancellationToken.None);
            single.Admit(alone);
            while (single.ActiveJobs > 0)
                single.Step();
            Assert.Equal(Outcome(alone), Outcome(jobs[i]));
            compared++;
        }

        Assert.True(compared > Jobs / 2);
        foreach (var source in sources)
            source.Dispose();
    }

    [Theory]
    [InlineData("gpt2", true)]
    [InlineData("gpt2", false)]
    [InlineData("llama", true)]
    [InlineData("dynamic", true)]
    [InlineData("longrope", true)]
    public void Long_answers_run_side_by_side_in_a_cache_that_holds_one_and_have_the_bits_of_those_alone(string kind, bool prefixReuse)
    {
        using var model = ModelOf(kind, Context, factor: 10, originalLength: 70);
        int[] answers = [380, 300, 390, 120];
        using var backend = new CpuBackend(1);
        using var engine = new EngineCore(model, new CpuInferenceSession(backend), Context, prefixReuse);
        GenerationJob[] Make() => [.. answers.Select(
            (tokens, i) => Job([5, 6, 7, i], tokens, new SamplingOptions { Seed = i }, CancellationToken.None))];
        var jobs = Make();
        foreach (var job in jobs)
        {
            Assert.True(engine.CanAdmit(job));
            engine.Admit(job);
        }

        int mostPaused = 0, mostTogether = 0;
        while (engine.ActiveJobs > 0)
        {
            int[] before = [.. jobs.Select(job => job.Published)];
            engine.Step();
            mostTogether = Math.Max(mostTogether, jobs.Where((job, i) => job.Published > before[i]).Count());
            mostPaused = Math.Max(mostPaused, engine.PausedJobs);

            // Whoever came first is never held up.
            if (jobs[0].Published < answers[0])
                Assert.Equal(before[0] + 1, jobs[0].Published);
        }

        Assert.Equal((4, 3, 0), (mostTogether, mostPaused, engine.PausedJobs));
        Assert.Equal(engine.CapacityBlocks, engine.FreeBlocks);
        var alone = Make();
        for (int i = 0; i < jobs.Length; i++)
        {
            using var single = new EngineCore(model, new CpuInferenceSession(backend), Context, prefixReuse: false);
            single.Admit(alone[i]);
            while (single.ActiveJobs > 0)
                single.Step();
            var (want, got) = (Outcome(alone[i]), Outcome(jobs[i]));
            Assert.Equal(want.Ids, got.Ids);
            Assert.Equal(want.LogProbabilities, got.LogProbabilities);
            Assert.Equal(answers[i], got.Ids.Length);
            Assert.Equal(want.Cached, got.Cached);
        }

        static (int[] Ids, float[] LogProbabilities, int Cached) Outcome(GenerationJob job)
        {
            var updates = job.ReadAsync().ToBlockingEnumerable().ToList();
            return ([.. updates.SelectMany(u => u.TokenIds)], [.. updates.SelectMany(u => u.LogProbabilities)],
                updates[^1].Usage!.CachedInputTokens);
        }
    }

    private static GenerationJob Job(
        int[] prompt, int maxNewTokens, SamplingOptions sampling, CancellationToken cancellation, string[]? stops = null)
        => new(prompt, maxNewTokens, sampling, [], ignoreEndTokens: true, stops ?? [], TinyGpt.Tokenizer, includeLogProbabilities: true,
            matcher: null,
            cancellation);

    private static int[] Run(CausalModel model, Backend backend, Action<EngineCore> prepare, GenerationJob job)
    {
        using var engine = new EngineCore(model, new CpuInferenceSession(backend), 4 * Context);
        engine.Admit(job);
        prepare(engine);
        while (engine.ActiveJobs > 0)
            engine.Step();
        return [.. job.ReadAsync().ToBlockingEnumerable().SelectMany(u => u.TokenIds)];
    }

    /// <summary>A real model that calls back at the start of one forward.</summary>
    private sealed class InterruptingModel(CausalModel inner, int step, Action interrupt) : CausalModel
    {
        private int _forwards;

        public bool Interrupted => _forwards >= step;

        internal override IReadOnlyList<Parameter> Parameters => [];

        public override int VocabularySize => inner.VocabularySize;

        public override int ContextLength => inner.ContextLength;

        public override int Width => inner.Width;

        internal override Tensor Forward(Pass pass, Batch batch)
        {
            if (++_forwards == step)
                interrupt();
            return inner.Forward(pass, batch);
        }

        internal override Tensor FinalNorm(Pass pass, Tensor hidden) => inner.FinalNorm(pass, hidden);

        internal override Tensor Logits(Pass pass, Tensor hidden) => inner.Logits(pass, hidden);

        internal override KvShape CacheShape => inner.CacheShape;
    }

    private static CausalModel ModelOf(string kind, int contextLength, float factor, int originalLength) => kind switch
    {
        "gpt2" => TinyGpt.Model(contextLength: contextLength),
        "dynamic" => TinyGpt.Llama(contextLength: 40, new RopeScaling { Kind = RopeScalingKind.Dynamic, Factor = factor }),
        "longrope" => TinyGpt.Llama(
            contextLength,
            new RopeScaling
            {
                Kind = RopeScalingKind.LongRope,
                Factor = 2,
                OriginalContextLength = originalLength,
                ShortFactors = [1, 1, 1, 1],
                LongFactors = [2, 2, 2, 2],
            }),
        _ => TinyGpt.Llama(contextLength: contextLength),
    };
}
