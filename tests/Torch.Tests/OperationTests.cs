using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Tests.Tensors;
using Kotonoha.LocalModel.Torch;

namespace Kotonoha.Torch.Tests;

/// <summary>Every operation of a pass on libtorch against the reference loops in double precision: values and gradients.</summary>
public sealed class OperationTests
{
    public static TheoryData<string, TorchPrecision> Cases
    {
        get
        {
            var cases = new TheoryData<string, TorchPrecision>();
            foreach (var name in OperationCases.All.Keys.Where(name => !name.Contains("drop", StringComparison.Ordinal)))
                foreach (var precision in (TorchPrecision[])[TorchPrecision.Float32, TorchPrecision.BFloat16])
                    cases.Add(name, precision);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Values_and_gradients_agree_with_the_reference(string name, TorchPrecision precision)
    {
        // bfloat16 keeps 8 bits: what is compared there is the size of the error beside the largest value.
        double tolerance = precision == TorchPrecision.Float32 ? 1e-5 : 4e-2;
        using var inputs = new Inputs { Pass = null! };
        var want = Reference(name, inputs);
        using var session = TorchDevice.Cpu(precision).CreateTrainingSession(inputs.Parameters);
        var got = Run(name, inputs, session);
        Assert.Equal(want.Keys, got.Keys);
        foreach (var (key, values) in want)
        {
            double scale = 1 + (precision == TorchPrecision.Float32 ? 0 : values.Max(Math.Abs));
            for (int i = 0; i < values.Length; i++)
                Assert.True(Math.Abs(got[key][i] - values[i]) <= tolerance * (scale + Math.Abs(values[i])),
                    $"{key}[{i}] is {got[key][i]}, expected {values[i]}");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dropout_keeps_the_mean_and_its_masks_follow_the_step(bool inAttention)
    {
        const int rows = 200, columns = 64;
        using var x = new Parameter("x", rows, columns);
        x.Values.Fill(1);
        using var session = TorchDevice.Cpu().CreateTrainingSession([x], seed: 3);
        var first = Dropped(1, 0);
        Assert.Equal(first, Dropped(1, 0));
        Assert.NotEqual(first, Dropped(2, 0));
        Assert.NotEqual(first, Dropped(1, 1));
        Assert.Equal(1, first.Average(), 0.02);
        if (!inAttention)
        {
            // Bernoulli: each element is 0 with probability 0.3, or 1 / 0.7.
            Assert.All(first, v => Assert.True(v == 0 || Math.Abs(v - 1 / 0.7f) < 1e-6));
            Assert.Equal(0.3, first.Count(v => v == 0) / (double)first.Length, 0.02);
        }

        float[] Dropped(long step, int micro)
        {
            var pass = session.Begin(step, micro);
            var tensor = pass.FromParameter(x);
            var output = inAttention
                ? pass.Attention(tensor, tensor, tensor, Batch.Packed(new int[rows], rows), new AttentionOptions(2) { Dropout = 0.3f })
                : pass.Dropout(tensor, 0.3f);
            return pass.Read(output).ToArray();
        }
    }

    [Fact]
    public void A_pass_that_does_not_train_drops_nothing()
    {
        using var x = new Parameter("x", 4, 4);
        x.Values.Fill(1);
        using var session = TorchDevice.Cpu().CreateInferenceSession();
        var pass = session.Begin();
        Assert.All(pass.Read(pass.Dropout(pass.FromParameter(x), 0.5f)).ToArray(), v => Assert.Equal(1, v));
    }

    [Fact]
    public void A_detached_tensor_passes_no_gradient()
    {
        using var x = new Parameter("x", 1, 3);
        ((ReadOnlySpan<float>)[1, -2, 3]).CopyTo(x.Values);
        using var session = TorchDevice.Cpu().CreateTrainingSession([x]);
        var pass = session.Begin(0);
        var tensor = pass.FromParameter(x);
        session.Backward(pass.Sum(pass.Multiply(tensor, pass.Detach(tensor))));
        var gradient = new float[3];
        session.ReadGradient(x, gradient);
        Assert.Equal([1, -2, 3], gradient);
    }

    [Fact]
    public void Tensors_of_an_earlier_pass_are_refused()
    {
        using var x = new Parameter("x", 4, 4);
        using var session = TorchDevice.Cpu().CreateInferenceSession();
        var pass = session.Begin();
        var old = pass.FromParameter(x);
        pass = session.Begin();
        Assert.Throws<InvalidOperationException>(() => pass.Read(old));
        var kept = pass.FromParameter(x);
        pass.NextLayer(kept);
        Assert.Throws<InvalidOperationException>(() => pass.Scale(kept, 2));
    }

    [Fact]
    public void A_weight_that_was_written_to_is_taken_over_again()
    {
        using var x = new Parameter("x", 1, 2);
        using var session = TorchDevice.Cpu().CreateInferenceSession();
        x.Values.Fill(1);
        Assert.Equal([1, 1], Read());
        x.Values[1] = 5;
        Assert.Equal([1, 5], Read());

        float[] Read()
        {
            var pass = session.Begin();
            return pass.Read(pass.FromParameter(x)).ToArray();
        }
    }

    private static Dictionary<string, float[]> Reference(string name, Inputs inputs)
    {
        using var pass = new CpuTrainingPass(new ReferenceBackend<double>());
        inputs.Pass = pass;
        pass.Begin(1);
        var output = OperationCases.All[name](inputs);
        var results = new Dictionary<string, float[]> { ["output"] = pass.Read(output).ToArray() };
        using var gradients = new Gradients(inputs.Parameters);
        pass.Backward(Weighted(pass, output), gradients);
        foreach (var parameter in inputs.Parameters)
            results.Add("gradient of " + parameter.Name, gradients[parameter].ToArray());
        return results;
    }

    private static Dictionary<string, float[]> Run(string name, Inputs inputs, TrainingSession session)
    {
        var pass = inputs.Pass = session.Begin(1);
        var output = OperationCases.All[name](inputs);
        var results = new Dictionary<string, float[]> { ["output"] = pass.Read(output).ToArray() };
        session.Backward(Weighted(pass, output));
        foreach (var parameter in inputs.Parameters)
        {
            var gradient = new float[parameter.Length];
            session.ReadGradient(parameter, gradient);
            results.Add("gradient of " + parameter.Name, gradient);
        }

        return results;
    }

    private static Tensor Weighted(Pass pass, Tensor output)
    {
        var weights = new float[output.Length];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = MathF.Sin(1 + 0.7f * i);
        return pass.Sum(pass.Multiply(output, pass.Constant(weights, output.Rows, output.Columns)));
    }
}
