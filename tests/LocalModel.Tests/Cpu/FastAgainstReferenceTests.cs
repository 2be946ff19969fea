using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tests.Tensors;

namespace Kotonoha.LocalModel.Tests.Cpu;

/// <summary>
/// Every operation, forward and backward, on the fast kernels of each vector width against the reference loops in double precision.
/// </summary>
public sealed class FastAgainstReferenceTests
{
    public static TheoryData<string, int, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int, int>();
            foreach (var name in OperationCases.All.Keys)
                foreach (var (bits, threads) in ((int, int)[])[(512, 1), (256, 2), (128, 1)])
                    cases.Add(name, bits, threads);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_fast_kernels_agree_with_the_reference(string name, int bits, int threads)
    {
        using var fast = new CpuBackend(threads, bits);
        var got = Run(fast, name);
        var want = Run(new ReferenceBackend<double>(), name);
        Assert.Equal(want.Keys, got.Keys);
        foreach (var (key, values) in want)
            for (int i = 0; i < values.Length; i++)
                Assert.True(Math.Abs(got[key][i] - values[i]) <= 4e-6 * (1 + Math.Abs(values[i])),
                    $"{key}[{i}] is {got[key][i]}, expected {values[i]}");
    }

    private static Dictionary<string, float[]> Run(Backend backend, string name)
    {
        using var pass = new CpuTrainingPass(backend, seed: 5);
        using var inputs = new Inputs { Pass = pass };
        pass.Begin(1);
        var output = OperationCases.All[name](inputs);
        var results = new Dictionary<string, float[]> { ["output"] = pass.Read(output).ToArray() };
        var weights = new float[output.Length];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = MathF.Sin(1 + 0.7f * i);
        using var gradients = new Gradients(inputs.Parameters);
        pass.Backward(pass.Sum(pass.Multiply(output, pass.Constant(weights, output.Rows, output.Columns))), gradients);
        foreach (var parameter in inputs.Parameters)
            results.Add("gradient of " + parameter.Name, gradients[parameter].ToArray());
        return results;
    }
}
