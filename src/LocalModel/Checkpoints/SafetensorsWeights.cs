using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// The weights of a folder in the Hugging Face layout, whole or in shards; half precision is raised to single, or its matrices are mapped
/// as they are. Knows the older spellings: names without or with the model's prefix, <c>gamma</c> and <c>beta</c> of norms.
/// </summary>
internal sealed class SafetensorsWeights : IWeightSource
{
    private const int MostNamesInAMessage = 5;

    // What a model of transformers keeps its bare part under.
    private static readonly string[] Prefixes = ["model.", "transformer.", "bert.", "roberta.", "distilbert.", "language_model."];

    private static readonly (string Name, string Older)[] OlderEndings =
        [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")];

    // Values that older versions stored beside the weights and that are computed instead.
    private static readonly string[] Buffers =
        [".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq", "position_ids", "embeddings.token_type_ids"];

    private readonly SafetensorsSet _tensors;
    private readonly WeightPrecision _precision;
    private readonly Dictionary<string, string> _taken = new(StringComparer.Ordinal);

    /// <summary>Opens the weights of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="precision">In which format matrices of half precision are kept; a file that is mapped must not be cut short while it is
    /// in use.</param>
    /// <exception cref="CheckpointException">There are none, or index and shards disagree.</exception>
    /// <exception cref="SafetensorsException">A file is broken.</exception>
    public SafetensorsWeights(string folder, WeightPrecision precision = WeightPrecision.Single)
    {
        _tensors = SafetensorsSet.Open(folder);
        _precision = precision;
    }

    /// <inheritdoc/>
    public string Path => _tensors.Folder;

    /// <summary>The number of tensors in the files.</summary>
    internal int Count => _tensors.Names.Count;

    /// <inheritdoc/>
    public bool Contains(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return StoredName(name) is not null;
    }

    /// <inheritdoc/>
    /// <exception cref="SafetensorsException">
    /// The file is broken, or the weight is not a floating-point number of 16 or 32 bits.
    /// </exception>
    public Parameter Take(string name, params ReadOnlySpan<int> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        var stored = StoredName(name)
            ?? throw new CheckpointException(Path, $"there is no tensor '{name}', which the model that config.json describes has. Use "
                + "the config.json that belongs to these weights.");
        var file = _tensors.FileOf(stored);
        if (!SameShape(file[stored].Shape, shape))
            throw new CheckpointException(file.Path, $"tensor '{stored}' has the shape {file[stored].ShapeText}, the model that "
                + $"config.json describes needs [{string.Join(", ", shape.ToArray())}]. "
                + "Use the config.json that belongs to these weights.");
        _taken[stored] = name;
        if (_precision == WeightPrecision.AsStored && shape.Length == 2 && HalfFormat(file[stored].Type) is { } format)
            return new Parameter(name, format, file.Map(), file.OffsetOf(file[stored]), isStoredTransposed: false, shape);
        var parameter = new Parameter(name, shape);
        try
        {
            file.Read(stored, parameter.Values);
            return parameter;
        }
        catch
        {
            parameter.Dispose();
            throw;
        }
    }

    /// <summary>Checks that a tensor that is stored although it is another one (a tied head) has the same values.</summary>
    /// <param name="name">The name in transformers' spelling; nothing is checked where the folder has no such tensor.</param>
    /// <param name="original">The parameter that it should equal.</param>
    /// <exception cref="CheckpointException">It differs.</exception>
    internal void RequireCopy(string name, Parameter original)
    {
        if (StoredName(name) is not { } stored || _taken.ContainsKey(stored))
            return;
        var file = _tensors.FileOf(stored);
        var values = new float[original.Length];
        original.Read(values);
        if (file[stored].Count != original.Length || !file.ReadFloats(stored).AsSpan().SequenceEqual(values))
            throw new CheckpointException(Path, $"config.json says that '{stored}' is '{original.Name}' (tie_word_embeddings), but the "
                + "stored ones differ. Set tie_word_embeddings to false if it is its own.");
        _taken[stored] = name;
    }

    /// <summary>Checks that nothing was left over, so that no weight is ignored in silence.</summary>
    /// <param name="mayStay">Names in the file's spelling that may be left (the heads of another task); null for none.</param>
    /// <exception cref="CheckpointException">Tensors were left.</exception>
    internal void RequireAllTaken(Func<string, bool>? mayStay = null)
    {
        var left = _tensors.Names.Where(n => !_taken.ContainsKey(n) && !IsBuffer(n) && mayStay?.Invoke(n) != true)
            .Order(StringComparer.Ordinal).ToList();
        if (left.Count == 0)
            return;
        foreach (var name in left)
            if (_taken.FirstOrDefault(t => Names(t.Value).Contains(name, StringComparer.Ordinal)) is { Key: { } twin })
                throw new CheckpointException(Path, $"'{name}' and '{twin}' are the same tensor. Keep one of them.");
        var names = string.Join(", ", left.Take(MostNamesInAMessage).Select(n => $"'{n}'"));
        throw new CheckpointException(
            Path,
            $"the tensors do not fit the model that config.json describes: surplus "
                + $"{names}{(left.Count > MostNamesInAMessage ? $" and {left.Count - MostNamesInAMessage} more" : "")}. Use the "
                + "config.json that belongs to these weights.");
    }

    /// <inheritdoc/>
    public void Dispose() => _tensors.Dispose();

    private static DataType? HalfFormat(StoredType type) => type switch
    {
        StoredType.Float16 => DataType.Float16,
        StoredType.BFloat16 => DataType.BFloat16,
        _ => null,
    };

    private static bool IsBuffer(string name) => Buffers.Any(b => name.EndsWith(b, StringComparison.Ordinal));

    private string? StoredName(string name) => Names(name).FirstOrDefault(n => _tensors.TryGet(n, out _));

    // The spellings of a name, the usual one first.
    private static IEnumerable<string> Names(string name)
    {
        foreach (var ending in Endings(name))
        {
            yield return ending;
            foreach (var prefix in Prefixes)
                if (ending.StartsWith(prefix, StringComparison.Ordinal))
                    yield return ending[prefix.Length..];
            foreach (var prefix in Prefixes)
                yield return prefix + ending;

            // The text part of a multimodal model.
            if (ending.StartsWith("model.", StringComparison.Ordinal))
                yield return string.Concat("model.language_model.", ending.AsSpan("model.".Length));
        }
    }

    private static IEnumerable<string> Endings(string name)
    {
        yield return name;
        foreach (var (usual, older) in OlderEndings)
            if (name.EndsWith(usual, StringComparison.Ordinal))
                yield return name[..^usual.Length] + older;
    }

    private static bool SameShape(ReadOnlySpan<long> stored, ReadOnlySpan<int> wanted)
    {
        if (stored.Length != wanted.Length)
            return false;
        for (int i = 0; i < stored.Length; i++)
            if (stored[i] != wanted[i])
                return false;
        return true;
    }
}

/// <summary>
/// The tensors of a model's folder: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> names, as if they were
/// one file.
/// </summary>
internal sealed class SafetensorsSet : IDisposable
{
    /// <summary>The name of the file of a model that is not cut into shards.</summary>
    public const string FileName = "model.safetensors";

