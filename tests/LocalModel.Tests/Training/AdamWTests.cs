using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.LocalModel.Tests.Training;

public sealed class AdamWTests
{
    [Theory]
    [InlineData("adamw")]
    [InlineData("adamw-eps")]
    public void Step_follows_the_reference_optimiser(string name)
    {
        using var folder = FixtureArchive.Extract("training-optimizers");
        using var json = JsonDocument.Parse(File.ReadAllBytes(folder.At("cases.json")));
        using var tensors = SafetensorsFile.Open(folder.At("tensors.safetensors"));
        var root = json.RootElement;
        var settings = root.GetProperty("cases").EnumerateArray().Single(c => c.GetProperty("name").GetString() == name);
        var indices = settings.GetProperty("params").EnumerateArray().Select(p => p.GetInt32()).ToArray();

        // The cases decay vectors too, so these are given a second dimension.
        var parameters = indices.Select(i =>
        {
            var shape = root.GetProperty("shapes")[i].EnumerateArray().Select(d => d.GetInt32()).ToArray();
            var parameter = new Parameter($"p{i}", shape.Length == 1 ? [shape[0], 1] : shape);
            tensors.Read($"param.{i}", parameter.Values);
            return parameter;
        }).ToArray();
        using var backend = new CpuBackend(threads: 2);
        using var session = new CpuTrainingSession(parameters, backend);
        var optimizer = new AdamW(session, new AdamWOptions
        {
            Beta1 = settings.GetProperty("betas")[0].GetDouble(),
            Beta2 = settings.GetProperty("betas")[1].GetDouble(),
            Epsilon = settings.GetProperty("eps").GetDouble(),
            WeightDecay = settings.GetProperty("weight_decay").GetDouble(),
        });
        for (int step = 1; step <= root.GetProperty("steps").GetInt32(); step++)
        {
            foreach (int i in indices)
                tensors.Read($"grad.{step}.{i}", session.Gradients[parameters[i]]);
            optimizer.Step(settings.GetProperty("lr").GetDouble());
            foreach (int i in indices)
            {
                var expected = tensors.ReadFloats($"{name}.{step}.{i}");
                for (int k = 0; k < expected.Length; k++)
                    Assert.Equal(expected[k], parameters[i].Values[k], 1e-5f);
            }
        }

        foreach (var parameter in parameters)
            parameter.Dispose();
    }

