using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Cpu;

/// <summary>The same row gives the same bits, whatever runs beside it, before it, or on how many threads.</summary>
public sealed class SameBitsTests
{
    public static TheoryData<int> Widths => [512, 256, 128];

    [Theory]
    [InlineData(512, nameof(LinearLayout.InOut), 300, 200)]
    [InlineData(512, nameof(LinearLayout.OutIn), 300, 200)]
    [InlineData(512, nameof(LinearLayout.InOut), 768, 192)]
    [InlineData(512, nameof(LinearLayout.OutIn), 40, 1100)]
    [InlineData(256, nameof(LinearLayout.InOut), 300, 200)]
    [InlineData(256, nameof(LinearLayout.OutIn), 300, 200)]
    [InlineData(128, nameof(LinearLayout.InOut), 300, 200)]
    [InlineData(128, nameof(LinearLayout.OutIn), 300, 200)]
    public void A_row_of_a_linear_layer_does_not_depend_on_the_rows_beside_it_or_on_threads(
        int bits, string layoutName, int inputs, int outputs)
    {
        var layout = Enum.Parse<LinearLayout>(layoutName);
        const int Rows = 403;
        using var weight = Random("w", layout == LinearLayout.InOut ? [inputs, outputs] : [outputs, inputs]);
        using var bias = Random("b", outputs);
        using var x = Random("x", Rows, inputs);
        using var one = new CpuBackend(1, bits);
        using var two = new CpuBackend(2, bits);
        var all = Apply(one, x.Values, Rows);
        Assert.Equal(all, Apply(two, x.Values, Rows));
        foreach (int count in (int[])[1, 2, 3, 5, 6, 7, 31, 64, 200])
            foreach (var backend in (CpuBackend[])[one, two])
                for (int first = 0; first + count <= Rows; first += 97)
                    Assert.Equal(all[(first * outputs)..((first + count) * outputs)],
                        Apply(backend, x.Values.Slice(first * inputs, count * inputs), count));

        float[] Apply(CpuBackend backend, Span<float> values, int rows)
        {
            using var pass = new CpuInferencePass(backend);
            pass.Begin();
            return pass.Read(pass.Linear(pass.Constant(values, rows, inputs), weight, bias, layout)).ToArray();
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Prefill_in_chunks_decoding_and_batches_give_the_bits_of_the_whole_prompt(int bits)
    {
        var config =
            new Gpt2Config
            {
                VocabularySize = 61,
                ContextLength = 120,
                Width = 60,
                Layers = 2,
                Heads = 3,
                InnerWidth = 100,
                InitializerRange = 0.2f
            };
        using var model = Gpt2.Create(config, seed: 4);
        using var one = new CpuBackend(1, bits);
        using var two = new CpuBackend(2, bits);
        int[] prompt = Enumerable.Range(0, 101).Select(i => i * i % 61).ToArray(),
            other = Enumerable.Range(0, 37).Select(i => i * 5 % 61).ToArray();
        var whole = Logits(model, one, [(prompt, [101])])[0];
        Assert.Equal(whole, Logits(model, two, [(prompt, [101])])[0]);
        Assert.Equal(whole, Logits(model, two, [(prompt, [32, 32, 32, 5])])[0]);
        Assert.Equal(whole, Logits(model, one, [(prompt, [7, 50, 1, 1, 1, 41])])[0]);
        Assert.Equal(whole, Logits(model, one, [(prompt, Enumerable.Repeat(1, 101).ToArray())])[0]);
        var together = Logits(model, two, [(other, [30, 1, 6]), (prompt, [60, 1, 40]), (other, [2, 30, 5])]);
        Assert.Equal(whole, together[1]);
        Assert.Equal(together[0], together[2]);

        // Without a cache, as in training and scoring.
        using var pass = new CpuInferencePass(two);
        pass.Begin();
        var batch = Batch.Packed([other, prompt]);
        var packed = pass.Read(model.Logits(pass, model.Forward(pass, batch)));
        Assert.Equal(together[0], packed[..(other.Length * 61)].ToArray());
        Assert.Equal(whole, packed[(other.Length * 61)..].ToArray());
    }

    [Fact]
    public void Gradients_do_not_depend_on_the_number_of_threads()
    {
        var config = new Gpt2Config
        {
            VocabularySize = 61,
            ContextLength = 64,
            Width = 60,
            Layers = 2,
            Heads = 3,
            AttentionDropout = 0.1f,
            ResidualDropout = 0.1f,
            EmbeddingDropout = 0.1f,
        };
        using var model = Gpt2.Create(config, seed: 4);
        Assert.Equal(Gradient(1), Gradient(2));
        Assert.Equal(Gradient(1), Gradient(3));

        float[] Gradient(int threads)
        {
            using var backend = new CpuBackend(threads);
            using var pass = new CpuTrainingPass(backend, seed: 9);
            using var gradients = new Gradients(model.Parameters);
            int[] ids = Enumerable.Range(0, 640).Select(i => i * i % 61).ToArray();
            pass.Begin(3);
            var loss = pass.CrossEntropy(model.Logits(pass, model.Forward(pass, Batch.Packed(ids, 64))), ids);
            pass.Backward(loss, gradients);
            return model.Parameters.SelectMany(p => gradients[p].ToArray()).ToArray();
        }
    }

    // The logits of each sequence, fed in chunks through a cache; chunks of the same number run in one batch.
    private static float[][] Logits(Gpt2 model, CpuBackend backend, (int[] Ids, int[] Chunks)[] sequences)
    {
        using var cache = new BlockKvCache(model.CacheShape, 1024);
        using var pass = new CpuInferencePass(backend);
        var cached = sequences.Select(_ => cache.NewSequence()).ToArray();
        var results = sequences.Select(_ => new List<float>()).ToArray();
        int vocabulary = model.VocabularySize;
        for (int step = 0; step < sequences.Max(s => s.Chunks.Length); step++)
        {
            var batch = new Batch();
            var members = new List<int>();
            for (int s = 0; s < sequences.Length; s++)
                if (step < sequences[s].Chunks.Length)
                {
                    batch.Append(sequences[s].Ids.AsSpan(cached[s].Length, sequences[s].Chunks[step]), cached[s]);
                    members.Add(s);
                }

            pass.Begin();
            var logits = pass.Read(model.Logits(pass, model.Forward(pass, batch)));
            for (int i = 0; i < members.Count; i++)
                results[members[i]].AddRange(logits[(batch.SequenceStarts[i] * vocabulary)..(batch.SequenceStarts[i + 1] * vocabulary)]);
        }

        foreach (var sequence in cached)
            sequence.Dispose();
        return results.Select(r => r.ToArray()).ToArray();
    }

    private static Parameter Random(string name, params int[] shape)
    {
        var parameter = new Parameter(name, shape);
        var random = new Random(11);
        foreach (ref float value in parameter.Values)
            value = random.NextSingle() * 2 - 1;
        return parameter;
    }
}
