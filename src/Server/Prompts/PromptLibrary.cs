using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Server.Http;
using Kotonoha.Server.Knowledge;
using Kotonoha.Server.Work;

namespace Kotonoha.Server.Prompts;

/// <summary>A text that a prompt or an agent had.</summary>
/// <param name="Number">From 1; the latest is the present one.</param>
/// <param name="Saved">When it was kept.</param>
internal sealed record PromptVersion(int Number, DateTimeOffset Saved);

/// <summary>A prompt or an agent that was read; one of the two is there.</summary>
/// <param name="Prompt">The prompt, or null.</param>
/// <param name="Agent">The agent or workflow, or null.</param>
internal sealed record LoadedFile(PromptFile? Prompt, AgentFile? Agent) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Agent?.DisposeAsync() ?? default;
}

/// <summary>A file of a prompt or an agent cannot be used as it is written.</summary>
/// <param name="message">What is wrong, the file named as the library names it.</param>
/// <param name="line">The line, from 1, where it is known.</param>
internal sealed class PromptProblemException(string message, int? line) : KotonohaException(message)
{
    public int? Line => line;
}

/// <summary>
/// The folder of prompt and agent files, and the versions that its files had: kept under the server's home, so that the folder holds what
/// its owner put there and nothing else.
/// </summary>
/// <param name="options">Names the folder.</param>
/// <param name="audit">Told what was changed by whom; null where nothing is written down.</param>
internal sealed class PromptLibrary(ServerOptions options, ServerAudit? audit = null)
{
    public const int MaxCharacters = 400_000;

    private const int MaxNameLength = 200;
    private const string VersionPattern = "??????.txt";

    private readonly Lock _lock = new();
    private readonly string _home = Path.GetFullPath(options.Home);

