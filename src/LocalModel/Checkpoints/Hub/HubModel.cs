using System.Text.RegularExpressions;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>A model in the cache.</summary>
/// <param name="Id">Its name, <c>OWNER/NAME</c>.</param>
/// <param name="Commit">The commit that its revision stands for.</param>
/// <param name="Path">What a loader takes: the snapshot's folder, or the GGUF file in it where that is the model.</param>
/// <param name="Files">The names of the files that belong to it, with '/' between folders.</param>
/// <param name="FetchedBytes">The bytes that were fetched just now; 0 where everything was there.</param>
public sealed record HubModel(string Id, string Commit, string Path, IReadOnlyList<string> Files, long FetchedBytes);

/// <summary>The name of a model on a hub.</summary>
/// <param name="Owner">The user or organisation.</param>
/// <param name="Name">The model.</param>
internal sealed partial record HubModelName(string Owner, string Name)
{
    /// <summary>The name of the model's folder in the cache.</summary>
    public string FolderName => $"models--{Owner}--{Name}";

    /// <summary>Reads <c>OWNER/NAME</c>; null when the text is not of this form.</summary>
    public static HubModelName? TryParse(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && text.Length <= HubLimits.MaxNameLength && IsPart(text[..slash]) && IsPart(text[(slash + 1)..])
            ? new HubModelName(text[..slash], text[(slash + 1)..])
            : null;
    }

    /// <summary>Reads <c>OWNER/NAME</c>.</summary>
    /// <exception cref="HubException">The text is not of this form.</exception>
    public static HubModelName Parse(string text)
        => TryParse(text) ?? throw new HubException(
            $"'{text}' is no model of a hub: give OWNER/NAME (letters, digits, '.', '_' and '-'; no '..' or '--'), at most "
                + $"{HubLimits.MaxNameLength} characters.");

    /// <summary>The name as the hub spells it.</summary>
    public override string ToString() => $"{Owner}/{Name}";

    // The hub's own rule, which also keeps the parts usable as names of folders.
    private static bool IsPart(string part)
        => Part().IsMatch(part) && !part.Contains("..", StringComparison.Ordinal) && !part.Contains("--", StringComparison.Ordinal)
            && !part.EndsWith(".git", StringComparison.Ordinal);

    [GeneratedRegex(@"\A[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\z")]
    private static partial Regex Part();
}

/// <summary>Finds models in the cache of the Hugging Face tools.</summary>
public static class HubModels
{
    private const string Gguf = ".gguf";

