using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation;

namespace Kotonoha.Cli.Workspaces;

/// <summary>Where everything made for one folder of documents lies: one model, one store, one fitted embedder.</summary>
internal sealed class Workspace
{
    private Workspace(string home, string documents, string root)
    {
        Home = home;
        Documents = documents;
        Root = root;
    }

    /// <summary>The home of everything that Kotonoha makes.</summary>
    public string Home { get; }

    /// <summary>The folder of documents, as a full path.</summary>
    public string Documents { get; }

    /// <summary>What belongs to this folder of documents.</summary>
    public string Root { get; }

    public string Model => Path.Combine(Root, "model");

    /// <summary>The file of the embedded store.</summary>
    /// <param name="suffix">What tells it from the stores of other embedding models; empty for the vectors fitted here.</param>
    public string Store(string suffix) => Path.Combine(Root, $"store{suffix}.db");

    public string Embedder => Path.Combine(Root, "embedder");

    /// <summary>The name of the Qdrant collection for this folder.</summary>
    public string Collection => "kotonoha-" + Path.GetFileName(Root);

    /// <summary>The home folder: the option, else KOTONOHA_HOME, else .kotonoha in the current folder.</summary>
    public static string HomeFolder(string? option)
    {
        if (option is not null && string.IsNullOrWhiteSpace(option))
            throw new UsageException("--home is empty");
        var variable = Environment.GetEnvironmentVariable("KOTONOHA_HOME");
        return Path.GetFullPath(option ?? (string.IsNullOrEmpty(variable) ? ".kotonoha" : variable));
    }

    public static Workspace Open(string? home, string documents)
    {
        if (string.IsNullOrWhiteSpace(documents))
            throw new UsageException("--docs is empty");
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(documents));
        if (!Directory.Exists(full))
            throw new UsageException(File.Exists(full)
                ? $"'{documents}' is a file; --docs takes a folder"
                : $"folder '{documents}' does not exist");
        var homeFolder = HomeFolder(home);
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(full)))[..12];
        var name =
            new string([.. Path.GetFileName(full).ToLowerInvariant().Where(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_').Take(24)]);
        var root = Path.Combine(homeFolder, "folders", name.Length > 0 ? $"{name}-{digest}" : digest);
        try
        {
            Directory.CreateDirectory(root);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"'{homeFolder}' (--home) cannot be written: it is not a folder, or you may not write there");
        }

        return new Workspace(homeFolder, full, root);
    }
}

/// <summary>One run at a time writes to a workspace: a second one waits, says so, and after a while fails clearly.</summary>
internal sealed class WorkspaceLock : IDisposable
{
    private const int PollMs = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);
    private readonly FileStream _file;

    private WorkspaceLock(FileStream file) => _file = file;

    public static async Task<WorkspaceLock> TakeAsync(Workspace workspace, CancellationToken cancellationToken)
    {
        var path = Path.Combine(workspace.Root, "lock");
        var start = DateTime.UtcNow;
        for (bool told = false; ; told = true)
        {
            try
            {
                return new WorkspaceLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            }
            catch (IOException) when (File.Exists(path))
            {
                if (!told)
                    await Console.Error.WriteLineAsync($"Another run is working on '{workspace.Documents}'; waiting for it …");
                if (DateTime.UtcNow - start > Patience)
                    throw new UsageException(
                        $"another run has held '{path}' for {Patience.TotalMinutes:F0} minutes; stop it, or use another --home");
                await Task.Delay(PollMs, cancellationToken);
            }
        }
    }

    public void Dispose() => _file.Dispose();
}

/// <summary>The sample documents and questions: in the checkout, or beside the installed tool.</summary>
internal static class Samples
{
    /// <summary>The folder of the sample documents.</summary>
    public static string Documents => Path.Combine(Folder, "documents");

    private static string Folder
        => Find() ?? throw new KotonohaException("the sample documents are not here; name a folder with --docs DIR");

    /// <summary>
    /// Copies the sample prompts and agents to a folder of the user's own, unless it is there; without samples it is empty.
    /// </summary>
    /// <returns>The folder.</returns>
    public static string CopyPrompts(string folder)
    {
        if (Directory.Exists(folder))
            return folder;
        var beside = Directory.CreateDirectory($"{folder}.{Guid.NewGuid():N}").FullName;
        if (Find() is { } samples)
            foreach (var kind in new[] { "prompts", "agents" }.Where(kind => Directory.Exists(Path.Combine(samples, kind))))
                foreach (var file in Directory.EnumerateFiles(Path.Combine(samples, kind), "*", SearchOption.AllDirectories))
                {
                    // The catalogue says where models of the command line are; the server has its own.
                    if (Path.GetFileName(file) is "models.yaml" or "README.md")
                        continue;
                    var target = Path.Combine(beside, Path.GetRelativePath(samples, file));
                    Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                    File.Copy(file, target);
                }

        Directory.Move(beside, folder);
        return folder;
    }

    private static string? Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (Directory.Exists(Path.Combine(folder.FullName, "samples", "documents")))
                return Path.Combine(folder.FullName, "samples");
        return null;
    }

    /// <summary>The sample's questions.</summary>
    public static IReadOnlyList<string> Questions()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "questions.json")));
        return [.. file.RootElement.EnumerateArray().Select(q => q.GetProperty("question").GetString()!)];
    }
}

/// <summary>When the last synchronisation of a workspace ended.</summary>
internal static class LastSync
{
    /// <summary>Remembers that one has just ended.</summary>
    public static void Write(Workspace workspace) => File.WriteAllText(PathIn(workspace), "");

    /// <summary>When it was, in universal time; null where there was none.</summary>
    public static DateTime? Read(Workspace workspace)
        => File.Exists(PathIn(workspace)) ? File.GetLastWriteTimeUtc(PathIn(workspace)) : null;

    private static string PathIn(Workspace workspace) => Path.Combine(workspace.Root, "last-sync");
}
