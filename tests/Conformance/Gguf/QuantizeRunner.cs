using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Gguf;

/// <summary>A safetensors file of inputs (<c>in.NAME</c>) and of the bytes that quantisation makes of them (<c>TYPE.NAME</c>).</summary>
internal sealed class QuantizeRunner : FixtureRunner
{
    private const string InputPrefix = "in.";

    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "quantize*.safetensors", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(root, f).Replace('\\', '/'));

    public override void Run(string root, string family, CaseLog log)
    {
        using var file = SafetensorsFile.Open(Path.Combine(root, family));
        foreach (var tensor in file.Tensors)
        {
            if (tensor.Name.StartsWith(InputPrefix, StringComparison.Ordinal))
                continue;
            log.Case(tensor.Name, () =>
            {
                int dot = tensor.Name.IndexOf('.', StringComparison.Ordinal);
                if (!DataTypes.TryParse(tensor.Name[..dot], out var type))
                    return "unknown type";
                byte[] want = file.ReadBytes(tensor.Name), got = new byte[want.Length];
                Quantizer.Run(type, file.ReadFloats(InputPrefix + tensor.Name[(dot + 1)..]), got);
                int at = got.AsSpan().CommonPrefixLength(want);
                return at == want.Length ? null : $"byte {at} is {got[at]}, expected {want[at]}";
            });
        }
    }
}
