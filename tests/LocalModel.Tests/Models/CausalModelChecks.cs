using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Models;

/// <summary>What holds for every causal model, whatever its family.</summary>
internal static class CausalModelChecks
{
    /// <summary>The logits of a text: (tokens, vocabulary), row by row.</summary>
    public static float[] Logits(CausalModel model, CpuBackend backend, int[] ids)
    {
        using var pass = new CpuInferencePass(backend);
        pass.Begin();
        return pass.Read(model.Logits(pass, model.Forward(pass, Batch.Packed(ids)))).ToArray();
    }

    /// <summary>A prompt in chunks, and then token by token, gives the bits of the whole.</summary>
    public static void ChunksGiveTheBitsOfTheWhole(CausalModel model)
    {
        using var backend = new CpuBackend(1);
        using var pass = new CpuInferencePass(backend);
        int vocabulary = model.VocabularySize;
        int[] ids = [.. Enumerable.Range(0, 71).Select(i => i * 7 % vocabulary)];
        float[] whole = Logits(model, backend, ids);
        using var cache = new BlockKvCache(model.CacheShape, 128);
        using var sequence = cache.NewSequence(promptLength: ids.Length);
        var batch = new Batch();
        for (int start = 0; start < ids.Length;)
        {
            int count = start == 0 ? 30 : 1;
            batch.Clear();
            batch.Append(ids.AsSpan(start, count), sequence);
            pass.Begin();
            var logits = pass.Read(model.Logits(pass, model.Forward(pass, batch)));
            Assert.Equal(whole.AsSpan(start * vocabulary, logits.Length).ToArray(), logits.ToArray());
            start += count;
        }
    }

    /// <summary>Two models have the same weights under the same names, to the bit.</summary>
    public static void SameWeights(CausalModel one, CausalModel other)
    {
        Assert.Equal(one.Parameters.Select(p => p.Name), other.Parameters.Select(p => p.Name));
        foreach (var (left, right) in one.Parameters.Zip(other.Parameters))
            Assert.Equal(left.Values.ToArray(), right.Values.ToArray());
    }
}