    /// <summary>The name of the file that says which shard holds which tensor.</summary>
    public const string IndexFileName = "model.safetensors.index.json";

    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, SafetensorsFile> _byName = new(StringComparer.Ordinal);

    private SafetensorsSet(string folder) => Folder = folder;

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The names of all tensors.</summary>
    public IReadOnlyCollection<string> Names => _byName.Keys;

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
                    ? $"the folder holds neither '{FileName}' nor '{IndexFileName}', but pickled weights (.bin), which are not read "
                        + "because they can run code. Fetch or convert the weights as safetensors."
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
        return _byName.TryGetValue(name, out var file) && file.TryGet(name, out entry);
    }

    /// <summary>The file that holds a tensor.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="CheckpointException">There is no such tensor.</exception>
    public SafetensorsFile FileOf(string name)
        => _byName.TryGetValue(name, out var file) ? file : throw new CheckpointException(Folder, $"there is no tensor '{name}'.");

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in _files)
            file.Dispose();
    }

    private void Add(SafetensorsFile file)
    {
        _files.Add(file);
        foreach (var tensor in file.Tensors)
            if (!_byName.TryAdd(tensor.Name, file))
                throw new CheckpointException(Folder, $"tensor '{tensor.Name}' is in two shards, "
                    + $"'{Path.GetFileName(_byName[tensor.Name].Path)}' and '{Path.GetFileName(file.Path)}'. Restore the files.");
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
            if (!_byName.TryGetValue(tensor, out var file) || Path.GetFileName(file.Path) != shard)
                throw new CheckpointException(index, $"tensor '{tensor}' is not in '{shard}' as the index says. Restore the files.");
        foreach (var tensor in _byName.Keys)
            if (!named.ContainsKey(tensor))
                throw new CheckpointException(index,
                    $"tensor '{tensor}' of '{Path.GetFileName(_byName[tensor].Path)}' is not named in the index. Restore the files.");
    }
}