    /// <summary>The folder; null where the setting <c>prompts</c> names none.</summary>
    public string? Folder { get; } = options.Prompts is { } folder ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) : null;

    /// <summary>The files of prompts and agents, as paths below the folder with <c>/</c>.</summary>
    public IReadOnlyList<string> Names() => Folder is null || !Directory.Exists(Folder) ? [] :
    [
        .. Directory.EnumerateFiles(Folder, "*", new EnumerationOptions
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.Hidden | FileAttributes.System | FileAttributes.ReparsePoint,
        })
            .Select(file => Path.GetRelativePath(Folder, file).Replace(Path.DirectorySeparatorChar, '/'))
            .Where(name => IsName(name) && (Path.GetFileName(name) != "config.json" || File.Exists(PathOf(SkPrompt(name)))))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>The present text.</summary>
    /// <exception cref="ApiException">The name is none, or there is no such file.</exception>
    public string Read(string name)
    {
        Check(name);
        var path = PathOf(name);
        return IsThere(path) ? Lines(File.ReadAllText(path)) : throw Missing(name);
    }

    /// <summary>The text of a version; null for the present one.</summary>
    /// <exception cref="ApiException">There is no such file or version.</exception>
    public string Read(string name, int? version)
    {
        var present = Read(name);
        if (version is not { } number)
            return present;
        var file = VersionFile(name, number);
        return File.Exists(file) ? File.ReadAllText(file)
            : throw new ApiException(404, ApiErrorType.NotFound, "version_not_found", $"'{name}' has no version {number}.", "version");
    }

    /// <summary>The versions, the latest first; the latest is the present text, also where the file was changed by other means.</summary>
    public IReadOnlyList<PromptVersion> Versions(string name)
    {
        var present = Read(name);
        lock (_lock)
            Keep(name, present);
        return [.. Kept(name).OrderDescending().Select(number => new PromptVersion(
            number, new DateTimeOffset(File.GetLastWriteTimeUtc(VersionFile(name, number)), TimeSpan.Zero)))];
    }

    /// <summary>Reads a text as the file of a name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="text">The text.</param>
    /// <param name="prompts">What a prompt may use.</param>
    /// <param name="agents">What an agent may use.</param>
    /// <exception cref="PromptProblemException">The text cannot be used.</exception>
    public LoadedFile Load(string name, string text, PromptFileOptions? prompts = null, AgentFileOptions? agents = null)
    {
        Check(name);
        var path = PathOf(name);
        var texts = new Dictionary<string, string>(StringComparer.Ordinal) { [path] = text };
        return Explained(() => AgentFile.IsAgentFile(path, text)
            ? new LoadedFile(null, AgentFile.Load(path, (agents ?? new AgentFileOptions()) with { Folder = Folder, Texts = texts }))
            : new LoadedFile(PromptFile.Load(path, (prompts ?? new PromptFileOptions()) with { Texts = texts }), null));
    }

    /// <summary>Keeps a text as the present one, and the one before as a version.</summary>
    /// <param name="name">The file, which need not be there.</param>
    /// <param name="text">The text.</param>
    /// <param name="basedOn">The text that was changed; null for a new file.</param>
    /// <param name="caller">Who saves.</param>
    /// <param name="check">Options of agents, for the tools that they may name.</param>
    /// <returns>The number of the version.</returns>
    /// <exception cref="ApiException">The caller may not write, or somebody else has changed the file.</exception>
    /// <exception cref="PromptProblemException">The text cannot be used; nothing was saved.</exception>
    public int Save(string name, string text, string? basedOn, Caller caller, AgentFileOptions? check = null)
    {
        RequireWriter(caller);
        Check(name);
        text = Lines(text);
        if (text.Length > MaxCharacters)
            throw ApiException.Invalid("text", $"The text has {text.Length} characters; {MaxCharacters} are taken.");
        var path = PathOf(name);
        RequireNoLinks(path);
        Load(name, text, agents: check);
        lock (_lock)
        {
            RequirePresent(name, basedOn);
            if (basedOn is not null)
                Keep(name, basedOn);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            AtomicFile.WriteText(path, text);
            int version = Keep(name, text);
            audit?.Append("prompt_saved", caller, ("prompt", name), ("version", version.ToString(CultureInfo.InvariantCulture)));
            return version;
        }
    }

    /// <summary>Deletes a file. Its versions stay, and belong to a file that is made of the same name; its split ends.</summary>
    /// <param name="name">The file.</param>
    /// <param name="basedOn">The text that was looked at.</param>
    /// <param name="caller">Who deletes.</param>
    /// <exception cref="ApiException">The caller may not write, there is no such file, or somebody else has changed it.</exception>
    public void Delete(string name, string basedOn, Caller caller)
    {
        RequireWriter(caller);
        Read(name);
        lock (_lock)
        {
            RequirePresent(name, basedOn);
            Keep(name, basedOn);
            File.Delete(SplitFile(name));
            File.Delete(PathOf(name));
            audit?.Append("prompt_deleted", caller, ("prompt", name));
        }
    }

    /// <summary>Gives a file another name; its versions and its split go along.</summary>
    /// <param name="name">The file.</param>
    /// <param name="newName">The name, of which nothing is there yet.</param>
    /// <param name="caller">Who renames.</param>
    /// <param name="check">Options of agents, for the tools that they may name.</param>
    /// <exception cref="ApiException">
    /// The caller may not write, there is no such file, the name is none, or there is or was another file of it.
    /// </exception>
    /// <exception cref="PromptProblemException">The text cannot be used under the new name; nothing was changed.</exception>
    public void Rename(string name, string newName, Caller caller, AgentFileOptions? check = null)
    {
        RequireWriter(caller);
        var text = Read(name);
        Check(newName);
        var (path, target) = (PathOf(name), PathOf(newName));
        RequireNoLinks(target);
        Load(newName, text, agents: check);
        lock (_lock)
        {
            RequirePresent(newName, null);
            if (Kept(newName).Any())
                throw new ApiException(409, ApiErrorType.Invalid, "prompt_kept",
                    $"There was another '{newName}', whose versions are kept; choose another name.", "name");
            Keep(name, Read(name));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Move(path, target);
            try
            {
                if (Directory.Exists(KeptFolder(newName)))
                    Directory.Delete(KeptFolder(newName), recursive: true);
                Directory.Move(KeptFolder(name), KeptFolder(newName));
            }
            catch
            {
                File.Move(target, path);
                throw;
            }

            audit?.Append("prompt_renamed", caller, ("prompt", name), ("to", newName));
        }
    }

    /// <exception cref="ApiException">The caller may run prompts and not change them.</exception>
    public static void RequireWriter(Caller caller)
    {
        if (!caller.IsAdministrator)
            throw new ApiException(403, ApiErrorType.Permission, "not_administrator", "Only administrators' keys may change prompts.");
    }

    /// <summary>What is kept of a file, beside the folder: its versions and its split.</summary>
    public string KeptFolder(string name)
    {
        // A folder under the home may move with it.
        var place = Path.GetRelativePath(_home, PathOf(name));
        var key = place.StartsWith("..", StringComparison.Ordinal) ? PathOf(name) : place;
        return Path.Combine(_home, "prompt-versions", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..24]);
    }

    /// <summary>The file of a prompt's split.</summary>
    public string SplitFile(string name) => Path.Combine(KeptFolder(name), "split.json");

    /// <summary>Refuses what is no name of a prompt's or agent's file.</summary>
    public void Check(string name)
    {
        if (Folder is null)
            throw new ApiException(404, ApiErrorType.NotFound, "no_prompts", "The server's setting 'prompts' names no folder.");
        KnowledgeEndpoints.CheckSource(name);
        if (!IsName(name))
            throw ApiException.Invalid("name", $"'{name}' is no name of a prompt: a path with '/' that ends with .yaml or .prompty, or in "
                + "a folder SKILL.md, skprompt.txt or config.json; no part begins with a dot.", "invalid_name");
    }

    /// <summary>Does something with prompt files; what is wrong with one names it as the library does.</summary>
    /// <exception cref="PromptProblemException">A file cannot be used, or what was given to it.</exception>
    public T Explained<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (PromptFileException exception)
        {
            throw Explain(exception);
        }
    }

    /// <summary>An exception with the file named as the library names it.</summary>
    public Exception Explain(Exception exception) => exception is KotonohaException and not ApiException && Folder is { } folder
        ? new PromptProblemException(
            exception.Message.Replace(folder + Path.DirectorySeparatorChar, "", StringComparison.Ordinal),
            (exception as PromptFileException)?.Line ?? (exception as PromptProblemException)?.Line)
        : exception;

    private static bool IsName(string name) => name.Length <= MaxNameLength && !name.AsSpan().ContainsAny('\\', ':')
        && !name.Split('/').Any(part => part.StartsWith('.')) && IsKind(name);

    private static bool IsKind(string name) => Path.GetFileName(name) switch
    {
        "models.yaml" => false,
        "SKILL.md" or "skprompt.txt" or "config.json" => name.Contains('/', StringComparison.Ordinal),
        var file => Path.GetExtension(file).ToLowerInvariant() is ".yaml" or ".yml" or ".prompty",
    };

    private static string SkPrompt(string name) => name[..^"config.json".Length] + "skprompt.txt";

    private static string Lines(string text) => text.ReplaceLineEndings("\n");

    private static ApiException Missing(string name)
        => new(404, ApiErrorType.NotFound, "prompt_not_found", $"There is no prompt or agent '{name}' here.", "name");

    private string PathOf(string name) => Path.GetFullPath(Path.Combine(Folder!, name));

    private void RequirePresent(string name, string? basedOn)
    {
        var path = PathOf(name);
        if ((File.Exists(path) ? Lines(File.ReadAllText(path)) : null) != basedOn)
            throw new ApiException(409, ApiErrorType.Invalid, "prompt_changed", basedOn is null
                ? $"There is '{name}' already; open it, or choose another name."
                : $"Somebody else has changed '{name}' meanwhile; open it again.", "text");
    }

    private bool IsThere(string path)
    {
        RequireNoLinks(path);
        return File.Exists(path);
    }

    // A link in the folder may lead anywhere.
    private void RequireNoLinks(string path)
    {
        for (var part = path; part.Length > Folder!.Length; part = Path.GetDirectoryName(part)!)
            if (new FileInfo(part).LinkTarget is not null)
                throw ApiException.Invalid(
                    "name", $"'{Path.GetRelativePath(Folder, part)}' is a link, and links are not followed here.");
    }

    private IEnumerable<int> Kept(string name)
    {
        var folder = KeptFolder(name);
        return Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, VersionPattern)
                .Select(file => int.TryParse(
                    Path.GetFileNameWithoutExtension(file), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0)
                .Where(number => number > 0)
            : [];
    }

    private string VersionFile(string name, int number)
        => Path.Combine(KeptFolder(name), string.Create(CultureInfo.InvariantCulture, $"{number:D6}.txt"));

    private int Keep(string name, string text)
    {
        int last = Kept(name).DefaultIfEmpty().Max();
        if (last > 0 && File.ReadAllText(VersionFile(name, last)) == text)
            return last;
        Directory.CreateDirectory(KeptFolder(name));
        AtomicFile.WriteText(VersionFile(name, last + 1), text);
        return last + 1;
    }
}
