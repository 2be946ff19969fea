using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Gguf;

/// <summary>GGUF files of every type of tensor, each beside a safetensors file of the same tensors raised to float32.</summary>
internal sealed class TensorTypesRunner : FixtureRunner
{
    private const string ListFile = "tensors.json";
    private const double Relative = 1e-6;
    private const double OfLargest = 2e-6;

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var file in Directory.EnumerateFiles(root, ListFile, SearchOption.AllDirectories))
            if (Directory.EnumerateFiles(Path.GetDirectoryName(file)!, "*.gguf").Any())
                yield return Path.GetRelativePath(root, Path.GetDirectoryName(file)!).Replace('\\', '/');
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, ListFile)));
        foreach (var type in json.RootElement.EnumerateObject())
        {
            var name = type.Name.ToLowerInvariant();
            log.Case(type.Name, () =>
            {
                using var stored = GgufFile.Open(Path.Combine(folder, name + ".gguf"));
                using var raised = SafetensorsFile.Open(Path.Combine(folder, name + ".safetensors"));
                if (type.Value.TryGetProperty("block_bytes", out var bytes) && DataTypes.TryParse(type.Name, out var known)
                    && known.BlockBytes() != bytes.GetInt32())
                    return "blocks of another size";
                return stored.Tensors.Count == raised.Tensors.Count ? null : "another number of tensors";
            });
            foreach (var tensor in type.Value.GetProperty("tensors").EnumerateObject())
                log.Case($"{type.Name} {tensor.Name}", () => Compare(folder, name, tensor.Name));
        }
    }

    private static string? Compare(string folder, string type, string name)
    {
        using var stored = GgufFile.Open(Path.Combine(folder, type + ".gguf"));
        using var raised = SafetensorsFile.Open(Path.Combine(folder, type + ".safetensors"));
        var tensor = stored[name];
        if (!tensor.Shape.SequenceEqual(raised[name].Shape))
            return $"shape {tensor.ShapeText} instead of {raised[name].ShapeText}";
        if (tensor.Type.IsInteger() || tensor.Type == DataType.Float64)
            return Plain(tensor.Type, stored.ReadBytes(name)).SequenceEqual(Plain(TypeOf(raised[name].Type), raised.ReadBytes(name)))
                ? null
                : "other values";
        float[] want = raised.ReadFloats(name), got = stored.ReadFloats(name);
        if (!tensor.Type.IsQuantized())
            return CaseLog.Compare(got, want, 0, 0);
        bool minimum = tensor.Type is DataType.Q4_1 or DataType.Q5_1 or DataType.Q2_K or DataType.Q4_K or DataType.Q5_K;
        return minimum
            ? CaseLog.Compare(got, want, OfLargest * want.Max(Math.Abs), OfLargest)
            : CaseLog.Compare(got, want, 0, Relative);
    }

    private static double[] Plain(DataType type, byte[] stored)
    {
        int size = type.BlockBytes();
        return [.. Enumerable.Range(0, stored.Length / size).Select(i => type switch
        {
            DataType.Int8 => (sbyte)stored[i],
            DataType.Int16 => BitConverter.ToInt16(stored, i * size),
            DataType.Int32 => BitConverter.ToInt32(stored, i * size),
            DataType.Int64 => BitConverter.ToInt64(stored, i * size),
            _ => BitConverter.ToDouble(stored, i * size),
        })];
    }

    private static DataType TypeOf(StoredType type) => Enum.Parse<DataType>(type.ToString());
}
