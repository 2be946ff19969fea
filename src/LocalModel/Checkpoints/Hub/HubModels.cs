namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>Finds models in the cache of the Hugging Face tools.</summary>
public static class HubModels
{
    private const string Gguf = ".gguf";

    /// <summary>
    /// The path that a loader takes for what a person wrote: an existing file or folder stays as it is; <c>OWNER/NAME</c>, <c>OWNER/NAME/FILE</c> and
    /// either with <c>@REVISION</c> are looked up in the cache.
    /// </summary>
    /// <param name="pathOrId">A path, or a model of a hub.</param>
    /// <param name="options">Where the cache is; null for what the environment says.</param>
    /// <exception cref="HubException">Nothing of this name is there; the message says how to pull it.</exception>
    public static string Resolve(string pathOrId, HubOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrId);
        if (Path.Exists(pathOrId) || TryParse(pathOrId) is not var (model, file, revision))
            return pathOrId;
        var cache = new HubCache((options ?? HubOptions.FromEnvironment()).CacheFolder);
        return Find(cache, model, revision, file, "there is no such path either. To fetch it").Path;
    }

    /// <summary>The name by which a model is known: <c>OWNER/NAME</c> for one of the cache, else the last part of its path, without <c>.gguf</c>.</summary>
    /// <param name="pathOrId">What a person wrote.</param>
    public static string NameOf(string pathOrId)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrId);
        return !Path.Exists(pathOrId) && TryParse(pathOrId) is var (model, _, _)
            ? model.ToString()
            : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(pathOrId))) is var name && name.EndsWith(Gguf, StringComparison.OrdinalIgnoreCase) ? name[..^Gguf.Length] : name;
    }

    internal static HubModel Find(HubCache cache, HubModelName model, string revision, string? file, string advice)
    {
        var arguments = (file is null ? "" : $" --file {file}") + (revision == HubClient.DefaultRevision ? "" : $" --revision {revision}");
        HubException Missing(string what) => new($"{what} is not in the cache '{cache.Folder}'; {advice}: kotonoha pull {model}{arguments}");
        var commit = cache.CommitOf(model, revision) ?? throw Missing($"{model}{(revision == HubClient.DefaultRevision ? "" : $" at {revision}")}");
        var snapshot = cache.Snapshot(model, commit);
        if (!Directory.Exists(snapshot))
            throw Missing(model.ToString());
        string[] files = [.. Directory.EnumerateFiles(snapshot, "*", SearchOption.AllDirectories).Where(HubCache.HasContent)
            .Select(f => Path.GetRelativePath(snapshot, f).Replace(Path.DirectorySeparatorChar, '/')).Order(StringComparer.Ordinal)];
        if (file is not null)
            return HubCache.HasContent(HubFileName.Below(snapshot, file)) ? new HubModel(model.ToString(), commit, HubFileName.Below(snapshot, file), [file], 0) : throw Missing($"{file} of {model}");
        var selection = new HubSelection(model, files, null);
        ReadOnlyMemory<byte>? preliminary = selection.Preliminary is { } first ? File.ReadAllBytes(HubFileName.Below(snapshot, first)).AsMemory() : default(ReadOnlyMemory<byte>?);
        if (selection.Find(preliminary) is var (chosen, main))
            return new HubModel(model.ToString(), commit, main is null ? snapshot : HubFileName.Below(snapshot, main), chosen, 0);
        string[] ggufs = [.. files.Where(HubSelection.IsGguf)];
        throw ggufs.Length > 1
            ? new HubException($"The cache holds several files of {model}; name one: {string.Join(", ", ggufs.Select(g => $"{model}/{g}"))}")
            : Missing($"What a model needs of {model} (weights with all their parts, or a tokenizer alone)");
    }

    private static (HubModelName Model, string? File, string Revision)? TryParse(string text)
    {
        int at = text.LastIndexOf('@');
        var (path, revision) = at > 0 ? (text[..at], text[(at + 1)..]) : (text, HubClient.DefaultRevision);
        var parts = path.Split('/', 3);
        if (parts.Length < 2 || revision.Length == 0 || HubModelName.TryParse($"{parts[0]}/{parts[1]}") is not { } model)
            return null;
        var file = parts.Length > 2 ? parts[2] : null;
        return HubFileName.IsSafe(revision) && (file is null || HubFileName.IsSafe(file)) ? (model, file, revision) : null;
    }
}
