namespace Kotonoha.Cli.Workspaces;

/// <summary>One run at a time writes to a workspace: a second one waits, says so, and after a while fails clearly.</summary>
internal sealed class WorkspaceLock : IDisposable
{
    private const int PollMs = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);
    private readonly FileStream file;

    private WorkspaceLock(FileStream file) => this.file = file;

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
                    throw new UsageException($"another run has held '{path}' for {Patience.TotalMinutes:F0} minutes; stop it, or use another --home");
                await Task.Delay(PollMs, cancellationToken);
            }
        }
    }

    public void Dispose() => file.Dispose();
}
