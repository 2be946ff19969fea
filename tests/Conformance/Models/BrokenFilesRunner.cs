using System.Text.Json;
using Kotonoha.Foundation.Gguf;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Conformance.Models;

/// <summary>
/// Malformed checkpoint files: refused by a typed error, without taking memory that the file only promises; valid controls are read.
/// </summary>
internal sealed class BrokenFilesRunner : FixtureRunner
{
    private const string ListFile = "broken.json";
    private const long MaxAllocatedBytes = 8 << 20;

    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, ListFile, SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(root, Path.GetDirectoryName(f)!).Replace('\\', '/'));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, ListFile)));
        foreach (var kind in json.RootElement.EnumerateObject())
            foreach (var item in kind.Value.EnumerateArray())
            {
                var file = item.GetProperty("file").GetString()!;
                if (kind.Name == "safetensors")
                    log.Case(file, () => Check(item, () => Safetensors(Path.Combine(folder, file))));
                else if (kind.Name == "gguf")
                    log.Case(file, () => Check(item, () => Gguf(Path.Combine(folder, file))));
                else
                    log.Skip(file, $"{kind.Name} files are not supported yet");
            }
    }

    // Shapes as the reference readers give them: of GGUF files the innermost dimension first.
    private static Dictionary<string, long[]> Safetensors(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return file.Tensors.ToDictionary(t => t.Name, t => t.Shape.ToArray());
    }

    private static Dictionary<string, long[]> Gguf(string path)
    {
        using var file = GgufFile.Open(path);
        foreach (var tensor in file.Tensors)
            _ = file.ReadBytes(tensor.Name);
        return file.Tensors.ToDictionary(t => t.Name, t => t.Shape.ToArray().Reverse().ToArray());
    }

    private static string? Check(JsonElement item, Func<Dictionary<string, long[]>> open)
    {
        var must = item.GetProperty("must").GetString();
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var tensors = open();
            if (must == "reject")
                return $"accepted, though: {item.GetProperty("defect").GetString()}";
            return must == "accept" ? Tensors(tensors, item.GetProperty("reference_reader").GetProperty("tensors")) : null;
        }
        catch (Exception exception) when (exception is SafetensorsException or GgufException)
        {
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            return must == "accept" ? exception.Message : allocated > MaxAllocatedBytes ? $"{allocated} bytes allocated" : null;
        }
    }

    private static string? Tensors(Dictionary<string, long[]> tensors, JsonElement expected)
    {
        foreach (var tensor in expected.EnumerateObject())
            if (!tensors.TryGetValue(tensor.Name, out var shape)
                || !shape.AsSpan().SequenceEqual(tensor.Value.EnumerateArray().Select(d => d.GetInt64()).ToArray()))
                return $"tensor '{tensor.Name}' is missing or of another shape";
        return tensors.Count == expected.EnumerateObject().Count() ? null : "other tensors than expected";
    }
}
