using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// The tensors of a model's folder: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> names, as if they were one file.
/// </summary>
public sealed class SafetensorsSet : IDisposable
{
    /// <summary>The name of the file of a model that is not cut into shards.</summary>
    public const string FileName = "model.safetensors";

    /// <summary>The name of the file that says which shard holds which tensor.</summary>
    public const string IndexFileName = "model.safetensors.index.json";

    private readonly List<SafetensorsFile> files = [];
    private readonly Dictionary<string, SafetensorsFile> byName = new(StringComparer.Ordinal);

    private SafetensorsSet(string folder) => Folder = folder;

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The names of all tensors.</summary>
    public IReadOnlyCollection<string> Names => byName.Keys;

    /// <summary>Opens the tensors of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="CheckpointException">There are none, or index and shards disagree.</exception>
    /// <exception cref="SafetensorsException">A file is broken.</exception>
    public static SafetensorsSet Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var set = new SafetensorsSet(folder);
        try
        {
            var single = Path.Combine(folder, FileName);
            var index = Path.Combine(folder, IndexFileName);
            if (File.Exists(single))
                set.Add(SafetensorsFile.Open(single));
            else if (File.Exists(index))
                set.AddShards(index);
            else
                throw new CheckpointException(folder, Directory.EnumerateFiles(folder, "*.bin").Any()
                    ? $"the folder holds neither '{FileName}' nor '{IndexFileName}', but pickled weights (.bin), which are not read because they can run code. Fetch or convert the weights as safetensors."
                    : $"the folder holds neither '{FileName}' nor '{IndexFileName}'. Give the folder of a saved model.");
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">The name.</param>
    /// <param name="entry">The tensor.</param>
    /// <returns>Whether there is one.</returns>
    public bool TryGet(string name, [NotNullWhen(true)] out SafetensorsEntry? entry)
    {
        entry = null;
        return byName.TryGetValue(name, out var file) && file.TryGet(name, out entry);
    }

    /// <summary>The file that holds a tensor.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="CheckpointException">There is no such tensor.</exception>
    public SafetensorsFile FileOf(string name)
        => byName.TryGetValue(name, out var file) ? file : throw new CheckpointException(Folder, $"there is no tensor '{name}'.");

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in files)
            file.Dispose();
    }

    private void Add(SafetensorsFile file)
    {
        files.Add(file);
        foreach (var tensor in file.Tensors)
            if (!byName.TryAdd(tensor.Name, file))
                throw new CheckpointException(Folder, $"tensor '{tensor.Name}' is in two shards, '{Path.GetFileName(byName[tensor.Name].Path)}' and '{Path.GetFileName(file.Path)}'. Restore the files.");
    }

    private void AddShards(string index)
    {
        using var fields = JsonFields.Open(index);
        if (fields.Value("weight_map") is not { ValueKind: JsonValueKind.Object } map)
            throw fields.Wrong("weight_map", "should be an object that names a file for each tensor");
        var named = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var item in map.EnumerateObject())
        {
            // Only a plain file name: an index must not reach outside its folder.
            if (item.Value.ValueKind != JsonValueKind.String || item.Value.GetString() is not { Length: > 0 } shard
                || shard.AsSpan().ContainsAny('/', '\\', '\0') || shard is "." or ".." || Path.GetFileName(shard) != shard)
                throw fields.Wrong("weight_map", $"should name a file of the same folder for '{item.Name}'");
            named.Add(item.Name, shard);
        }

        foreach (var shard in named.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            var path = Path.Combine(Folder, shard);
            if (!File.Exists(path))
                throw new CheckpointException(path, $"the file is missing, but '{IndexFileName}' names it. Restore it.");
            Add(SafetensorsFile.Open(path));
        }

        foreach (var (tensor, shard) in named)
            if (!byName.TryGetValue(tensor, out var file) || Path.GetFileName(file.Path) != shard)
                throw new CheckpointException(index, $"tensor '{tensor}' is not in '{shard}' as the index says. Restore the files.");
        foreach (var tensor in byName.Keys)
            if (!named.ContainsKey(tensor))
                throw new CheckpointException(index, $"tensor '{tensor}' of '{Path.GetFileName(byName[tensor].Path)}' is not named in the index. Restore the files.");
    }
}
