using System.Globalization;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// A folder of checkpoints: <c>step-N</c> folders and a file <c>latest</c> that names the newest. A save is written under another name,
/// synced to disk, renamed, and only then named, so a reader finds a whole checkpoint at any moment, even after a kill or a power loss.
/// </summary>
/// <remarks>
/// The last two are kept, so that a reader that has just looked up the newest can still read it. Savers exclude each other by a lock file.
/// </remarks>
public sealed class CheckpointFolder
{
    internal const string LatestFile = "latest";
    private const string LockFile = ".lock";
    private const string RunLockFile = ".run";
    private const string AdapterProblem = "this is an adapter, not a model. Load the model that it was trained on, and give this folder as "
        + "its adapter (--adapter, LocalGptOptions.Adapter), or merge both into a model (kotonoha export MODEL TARGET --adapter FOLDER).";
    private const string StepPrefix = "step-";
    private const string UnfinishedPrefix = ".unfinished-";
    private const string ObsoletePrefix = ".obsolete-";
    private const int KeptCheckpoints = 2;
    private readonly Action<string>? _beforeOperation;

    /// <summary>Creates the object for a folder, which need not exist yet.</summary>
    /// <param name="path">The folder.</param>
    public CheckpointFolder(string path)
        : this(path, null)
    {
    }

    /// <summary>As above, with a hook that is called before every operation on the disk (for tests of interrupted saves).</summary>
    internal CheckpointFolder(string path, Action<string>? beforeOperation)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Path = System.IO.Path.GetFullPath(path);
        _beforeOperation = beforeOperation;
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The newest checkpoint's step, or null where there is none.</summary>
    /// <exception cref="CheckpointException">The file <c>latest</c> is broken.</exception>
    public long? LatestStep
    {
        get
        {
            var file = System.IO.Path.Combine(Path, LatestFile);
            string text;
            try
            {
                text = File.ReadAllText(file).Trim();
            }
            catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
            {
                return null;
            }

            return TryParseStep(text, out long step)
                ? step
                : throw new CheckpointException(file, "this file should name the newest checkpoint (step-N). Write the name of a step-N "
                    + "folder into it, or delete it and save again.");
        }
    }

