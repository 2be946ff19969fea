using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Generation.Engine;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Generation;

/// <summary>The engine's own loop, driven step by step.</summary>
[Collection(nameof(EngineCoreTests))]
public sealed class EngineCoreTests
{
    private const int Context = 400;

    [Fact]
    public void A_decoded_token_allocates_nothing_in_steady_state()
    {
        using var model = TinyGpt.Model(contextLength: Context);
        using var backend = new CpuBackend(1);
        using var engine = new EngineCore(model, backend, 4 * Context);
        SamplingOptions[] settings =
        [
            SamplingOptions.Greedy with { RepetitionPenalty = 1.1f, NoRepeatNgramSize = 3 },
            new SamplingOptions { Temperature = 0.8f, TopK = 40, TopP = 0.9f, MinP = 0.01f, TypicalP = 0.95f, FrequencyPenalty = 0.1f, Seed = 1 },
        ];
        foreach (var sampling in settings)
            engine.Admit(Job([5, 6, 7, 8], 300, sampling, CancellationToken.None, stops: ["never to be seen"]));
        for (int step = 0; step < 60; step++)
            engine.Step();

        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int step = 0; step < 100; step++)
            engine.Step();
        Assert.Equal(0, GC.GetTotalAllocatedBytes(precise: true) - before);
        Assert.Equal(2, engine.ActiveJobs);
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
        var banned = Job([5], 10, SamplingOptions.Greedy with { SuppressTokens = [.. Enumerable.Range(0, model.VocabularySize)] }, CancellationToken.None);
        int[] ids = Run(model, backend, engine => engine.Admit(banned), Job([9, 8, 7], 12, SamplingOptions.Greedy, CancellationToken.None));
        Assert.Equal(12, ids.Length);
        Assert.Throws<SamplingException>(() => banned.ReadAsync().ToBlockingEnumerable().ToList());
    }

    private static GenerationJob Job(int[] prompt, int maxNewTokens, SamplingOptions sampling, CancellationToken cancellation, string[]? stops = null)
        => new(prompt, maxNewTokens, sampling, [], ignoreEndTokens: true, stops ?? [], TinyGpt.Tokenizer, includeLogProbabilities: true, cancellation);

    private static int[] Run(CausalModel model, Backend backend, Action<EngineCore> prepare, GenerationJob job)
    {
        using var engine = new EngineCore(model, backend, 4 * Context);
        engine.Admit(job);
        prepare(engine);
        while (engine.ActiveJobs > 0)
            engine.Step();
        return [.. job.ReadAsync().ToBlockingEnumerable().SelectMany(u => u.TokenIds)];
    }

    /// <summary>A real model that calls back at the start of one forward.</summary>
    private sealed class InterruptingModel(CausalModel inner, int step, Action interrupt) : CausalModel
    {
        private int forwards;

        public bool Interrupted => forwards >= step;

        public override IReadOnlyList<Parameter> Parameters => [];

        public override int VocabularySize => inner.VocabularySize;

        public override int ContextLength => inner.ContextLength;

        public override int Width => inner.Width;

        public override Tensor Forward(Pass pass, Batch batch)
        {
            if (++forwards == step)
                interrupt();
            return inner.Forward(pass, batch);
        }

        public override Tensor Logits(Pass pass, Tensor hidden) => inner.Logits(pass, hidden);

        public override KvCache CreateCache(int capacityTokens) => inner.CreateCache(capacityTokens);
    }
}