    /// <summary>
    /// The path that a loader takes for what a person wrote: an existing file or folder stays as it is; <c>OWNER/NAME</c>,
    /// <c>OWNER/NAME/FILE</c> and either with <c>@REVISION</c> are looked up in the cache.
    /// </summary>
    /// <param name="pathOrId">A path, or a model of a hub.</param>
    /// <param name="options">Where the cache is; null to use the environment.</param>
    /// <exception cref="HubException">Nothing of this name is there; the message says how to pull it.</exception>
    public static string Resolve(string pathOrId, HubOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrId);
        if (Path.Exists(pathOrId) || TryParse(pathOrId) is not var (model, file, revision)
            || (file is null && GgufFolder.IsMissingFile(pathOrId)))
            return pathOrId;
        var cache = new HubCache((options ?? HubOptions.FromEnvironment()).CacheFolder);
        return Find(cache, model, revision, file, "there is no such path either. To fetch it").Path;
    }

    /// <summary>
    /// The name by which a model is known: <c>OWNER/NAME</c> for one of the cache, otherwise the last part of its path, without
    /// <c>.gguf</c>.
    /// </summary>
    /// <param name="pathOrId">What a person wrote.</param>
    public static string NameOf(string pathOrId)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrId);
        return !Path.Exists(pathOrId) && TryParse(pathOrId) is var (model, file, _)
            && (file is not null || !GgufFolder.IsMissingFile(pathOrId))
            ? model.ToString()
            : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(pathOrId))) is var name
            && name.EndsWith(Gguf, StringComparison.OrdinalIgnoreCase) ? name[..^Gguf.Length] : name;
    }

    internal static HubModel Find(HubCache cache, HubModelName model, string revision, string? file, string advice)
    {
        var arguments = (file is null ? "" : $" --file {file}") + (revision == HubClient.DefaultRevision ? "" : $" --revision {revision}");
        HubException Missing(string what)
            => new($"{what} is not in the cache '{cache.Folder}'; {advice}: kotonoha pull {model}{arguments}");
        var commit = cache.CommitOf(model, revision)
            ?? throw Missing($"{model}{(revision == HubClient.DefaultRevision ? "" : $" at {revision}")}");
        var snapshot = cache.Snapshot(model, commit);
        if (!Directory.Exists(snapshot))
            throw Missing(model.ToString());
        string[] files = [.. Directory.EnumerateFiles(snapshot, "*", SearchOption.AllDirectories).Where(HubCache.HasContent)
            .Select(f => Path.GetRelativePath(snapshot, f).Replace(Path.DirectorySeparatorChar, '/')).Order(StringComparer.Ordinal)];
        if (file is not null)
            return HubCache.HasContent(HubFileName.Below(snapshot, file))
                ? new HubModel(model.ToString(), commit, HubFileName.Below(snapshot, file), [file], 0)
                : throw Missing($"{file} of {model}");
        var selection = new HubSelection(model, files, null);
        ReadOnlyMemory<byte>? preliminary = selection.Preliminary is { } first
            ? File.ReadAllBytes(HubFileName.Below(snapshot, first)).AsMemory()
            : default(ReadOnlyMemory<byte>?);
        if (selection.Find(preliminary) is var (chosen, main))
            return new HubModel(model.ToString(), commit, main is null ? snapshot : HubFileName.Below(snapshot, main), chosen, 0);
        string[] ggufs = [.. files.Where(HubSelection.IsGguf)];
        throw ggufs.Length > 1
            ? new HubException(
                $"The cache holds several files of {model}; name one: {string.Join(", ", ggufs.Select(g => $"{model}/{g}"))}")
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

/// <summary>What a hub says about a file of a model before it sends it.</summary>
/// <param name="Name">The name, with '/' between folders.</param>
/// <param name="Address">Where its content is asked for.</param>
/// <param name="Digest">Its hash.</param>
/// <param name="Size">Its length in bytes.</param>
internal sealed record HubFile(string Name, Uri Address, HubDigest Digest, long Size);

/// <summary>Guards the file names that a hub sends: they become paths on this machine.</summary>
internal static class HubFileName
{
    /// <summary>Refuses a name that does not stay below the folder it is put into, on any operating system.</summary>
    /// <exception cref="HubException">The name is not safe.</exception>
    public static string Check(string name)
        => IsSafe(name)
            ? name
            : throw new HubException($"The hub names a file '{Printable(name)}', which is no name of a file below a model's folder; "
                + "nothing of it was fetched.");

    /// <summary>Whether a name stays below the folder it is put into, on any operating system.</summary>
    public static bool IsSafe(string name)
        => name.Length is > 0 and < 1024 && !name.Any(c => c is < ' ' or '\\' or ':' or '\u007F')
            && name.Split('/').All(part => part.Length > 0 && part is not ("." or "..") && part[^1] is not ('.' or ' '));

    /// <summary>The path of a checked name below a folder.</summary>
    public static string Below(string folder, string name)
    {
        var path = Path.GetFullPath(Path.Combine([folder, .. Check(name).Split('/')]));
        return path.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? path
            : throw new HubException($"The name '{Printable(name)}' leads out of '{folder}'.");
    }

    /// <summary>A text from a server as one line of an error message.</summary>
    public static string Printable(string text)
        => new([.. text.Take(200).Select(c => char.IsControl(c) ? ' ' : c)]);
}
