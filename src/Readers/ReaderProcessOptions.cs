namespace Kotonoha.Readers;

/// <summary>How <see cref="DocumentReaders.InChildProcesses(ReaderProcessOptions)"/> reads.</summary>
public sealed record ReaderProcessOptions
{
    /// <summary>The lowest value of <see cref="MaxMemoryBytes"/>: below it, the runtime itself has no room.</summary>
    public const long LeastMemoryBytes = 64L * 1024 * 1024;

    /// <summary>How many child processes there may be at a time; by default as many as there are cores.</summary>
    public int MaxProcesses { get; init; } = Environment.ProcessorCount;

    /// <summary>How far the managed heap of a child process may grow, in bytes.</summary>
    public long MaxMemoryBytes { get; init; } = DocumentLimits.MaxReaderMemoryBytes;

    /// <summary>How long reading one document may take, in milliseconds; then its process is killed.</summary>
    public int MaxReadMs { get; init; } = DocumentLimits.MaxReadMs;

    /// <summary>How long an idle child process is kept for the next document, in milliseconds.</summary>
    public int IdleMs { get; init; } = DocumentLimits.ReaderIdleMs;
}
