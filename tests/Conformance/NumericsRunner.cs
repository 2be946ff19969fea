using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance;

/// <summary>Single operations, forward and backward, on the CPU backend and on the reference loops in single precision.</summary>
internal sealed class NumericsRunner : FixtureRunner
{
    private const string List = "cases.json";

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var list in Directory.EnumerateFiles(root, List, SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            if (IsNumerics(list))
                yield return Path.GetRelativePath(root, Path.GetDirectoryName(list)!).Replace('\\', '/');
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, List)));
        Backend[] backends = ComputingDevice.IsCpu ? [new CpuBackend(), new ReferenceBackend<float>()] : [];
        foreach (var description in document.RootElement.EnumerateArray())
        {
            var name = $"{description.GetProperty("file").GetString()}/{description.GetProperty("case").GetString()}";
            log.Case(name, () =>
            {
                using var file = SafetensorsFile.Open(Path.Combine(folder, description.GetProperty("file").GetString() + ".safetensors"));
                using var numerics = new NumericsCase(description, file);
                foreach (var backend in backends)
                {
                    using var session = new CpuTrainingSession([.. numerics.Inputs], backend);
                    if (Check(numerics, session) is { } difference)
                        return $"{difference} ({backend.Description})";
                }

                if (ComputingDevice.IsCpu)
                    return null;
                using var other = ComputingDevice.Training(numerics.Inputs);
                return Check(numerics, other);
            });
        }

        foreach (var backend in backends)
            backend.Dispose();
    }

    private static string? Check(NumericsCase numerics, TrainingSession session)
    {
        var pass = numerics.Pass = session.Begin(0);
        var output = NumericsFormulas.Compute(numerics);
        var want = numerics.Floats(numerics.Output);
        if (CaseLog.Compare(pass.Read(output), want, numerics.Tolerance, numerics.Tolerance) is { } difference)
            return $"{numerics.Output}: {difference}";

        // The upstream gradient comes in as the weights of a weighted sum.
        var upstream = pass.Constant(numerics.Floats("grad_" + numerics.Output), output.Rows, output.Columns);
        session.Backward(pass.Sum(pass.Multiply(output, upstream)));
        foreach (var name in numerics.Gradients)
        {
            var gradient = new float[numerics.Need(name).Length];
            session.ReadGradient(numerics.Need(name), gradient);
            if (CaseLog.Compare(gradient, numerics.Floats("grad_in_" + name), numerics.Tolerance, numerics.Tolerance)
                is { } gradientDifference)
                return $"gradient of {name}: {gradientDifference}";
        }

        return null;
    }

    // A list of objects that name a file, a case and a formula.
    private static bool IsNumerics(string list)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(list));
            return document.RootElement.ValueKind == JsonValueKind.Array && document.RootElement.GetArrayLength() > 0
                && document.RootElement[0] is { ValueKind: JsonValueKind.Object } first
                && first.TryGetProperty("file", out _) && first.TryGetProperty("case", out _) && first.TryGetProperty("op", out _)
                && first.TryGetProperty("outputs", out _);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
