using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Conformance.Models;

/// <summary>Malformed checkpoint files: refused by a typed error, without taking memory that the file only promises; valid controls are read.</summary>
internal sealed class BrokenFilesRunner : FixtureRunner
{
    private const string ListFile = "broken.json";
    private const long MaxAllocatedBytes = 8 << 20;

    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, ListFile, SearchOption.AllDirectories).Select(f => Path.GetRelativePath(root, Path.GetDirectoryName(f)!).Replace('\\', '/'));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, ListFile)));
        foreach (var kind in json.RootElement.EnumerateObject())
            foreach (var item in kind.Value.EnumerateArray())
            {
                var file = item.GetProperty("file").GetString()!;
                if (kind.Name == "safetensors")
                    log.Case(file, () => Check(Path.Combine(folder, file), item));
                else
                    log.Skip(file, $"{kind.Name} files are not supported yet");
            }
    }

    private static string? Check(string file, JsonElement item)
    {
        var must = item.GetProperty("must").GetString();
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using var opened = SafetensorsFile.Open(file);
            if (must == "reject")
                return $"accepted, though: {item.GetProperty("defect").GetString()}";
            return must == "accept" ? Tensors(opened, item.GetProperty("reference_reader").GetProperty("tensors")) : null;
        }
        catch (SafetensorsException exception)
        {
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            return must == "accept" ? exception.Message : allocated > MaxAllocatedBytes ? $"{allocated} bytes allocated" : null;
        }
    }

    private static string? Tensors(SafetensorsFile file, JsonElement expected)
    {
        foreach (var tensor in expected.EnumerateObject())
            if (!file.TryGet(tensor.Name, out var entry) || !entry.Shape.SequenceEqual(tensor.Value.EnumerateArray().Select(d => d.GetInt64()).ToArray()))
                return $"tensor '{tensor.Name}' is missing or of another shape";
        return file.Tensors.Count == expected.EnumerateObject().Count() ? null : "other tensors than expected";
    }
}