    /// <summary>
    /// The folder that holds the files of a model: the folder itself where it has a <c>config.json</c> (the layout of the Hugging Face
    /// hub), otherwise the checkpoint that its <c>latest</c> names.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="CheckpointException">There is no model.</exception>
    public static string Resolve(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(System.IO.Path.Combine(path, "config.json")))
            return path;
        if (!Directory.Exists(path))
            throw new CheckpointException(path, "there is no such folder. Give the folder of a saved model.");
        if (File.Exists(System.IO.Path.Combine(path, LoraAdapter.ConfigFileName)))
            throw new CheckpointException(path, AdapterProblem);
        var folder = new CheckpointFolder(path);
        long step = folder.LatestStep
            ?? throw new CheckpointException(path, "the folder holds no model: neither 'config.json' nor 'latest' nor a .gguf file is "
                + "there. Give the folder of a saved model.");
        var named = folder.StepPath(step);
        if (File.Exists(System.IO.Path.Combine(named, LoraAdapter.ConfigFileName))
            && !File.Exists(System.IO.Path.Combine(named, "config.json")))
            throw new CheckpointException(path, AdapterProblem);
        return Directory.Exists(named)
            ? named
            : throw new CheckpointException(path, $"'latest' names the checkpoint "
                + $"'{StepPrefix}{step.ToString(CultureInfo.InvariantCulture)}', which is not there. Write the name of a folder that is "
                + $"there into 'latest', or save again.");
    }

    /// <summary>
    /// The folder that holds the files of an adapter: the folder itself, or the newest checkpoint of a run that trained one.
    /// </summary>
    /// <exception cref="CheckpointException">There is no adapter.</exception>
    internal static string ResolveAdapter(string path)
    {
        if (File.Exists(System.IO.Path.Combine(path, LoraAdapter.ConfigFileName)))
            return path;
        if (new CheckpointFolder(path) is var folder && folder.LatestStep is { } step && folder.StepPath(step) is var named
            && File.Exists(System.IO.Path.Combine(named, LoraAdapter.ConfigFileName)))
            return named;
        throw new CheckpointException(path, $"this is no adapter: it has no {LoraAdapter.ConfigFileName}. Give the folder of an adapter in "
            + "PEFT's layout, or of a run that trained one.");
    }

    /// <summary>
    /// Reads from the newest checkpoint. If it is replaced twice while it is being read, so that its files vanish, reading starts again
    /// with the newer one.
    /// </summary>
    /// <typeparam name="T">What is read.</typeparam>
    /// <param name="path">The folder, as for <see cref="Resolve"/>.</param>
    /// <param name="read">Reads from the folder that it is given.</param>
    /// <exception cref="CheckpointException">There is no model.</exception>
    public static T Read<T>(string path, Func<string, T> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        while (true)
        {
            var folder = Resolve(path);
            try
            {
                return read(folder);
            }
            catch (Exception) when (!Directory.Exists(folder) && Resolve(path) != folder)
            {
                // The checkpoint was retired meanwhile; the newer one is read instead.
            }
        }
    }

    /// <summary>The folder of a step.</summary>
    /// <param name="step">The step.</param>
    public string StepPath(long step) => System.IO.Path.Combine(Path, StepPrefix + step.ToString(CultureInfo.InvariantCulture));

    /// <summary>Saves a checkpoint as a whole and retires older ones.</summary>
    /// <param name="step">The step; null for one after the highest.</param>
    /// <param name="write">Writes the files into the folder that it is given.</param>
    /// <returns>The checkpoint's folder.</returns>
    /// <exception cref="CheckpointException">A checkpoint of this step exists, or another process is saving here.</exception>
    /// <exception cref="IOException">The disk is full or cannot be written; what was there before is untouched.</exception>
    public string Save(long? step, Action<string> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        Directory.CreateDirectory(Path);
        using var locked = Lock();
        RemoveLeftovers();
        long number = step ?? Steps().DefaultIfEmpty(0).Max() + 1;
        ArgumentOutOfRangeException.ThrowIfNegative(number, nameof(step));
        var target = StepPath(number);
        if (Directory.Exists(target) && LatestStep >= number)
            throw new CheckpointException(target,
                "a checkpoint of this step exists already. Save into another folder, or continue from this one.");
        var unfinished = System.IO.Path.Combine(Path, $"{UnfinishedPrefix}{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(unfinished);
            write(unfinished);
            Sync(unfinished);
            if (Directory.Exists(target))
                Retire(target); // whole, but never named: its process died between renaming and naming
            Before("rename");
            Directory.Move(unfinished, target);
        }
        catch
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
            throw;
        }

        Before("sync folder");
        AtomicFile.SyncFolder(Path);
        Before("name as latest");
        AtomicFile.WriteText(System.IO.Path.Combine(Path, LatestFile), System.IO.Path.GetFileName(target) + "\n");
        foreach (long old in Steps().Where(s => s != number).OrderDescending().Skip(KeptCheckpoints - 1))
            Retire(StepPath(old));
        return target;
    }

    private static bool TryParseStep(string name, out long step)
    {
        step = 0;
        return name.StartsWith(StepPrefix, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(StepPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out step)
            && name.Length == StepPrefix.Length + step.ToString(CultureInfo.InvariantCulture).Length;
    }

    private IEnumerable<long> Steps()
    {
        foreach (var folder in Directory.EnumerateDirectories(Path, StepPrefix + "*"))
            if (TryParseStep(System.IO.Path.GetFileName(folder), out long step))
                yield return step;
    }

    /// <summary>Holds the folder for a training run, so that no other one trains into it.</summary>
    /// <exception cref="CheckpointException">Another run holds it.</exception>
    internal IDisposable Hold()
    {
        Directory.CreateDirectory(Path);
        return Lock(RunLockFile, "training");
    }

    private FileStream Lock(string file = LockFile, string does = "saving")
    {
        try
        {
            return new FileStream(System.IO.Path.Combine(Path, file), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (exception is not (DirectoryNotFoundException or PathTooLongException))
        {
            throw new CheckpointException(Path, $"another process is {does} into this folder, or it cannot be written. Wait for it, or "
                + $"save elsewhere. ({exception.Message})", exception);
        }
    }

    // What a killed process left; only the holder of the lock writes here.
    private void RemoveLeftovers()
    {
        foreach (var folder in Directory.EnumerateDirectories(Path))
            if (System.IO.Path.GetFileName(folder) is var name
                && (name.StartsWith(UnfinishedPrefix, StringComparison.Ordinal)
                    || name.StartsWith(ObsoletePrefix, StringComparison.Ordinal)))
            {
                Before("remove leftovers");
                Directory.Delete(folder, recursive: true);
            }
    }

    // Renamed first, so that a folder named step-N is always whole.
    private void Retire(string folder)
    {
        var obsolete = System.IO.Path.Combine(Path, $"{ObsoletePrefix}{Guid.NewGuid():N}");
        Before("retire");
        Directory.Move(folder, obsolete);
        Before("delete retired");
        Directory.Delete(obsolete, recursive: true);
    }

    private void Sync(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            Before("sync file");
            using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite);
            RandomAccess.FlushToDisk(handle);
        }

        foreach (var inner in Directory.EnumerateDirectories(folder))
            Sync(inner);
        AtomicFile.SyncFolder(folder);
    }

    private void Before(string operation) => _beforeOperation?.Invoke(operation);
}
