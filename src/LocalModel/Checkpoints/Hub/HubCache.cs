using Kotonoha.Foundation.IO;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// The cache of the Hugging Face tools: a folder a model with <c>blobs/HASH</c> (contents), <c>snapshots/COMMIT/NAME</c> (links to them)
/// and <c>refs/REVISION</c> (the commit that a branch or tag stands for). What one tool has fetched, the others find.
/// </summary>
internal sealed class HubCache(string folder)
{
    private const int CommitLetters = 40;

    // What opening a file that another process has locked gives: ERROR_SHARING_VIOLATION; EWOULDBLOCK.
    private const int SharingViolation = unchecked((int)0x80070020), WouldBlockLinux = 11, WouldBlockBsd = 35;
    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(100);

    /// <summary>The folder of all models.</summary>
    public string Folder => folder;

    /// <summary>Whether a revision is a commit's full hash.</summary>
    public static bool IsCommit(string revision)
        => revision.Length == CommitLetters && revision.All(c => c is >= '0' and <= '9' or >= 'a' and <= 'f');

    /// <summary>The folder of a model.</summary>
    public string ModelFolder(HubModelName model) => Path.Combine(folder, model.FolderName);

    /// <summary>The file of a content.</summary>
    public string Blob(HubModelName model, HubDigest digest) => Path.Combine(ModelFolder(model), "blobs", digest.Text);

    /// <summary>The folder of a commit's files.</summary>
    public string Snapshot(HubModelName model, string commit) => Path.Combine(ModelFolder(model), "snapshots", commit);

    /// <summary>The commit that a revision stands for, as far as the cache knows; otherwise null.</summary>
    public string? CommitOf(HubModelName model, string revision)
    {
        if (IsCommit(revision))
            return Directory.Exists(Snapshot(model, revision)) ? revision : null;
        var file = Ref(model, revision);
        if (!File.Exists(file))
            return null;
        var commit = File.ReadAllText(file).Trim();
        return IsCommit(commit)
            ? commit
            : throw new HubException($"'{file}' should hold a commit's hash. Delete it and pull the model again.");
    }

    /// <summary>Notes which commit a branch or tag stands for.</summary>
    public void WriteRef(HubModelName model, string revision, string commit)
    {
        if (revision == commit || CommitOf(model, revision) == commit)
            return;
        var file = Ref(model, revision);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        AtomicFile.WriteText(file, commit);
    }

    /// <summary>Waits until no other process fetches the same content; the lock is the one that <c>huggingface_hub</c> takes.</summary>
    /// <param name="model">The model.</param>
    /// <param name="digest">The content.</param>
    /// <param name="waits">Called once when another process holds the lock.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="IOException">The cache cannot be written.</exception>
    public async Task<IDisposable> LockAsync(HubModelName model, HubDigest digest, Action waits, CancellationToken cancellationToken)
    {
        bool told = false;
        var path = Path.Combine(folder, ".locks", model.FolderName, digest.Text + ".lock");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        while (true)
        {
            FileStream? held = null;
            try
            {
                held = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException exception) when (IsHeld(exception))
            {
                if (!told)
                    waits();
                told = true;
            }

            // Whoever held it before may have deleted the file, and then others lock another one of this name.
            if (held is not null && File.Exists(path))
                return held;
            held?.Dispose();
            await Task.Delay(LockPoll, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Puts a content under its name into a snapshot: as a relative link, or as a file where the system has no links for us.
    /// </summary>
    /// <param name="blob">The content's file.</param>
    /// <param name="snapshot">The snapshot's folder.</param>
    /// <param name="name">The checked name.</param>
    public static void Link(string blob, string snapshot, string name)
    {
        var pointer = HubFileName.Below(snapshot, name);
        Directory.CreateDirectory(Path.GetDirectoryName(pointer)!);
        if (HasContent(pointer))
            return;
        File.Delete(pointer); // a link whose content is gone
        try
        {
            File.CreateSymbolicLink(pointer, Path.GetRelativePath(Path.GetDirectoryName(pointer)!, blob));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException && !HasContent(pointer))
        {
            var copy = $"{pointer}.{Guid.NewGuid():N}.tmp";
            try
            {
                File.Copy(blob, copy);
                File.Move(copy, pointer, overwrite: true);
            }
            finally
            {
                File.Delete(copy);
            }
        }
        catch (IOException) when (HasContent(pointer))
        {
            // Another process was faster.
        }
    }

    /// <summary>Whether a file is there, and when it is a link, what it points to.</summary>
    public static bool HasContent(string path)
        => File.Exists(path) && new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true) is null or FileInfo { Exists: true };

    // Anything else (no permission, a full disk, a cache that is only for reading) would not end by waiting.
    private static bool IsHeld(IOException exception)
        => exception.HResult
            == (OperatingSystem.IsWindows() ? SharingViolation : OperatingSystem.IsLinux() ? WouldBlockLinux : WouldBlockBsd);

    private string Ref(HubModelName model, string revision) => HubFileName.Below(Path.Combine(ModelFolder(model), "refs"), revision);
}
