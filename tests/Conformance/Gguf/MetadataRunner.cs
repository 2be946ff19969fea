using System.Text.Json;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Conformance.Gguf;

/// <summary>GGUF files with metadata of every kind, and a list of what they hold.</summary>
internal sealed class MetadataRunner : FixtureRunner
{
    private const string ListFile = "metadata.json";

    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, ListFile, SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(root, f).Replace('\\', '/'));

    public override void Run(string root, string family, CaseLog log)
    {
        var list = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(list));
        foreach (var item in json.RootElement.EnumerateObject())
        {
            var path = Path.Combine(Path.GetDirectoryName(list)!, item.Name);
            log.Case(item.Name, () =>
            {
                using var file = GgufFile.Open(path);
                var keys = item.Value.GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("key").GetString()!);
                return file.Metadata.Keys.Where(k => k != "general.alignment").SequenceEqual(keys.Where(k => k != "general.alignment"))
                    ? null
                    : "other keys, or another order";
            });
            foreach (var entry in item.Value.GetProperty("entries").EnumerateArray())
                log.Case($"{item.Name} {entry.GetProperty("key").GetString()}", () =>
                {
                    using var file = GgufFile.Open(path);
                    return Check(file.Metadata[entry.GetProperty("key").GetString()!], entry);
                });
            if (item.Value.TryGetProperty("tensors", out var tensors))
                foreach (var tensor in tensors.EnumerateObject())
                    log.Case($"{item.Name} tensor {tensor.Name}", () =>
                    {
                        using var file = GgufFile.Open(path);
                        return CaseLog.Compare(file.ReadFloats(tensor.Name), [.. Flat(tensor.Value)], 0, 0);
                    });
        }
    }

    private static string? Check(GgufValue got, JsonElement entry)
    {
        if (!got.Type.ToString().Equals(entry.GetProperty("type").GetString(), StringComparison.OrdinalIgnoreCase))
            return $"type {got.Type}";
        if (entry.TryGetProperty("element_type", out var element)
            && !got.ElementType.ToString()!.Equals(element.GetString(), StringComparison.OrdinalIgnoreCase))
            return $"element type {got.ElementType}";
        return Same(got.Value, entry.GetProperty("value")) ? null : $"{got.Value} instead of {entry.GetProperty("value").GetRawText()}";
    }

    private static bool Same(object got, JsonElement want) => got switch
    {
        GgufValue value => Same(value.Value, want),
        Array array => want.ValueKind == JsonValueKind.Array && array.Length == want.GetArrayLength()
            && Enumerable.Range(0, array.Length).All(i => Same(array.GetValue(i)!, want[i])),
        string text => want.ValueKind == JsonValueKind.String && text == want.GetString(),
        bool truth => truth ? want.ValueKind == JsonValueKind.True : want.ValueKind == JsonValueKind.False,
        float number => ((double)number).Equals(Number(want)),
        double number => number.Equals(Number(want)),
        ulong number => number == want.GetUInt64(),
        _ => Convert.ToInt64(got, null) == want.GetInt64(),
    };

    private static double Number(JsonElement want) => want.ValueKind != JsonValueKind.String ? want.GetDouble() : want.GetString() switch
    {
        "Infinity" => double.PositiveInfinity,
        "-Infinity" => double.NegativeInfinity,
        _ => double.NaN,
    };

    private static IEnumerable<float> Flat(JsonElement values)
        => values.ValueKind == JsonValueKind.Array ? values.EnumerateArray().SelectMany(Flat) : [(float)Number(values)];
}
