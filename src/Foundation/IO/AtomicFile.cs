using System.Runtime.InteropServices;

namespace Kotonoha.Foundation.IO;

/// <summary>Files that a reader sees whole or not at all: written beside their target, synced to disk, then renamed over it.</summary>
public static class AtomicFile
{
    /// <summary>Writes a file as a whole.</summary>
    /// <param name="path">The target; its folder must exist.</param>
    /// <param name="write">Writes the content to the stream that it is given.</param>
    /// <exception cref="IOException">The file cannot be written (the target is then untouched).</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full)!;
        if (Directory.Exists(full))
            throw new IOException($"'{path}' is a folder; name a file.");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"The folder of '{path}' does not exist.");
        var temporary = Path.Combine(folder, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, full, overwrite: true);
            SyncFolder(folder);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Writes a UTF-8 text file (no byte order mark) as a whole.</summary>
    /// <param name="path">The target; its folder must exist.</param>
    /// <param name="text">The content.</param>
    /// <exception cref="IOException">The file cannot be written (the target is then untouched).</exception>
    public static void WriteText(string path, string text)
        => Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));

    /// <summary>Makes renames and new names in a folder survive a power loss; does nothing on Windows, which journals them.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="IOException">The operating system could not sync the folder.</exception>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
            return;
        var descriptor = Posix.Open(folder, 0);
        if (descriptor < 0)
            throw new IOException($"Folder '{folder}' cannot be opened to sync it (errno {Marshal.GetLastPInvokeError()}).");
        try
        {
            // Some file systems refuse fsync on folders (EINVAL 22): they have nothing to sync.
            if (Posix.Fsync(descriptor) != 0 && Marshal.GetLastPInvokeError() is var errno && errno != 22)
                throw new IOException($"Folder '{folder}' cannot be synced to disk (errno {errno}).");
        }
        finally
        {
            _ = Posix.Close(descriptor);
        }
    }

    private static partial class Posix
    {
        [DllImport("libc", EntryPoint = "open", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false)]
        internal static extern int Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

        [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
        internal static extern int Fsync(int descriptor);

        [DllImport("libc", EntryPoint = "close", SetLastError = true)]
        internal static extern int Close(int descriptor);
    }
}
