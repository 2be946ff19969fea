using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Cpu;

[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public sealed class AllocationTests
{
    private static readonly Gpt2Config Config =
        new() { VocabularySize = 61, ContextLength = 5000, Width = 16, Layers = 2, Heads = 2, ResidualDropout = 0.1f };

    [Fact]
    public void A_hundred_training_steps_allocate_nothing()
    {
        using var model = Gpt2.Create(Config);
        using var backend = new CpuBackend(2);
        using var pass = new CpuTrainingPass(backend);
        using var gradients = new Gradients(model.Parameters);
        int[] ids = Enumerable.Range(0, 96).Select(i => i * i % 61).ToArray();
        var batch = new Batch(96);
        Measure(step =>
        {
            batch.Clear();
            for (int s = 0; s < 2; s++)
                batch.Append(ids.AsSpan(s * 48, 48));
            gradients.Zero();
            pass.Begin(step);
            var loss = pass.CrossEntropy(model.Logits(pass, model.Forward(pass, batch)), ids);
            pass.ReadScalar(loss);
            pass.Backward(loss, gradients);
        });
    }

    [Fact]
    public void A_hundred_decoded_tokens_allocate_nothing()
    {
        using var model = Gpt2.Create(Config);
        using var backend = new CpuBackend(2);
        using var pass = new CpuInferencePass(backend);
        using var cache = new BlockKvCache(model.CacheShape, 9000);
        using var first = cache.NewSequence();
        using var second = cache.NewSequence();
        var batch = new Batch();
        var token = new int[1];
        Measure(step =>
        {
            batch.Clear();
            token[0] = step % 61;
            batch.Append(token, first);
            batch.Append(token, second);
            pass.Begin();
            var hidden = model.Forward(pass, batch);
            _ = pass.Read(model.Logits(pass, hidden))[5];
        });
    }

    // The test runner's own threads allocate now and then, so the quietest round counts: what the steps allocate, every round would show.
    private static void Measure(Action<int> step)
    {
        int next = 0;
        for (int i = 0; i < 40; i++)
            step(next++);
        long least = long.MaxValue;
        for (int round = 0; round < 500 && least > 0; round++)
        {
            long before = GC.GetTotalAllocatedBytes(true);
            for (int i = 0; i < 100; i++)
                step(next++);
            least = Math.Min(least, GC.GetTotalAllocatedBytes(true) - before);
        }

        Assert.Equal(0, least);
    }
}
