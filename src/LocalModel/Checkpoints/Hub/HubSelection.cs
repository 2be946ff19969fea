using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Chooses the files of a repository that a model needs: configuration, tokenizer and weights; nothing pickled.</summary>
internal sealed partial class HubSelection
{
    private const string Modules = "modules.json";
    private const string Safetensors = ".safetensors", Gguf = ".gguf", Index = ".safetensors.index.json";

    // Formats that run code, or may, when they are read.
    private static readonly string[] Pickled =
        [".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".dill", ".h5", ".keras"];

    private static readonly HashSet<string> Settings = new(StringComparer.Ordinal)
    {
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json",
        "vocab.txt", "merges.txt", "chat_template.jinja", "chat_template.json", Modules, "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "adapter_config.json",
    };

    private readonly HubModelName _model;
    private readonly string[] _names;
    private readonly string? _asked;

    /// <summary>Prepares the choice.</summary>
    /// <param name="model">The repository.</param>
    /// <param name="names">Its checked file names.</param>
    /// <param name="file">The one file that is asked for, or null for what the model needs.</param>
    public HubSelection(HubModelName model, IEnumerable<string> names, string? file)
    {
        _model = model;
        _names = [.. names.Order(StringComparer.Ordinal)];
        _asked = file;
    }

    /// <summary>The file that must be read before the choice is complete, or null.</summary>
    public string? Preliminary => _asked is null && _names.Contains(Modules) ? Modules : null;

    /// <summary>
    /// The files to fetch, and among them the one that a loader takes instead of the folder (a GGUF file, or the file that was asked for).
    /// </summary>
    /// <param name="preliminary">The content of <see cref="Preliminary"/>.</param>
    /// <exception cref="HubException">The file is not there or pickled, or the model has no weights that can be read.</exception>
    public (IReadOnlyList<string> Files, string? Main) Choose(ReadOnlyMemory<byte>? preliminary)
    {
        if (_asked is not null)
        {
            if (!_names.Contains(_asked))
                throw new HubException($"{_model} has no file '{_asked}'. {Offer(_names.Where(IsWeights))}");
            RefusePickled(_asked);
            return (Shards(_asked), Shards(_asked)[0]);
        }

        var (files, main, weights) = Collect(preliminary);
        if (weights.Any(IsWeights))
            return (files, main);
        var ggufs = _names.Where(IsGguf).ToList();
        if (ggufs.Count > 0)
            throw new HubException($"{_model} has {ggufs.Count} GGUF files; say which one with --file. {Offer(ggufs)}");
        if (_names.FirstOrDefault(IsPickled) is { } pickled)
            RefusePickled(pickled);
        if (_names.Where(n => n.EndsWith(Safetensors, StringComparison.Ordinal)).ToList() is { Count: > 0 } several)
            throw new HubException($"{_model} has no model.safetensors; say which file with --file. {Offer(several)}");
        return HasTokenizer(files)
            ? (files, null) // a tokenizer alone
            : throw new HubException(
                $"{_model} has no weights that can be read here (safetensors or GGUF). Look for a conversion of the model.");
    }

    /// <summary>
    /// The same choice among the files of a cache, which may hold a part of the repository: null where no weights, or not all of their
    /// parts, are there, and no tokenizer alone.
    /// </summary>
    /// <param name="preliminary">The content of <see cref="Preliminary"/>.</param>
    public (IReadOnlyList<string> Files, string? Main)? Find(ReadOnlyMemory<byte>? preliminary)
    {
        var (files, main, weights) = Collect(preliminary);
        bool whole = weights.Count > 0
            ? IsWhole(weights)
            : HasTokenizer(files) && !_names.Any(n => IsWeights(n) || n.EndsWith(Index, StringComparison.Ordinal));
        return whole ? (files, main) : null;
    }

    /// <summary>Whether a file is in the GGUF format.</summary>
    public static bool IsGguf(string name) => name.EndsWith(Gguf, StringComparison.OrdinalIgnoreCase);

    // A part of several tells in its name how many there are; an index tells that there are several.
    private static bool IsWhole(IReadOnlyCollection<string> weights)
    {
        var parts = weights.Select(w => Shard().Match(w)).Where(m => m.Success).ToList();
        return weights.Any(IsWeights)
            && parts.GroupBy(p => (p.Groups["stem"].Value, p.Groups["rest"].Value))
            .All(g => g.Count() == int.Parse(g.Key.Item2.AsSpan(0, 5), NumberStyles.None, CultureInfo.InvariantCulture));
    }

    private static bool HasTokenizer(List<string> files)
        => files.Contains("tokenizer.json")
            || files.Any(f => f.EndsWith(".model", StringComparison.Ordinal) || f.EndsWith(".tiktoken", StringComparison.Ordinal));

    private static bool IsSetting(string name) => Settings.Contains(name)
        || (!name.Contains('/', StringComparison.Ordinal)
            && (name.EndsWith(".model", StringComparison.Ordinal) || name.EndsWith(".tiktoken", StringComparison.Ordinal)));

    private static bool IsIn(string folder, string name)
        => folder.Length == 0 ? !name.Contains('/', StringComparison.Ordinal) : name.StartsWith(folder + "/", StringComparison.Ordinal);

    private static bool IsPickled(string name) => Pickled.Any(e => name.EndsWith(e, StringComparison.OrdinalIgnoreCase));

    private static bool IsWeights(string name) => name.EndsWith(Safetensors, StringComparison.Ordinal) || IsGguf(name);

    private static string Offer(IEnumerable<string> names)
        => names.Take(30).ToList() is { Count: > 0 } some
            ? $"There are: {string.Join(", ", some)}."
            : "It has neither safetensors nor GGUF files.";

    // Settings and weights; safetensors before the only GGUF file.
    private (List<string> Files, string? Main, List<string> Weights) Collect(ReadOnlyMemory<byte>? preliminary)
    {
        List<string> folders = ["", .. preliminary is { } modules ? ModuleFolders(modules) : []];
        List<string> files = [], weights = [];
        foreach (var folder in folders.Distinct(StringComparer.Ordinal))
        {
            files.AddRange(_names.Where(n => IsIn(folder, n) && IsSetting(n[(folder.Length == 0 ? 0 : folder.Length + 1)..])));
            var found = Weights(folder).ToList();
            files.AddRange(found);
            weights.AddRange(found);
        }

        files.AddRange(
            _names.Where(n => n.StartsWith("additional_chat_templates/", StringComparison.Ordinal)
                && n.EndsWith(".jinja", StringComparison.Ordinal)));
        var ggufs = _names.Where(IsGguf).ToList();
        if (weights.Any(IsWeights) || ggufs.Count == 0)
            return (files, null, weights);
        var only = Shards(ggufs[0]);
        return only.Count == ggufs.Count ? ([.. files, .. only], only[0], [.. only]) : (files, null, []);
    }

    private void RefusePickled(string name)
    {
        if (!IsPickled(name))
            return;
        var others = _names.Where(IsWeights).ToList();
        var advice = others.Count > 0
            ? $"Take one of its other files with --file: {string.Join(", ", others.Take(30))}."
            : "Look for a conversion of the model to safetensors or GGUF; many hubs have a branch of it (try --revision refs/pr/1), or "
                + "one of another owner.";
        throw new HubException(
            $"{_model} offers '{name}': pickled weights, and others that may run code when they are opened, are not fetched. {advice}");
    }

    // The weights in one folder: sharded, in one file, or an adapter.
    private IEnumerable<string> Weights(string folder)
    {
        var prefix = folder.Length == 0 ? "" : folder + "/";
        foreach (var stem in (string[])["model", "adapter_model"])
        {
            var index = $"{prefix}{stem}{Index}";
            if (_names.Contains(index))
                return _names.Where(n => Shard().Match(n) is { Success: true } match && match.Groups["stem"].Value == prefix + stem
                    && n.EndsWith(Safetensors, StringComparison.Ordinal)).Prepend(index);
            if (_names.Contains($"{prefix}{stem}{Safetensors}"))
                return [$"{prefix}{stem}{Safetensors}"];
        }

        return folder.Length == 0
            && _names.Where(n => IsIn("", n) && n.EndsWith(Safetensors, StringComparison.Ordinal)).ToList() is { Count: 1 } single
            ? single
            : [];
    }

    // All parts of a file that is one of several.
    private IReadOnlyList<string> Shards(string name)
        => Shard().Match(name) is not { Success: true } match ? [name]
            : [.. _names.Where(n => Shard().Match(n) is { Success: true } other && other.Groups["stem"].Value == match.Groups["stem"].Value
                && other.Groups["rest"].Value == match.Groups["rest"].Value)];

    private List<string> ModuleFolders(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Array)
                throw new HubException($"{Modules} of {_model} is no list of modules.");
            var folders = new List<string>();
            foreach (var module in document.RootElement.EnumerateArray())
                if (module.ValueKind == JsonValueKind.Object && module.TryGetProperty("path", out var path)
                    && path.ValueKind == JsonValueKind.String
                    && path.GetString()!.Trim('/') is { Length: > 0 } folder)
                    folders.Add(HubFileName.Check(folder));
            return folders;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The second: a path with half of a surrogate pair.
            throw new HubException($"{Modules} of {_model} is broken: {exception.Message}", exception);
        }
    }

    [GeneratedRegex(@"\A(?<stem>.*)-[0-9]{5}-of-(?<rest>[0-9]{5}\.[a-zA-Z]+)\z")]
    private static partial Regex Shard();
}