    [Fact]
    public void Vectors_of_any_length_and_cut_get_the_bits_of_the_plain_formula()
    {
        var random = new Random(3);
        var factors = new AdamWOptions().Factors(3, 1e-3, 0.1, 0.37f);
        for (int length = 0; length < 130; length++)
        {
            float[] w = Values(length, 1), g = Values(length, 3), m = Values(length, 1e-2), v = Values(length, 1e-3);
            for (int i = 0; i < length; i++)
                v[i] *= v[i];
            if (length > 20)
                (g[3], m[5], v[7], g[11], m[11]) = (1e-30f, 1e-38f, 1e-44f, 0, 0);
            var expected = (W: w.ToArray(), M: m.ToArray(), V: v.ToArray());
            for (int i = 0; i < length; i++)
                AdamWKernel.UpdateOne(ref expected.W[i], g[i], ref expected.M[i], ref expected.V[i], in factors);
            int cut = random.Next(length + 1);
            AdamWKernel.Update(w.AsSpan(0, cut), g.AsSpan(0, cut), m.AsSpan(0, cut), v.AsSpan(0, cut), in factors);
            AdamWKernel.Update(w.AsSpan(cut), g.AsSpan(cut), m.AsSpan(cut), v.AsSpan(cut), in factors);
            Assert.Equal(expected.W.Select(BitConverter.SingleToInt32Bits), w.Select(BitConverter.SingleToInt32Bits));
            Assert.Equal(expected.M.Select(BitConverter.SingleToInt32Bits), m.Select(BitConverter.SingleToInt32Bits));
            Assert.Equal(expected.V.Select(BitConverter.SingleToInt32Bits), v.Select(BitConverter.SingleToInt32Bits));
        }

        float[] Values(int n, double scale) => Enumerable.Range(0, n).Select(_ => (float)(scale * (random.NextDouble() * 2 - 1))).ToArray();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8191)]
    [InlineData(100_003)]
    public void Steps_and_norms_are_the_same_on_any_number_of_threads_and_on_the_reference_loops(int length)
    {
        var random = new Random(length);
        var start = Enumerable.Range(0, length).Select(_ => (float)random.NextDouble() - 0.5f).ToArray();
        var gradient = start.Select(w => w * 0.3f + 0.01f).ToArray();
        double exact = gradient.Sum(g => (double)g * g);
        var results = new List<(float[] Weights, double Sum)>();
        foreach (var backend in (Backend[])[new CpuBackend(1), new CpuBackend(2), new CpuBackend(3), new ReferenceBackend<float>()])
        {
            using var parameter = new Parameter("w", length, 1);
            using var session = new CpuTrainingSession([parameter], backend);
            var optimizer = new AdamW(session, new AdamWOptions());
            start.CopyTo(parameter.Values);
            gradient.CopyTo(session.Gradients[parameter]);
            double sum = backend.SumOfSquares(session.Gradients);
            optimizer.Step(1e-2, 0.5f);
            optimizer.Step(1e-2, 0.5f);
            results.Add((parameter.Values.ToArray(), sum));
            Assert.Equal(exact, sum, exact * 1e-12);
            backend.Dispose();
        }

        foreach (var (weights, sum) in results)
        {
            Assert.Equal(results[0].Sum, sum);
            Assert.Equal(results[0].Weights, weights);
        }

        // The same by the formula, in double precision.
        for (int i = 0; i < length; i += 997)
        {
            double w = start[i], g = gradient[i] * 0.5, m = 0, v = 0;
            for (int t = 1; t <= 2; t++)
            {
                w *= 1 - 1e-2 * 0.1;
                m = 0.9 * m + 0.1 * g;
                v = 0.95 * v + 0.05 * g * g;
                w -= 1e-2 * (m / (1 - Math.Pow(0.9, t))) / (Math.Sqrt(v / (1 - Math.Pow(0.95, t))) + 1e-8);
            }

            Assert.Equal(w, results[0].Weights[i], 1e-6);
        }
    }

    [Fact]
    public void Moments_of_weights_without_gradients_never_become_denormal()
    {
        using var parameter = new Parameter("w", 4, 8);
        using var backend = new CpuBackend(threads: 2);
        using var session = new CpuTrainingSession([parameter], backend);
        var optimizer = new AdamW(session, new AdamWOptions());
        session.Gradients[parameter].Fill(0.01f);
        optimizer.Step(1e-3);
        session.ZeroGradients();
        for (int step = 0; step < 3000; step++)
            optimizer.Step(1e-3);
        using var folder = new TemporaryFolder();
        var writer = new SafetensorsWriter();
        optimizer.Save(writer);
        writer.Save(folder.At("o.safetensors"));
        using var file = SafetensorsFile.Open(folder.At("o.safetensors"));
        Assert.All(file.ReadFloats("exp_avg.w"), m => Assert.Equal(0, m));
        Assert.All(file.ReadFloats("exp_avg_sq.w"), v => Assert.Equal(0, v));
        Assert.Equal(3001, optimizer.StepCount);
    }

    [Fact]
    public void Load_refuses_moments_of_another_size()
    {
        using var folder = new TemporaryFolder();
        using var small = new Parameter("w", 2, 2);
        using var large = new Parameter("w", 2, 3);
        using var backend = new CpuBackend(threads: 1);
        using var smallSession = new CpuTrainingSession([small], backend);
        using var largeSession = new CpuTrainingSession([large], backend);
        var saved = new AdamW(smallSession, new AdamWOptions());
        var other = new AdamW(largeSession, new AdamWOptions());
        var writer = new SafetensorsWriter();
        saved.Save(writer);
        writer.Save(folder.At("o.safetensors"));
        using var file = SafetensorsFile.Open(folder.At("o.safetensors"));
        Assert.Contains("exp_avg.w", Assert.Throws<SafetensorsException>(() => other.Load(file)).Message, StringComparison.Ordinal);
    }
}
