using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Server.Models;

/// <summary>What a model's files say about it, without loading it.</summary>
/// <param name="Format"><c>gguf</c> or <c>safetensors</c>.</param>
/// <param name="Family">The architecture, as the files name it.</param>
/// <param name="Parameters">How many weights there are.</param>
/// <param name="StoredAs">How most of the weights are stored, such as <c>F32</c> or <c>Q4_K</c>.</param>
/// <param name="Digest">
/// SHA-256 of the files' names and sizes and of their first and last MiB: another one for another model, without reading all of its
/// weights.
/// </param>
internal sealed record ModelDetails(string Format, string Family, long Parameters, string StoredAs, string Digest)
{
    private const int DigestedBytes = 1 << 20;

    /// <summary>Parameters as Ollama writes them: <c>134.5M</c>.</summary>
    public string Size => Parameters switch
    {
        >= 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{Parameters / 1e9:0.0}B"),
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{Parameters / 1e6:0.0}M"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{Parameters / 1e3:0.0}K"),
    };

    /// <exception cref="KotonohaException">The files are not there, or broken.</exception>
    public static ModelDetails Read(string path)
    {
        var resolved = HubModels.Resolve(path);
        if (GgufFolder.Find(resolved) is { } file)
        {
            using var gguf = GgufFile.Open(file);
            return new ModelDetails("gguf", gguf.Architecture, gguf.Tensors.Sum(tensor => tensor.Count),
                MostOf(gguf.Tensors.Select(tensor => (NameOf(tensor.Type.ToString()), tensor.Count))), DigestOf([file]));
        }

        return CheckpointFolder.Read(resolved, folder =>
        {
            string[] files = [.. Directory.GetFiles(folder, "*.safetensors").Order(StringComparer.Ordinal)];
            var tensors = new List<(string Type, long Count)>();
            foreach (var weights in files)
            {
                using var opened = SafetensorsFile.Open(weights);
                tensors.AddRange(opened.Tensors.Select(tensor => (tensor.TypeName, tensor.Count)));
            }

            return new ModelDetails("safetensors", FamilyOf(folder), tensors.Sum(tensor => tensor.Count), MostOf(tensors), DigestOf(files));
        });
    }

    // GGUF's names: F32, F16, BF16, and the quantised ones as they are.
    private static string NameOf(string type)
        => type.Replace("BFloat", "BF", StringComparison.Ordinal).Replace("Float", "F", StringComparison.Ordinal);

    private static string MostOf(IEnumerable<(string Type, long Count)> tensors)
        => tensors.GroupBy(tensor => tensor.Type).MaxBy(group => group.Sum(tensor => tensor.Count))?.Key ?? "";

    private static string FamilyOf(string folder)
    {
        var file = Path.Combine(folder, "config.json");
        try
        {
            return File.Exists(file)
                && JsonElement.Parse(File.ReadAllBytes(file)) is { ValueKind: JsonValueKind.Object } config
                && config.TryGetProperty("model_type", out var type) && type.ValueKind == JsonValueKind.String ? type.GetString()! : "";
        }
        catch (JsonException)
        {
            return "";
        }
    }

    private static string DigestOf(string[] files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[DigestedBytes];
        Span<byte> length = stackalloc byte[sizeof(long)];
        foreach (var file in files)
        {
            using var stream = File.OpenRead(file);
            BinaryPrimitives.WriteInt64LittleEndian(length, stream.Length);
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetFileName(file)));
            hash.AppendData(length);
            foreach (long begin in new[] { 0, Math.Max(0, stream.Length - DigestedBytes) })
            {
                stream.Position = begin;
                hash.AppendData(buffer, 0, stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
