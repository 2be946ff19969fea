using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Models;

public sealed class Gpt2Tests
{
    private static readonly Gpt2Config Small =
        new() { VocabularySize = 37, ContextLength = 80, Width = 24, Layers = 3, Heads = 4, InnerWidth = 50 };

    [Fact]
    public void Plain_gradient_steps_on_one_batch_make_its_loss_small()
    {
        using var backend = new CpuBackend(1);
        using var model = Gpt2.Create(Small, seed: 1);
        using var pass = new CpuTrainingPass(backend);
        using var gradients = new Gradients(model.Parameters);
        int[] ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3];
        int[] targets = [1, 4, 1, 5, 9, 2, 6, -100, 3, 5, 8, 9, 7, 9, 3, -100];
        var batch = Batch.Packed(ids, 8);
        double first = 0, last = 0;
        for (int step = 0; step < 60; step++)
        {
            gradients.Zero();
            pass.Begin(step);
            var loss = pass.CrossEntropy(model.Logits(pass, model.Forward(pass, batch)), targets);
            last = pass.ReadScalar(loss);
            first = step == 0 ? last : first;
            pass.Backward(loss, gradients);
            foreach (var parameter in model.Parameters)
            {
                var g = gradients[parameter];
                var w = parameter.Values;
                for (int i = 0; i < w.Length; i++)
                    w[i] -= 0.5f * g[i];
            }
        }

        Assert.InRange(first, 3.4, 3.8);
        Assert.True(last < 0.5, $"the loss went from {first} to {last}");
    }

    [Fact]
    public void Decoding_with_the_cache_gives_the_logits_of_the_whole_sequence()
    {
        using var backend = new CpuBackend(1);
        using var model = Gpt2.Create(Small, seed: 2);
        using var pass = new CpuInferencePass(backend);
        int[] ids = Enumerable.Range(0, 71).Select(i => i * 7 % 37).ToArray();
        pass.Begin();
        var whole = pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed(ids)))).ToArray();

        using var cache = new BlockKvCache(model.CacheShape, 128);
        using var sequence = cache.NewSequence();
        var batch = new Batch();
        for (int start = 0; start < ids.Length;)
        {
            int count = start == 0 ? 30 : 1;
            batch.Clear();
            batch.Append(ids.AsSpan(start, count), sequence);
            pass.Begin();
            var logits = pass.Read(model.Logits(pass, model.Forward(pass, batch)));
            for (int i = 0; i < logits.Length; i++)
                Assert.Equal(whole[start * 37 + i], logits[i], 1e-4f);
            start += count;
        }

        Assert.Equal(71, sequence.Length);
    }

    [Fact]
    public void A_cancelled_pass_stops_between_layers()
    {
        using var backend = new CpuBackend(1);
        using var model = Gpt2.Create(Small, seed: 2);
        using var pass = new CpuInferencePass(backend);
        using var source = new CancellationTokenSource();
        source.Cancel();
        pass.Begin(source.Token);
        Assert.Throws<OperationCanceledException>(() => model.Forward(pass, Batch.Packed([1, 2, 3])));
    }

    [Fact]
    public void An_unknown_activation_is_refused_by_name()
    {
        var error =
            Assert.Throws<UnsupportedModelException>(() => new Gpt2(Small with { ActivationFunction = "mystery" }, new ZeroWeights()));
        Assert.Contains("mystery", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_checkpoint_names_and_shapes_are_those_of_hugging_face()
    {
        using var tied = new Gpt2(Small, new ZeroWeights());
        using var untied = new Gpt2(Small with { TieWordEmbeddings = false }, new ZeroWeights());
        Assert.Equal("transformer.wte.weight", tied.Parameters[0].Name);
        Assert.Equal([24, 72], tied.Parameters.Single(p => p.Name == "transformer.h.0.attn.c_attn.weight").Shape.ToArray());
        Assert.Equal([50, 24], tied.Parameters.Single(p => p.Name == "transformer.h.2.mlp.c_proj.weight").Shape.ToArray());
        Assert.DoesNotContain(tied.Parameters, p => p.Name == "lm_head.weight");
        Assert.Equal([37, 24], untied.Parameters[^1].Shape.ToArray());
        Assert.Equal("lm_head.weight", untied.Parameters[^1].Name);
        Assert.Equal(2 + 12 * 3 + 2, tied.Parameters.Count);
    }
}
