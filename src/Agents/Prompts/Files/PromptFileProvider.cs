using System.Security.Cryptography;
using System.Text;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>Gives a host the latest valid version of a prompt file while the file is edited.</summary>
/// <remarks>
/// A change is read when the files have stayed the same for <see cref="SettleTime"/>, so that a file that is still being written is not
/// taken for a whole one. The system tells of changes at once; since it does not for every file system, and may lose some, the files are
/// looked at every <see cref="LookTime"/> as well. A version that cannot be read is told by <see cref="Failed"/>, and the one before stays.
/// Handlers of the events must not throw. Thread-safe.
/// </remarks>
public sealed class PromptFileProvider : IDisposable
{
    /// <summary>How long files must stay the same before they are read.</summary>
    public static readonly TimeSpan SettleTime = TimeSpan.FromMilliseconds(200);

    /// <summary>How often files are looked at though no change is told.</summary>
    public static readonly TimeSpan LookTime = TimeSpan.FromSeconds(5);

    private readonly string _path;
    private readonly PromptFileOptions _options;
    private readonly TimeProvider _time;
    private readonly FileSystemWatcher _watcher;
    private readonly ITimer _timer;
    private readonly SemaphoreSlim _changes = new(0);
    private readonly CancellationTokenSource _stop = new();
    private string _stamp;
    private volatile PromptFile _current;
    private volatile PromptFileException? _error;

    /// <summary>Reads the prompt and begins to watch it.</summary>
    /// <param name="path">The file or folder, as <see cref="PromptFile.Load"/> takes it.</param>
    /// <param name="options">What the file may use from outside; null for nothing.</param>
    /// <param name="timeProvider">The clock; null for the system's.</param>
    /// <exception cref="PromptFileException">The first version cannot be used.</exception>
    public PromptFileProvider(string path, PromptFileOptions? options = null, TimeProvider? timeProvider = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _path = path;
        _options = options ?? new PromptFileOptions();
        _time = timeProvider ?? TimeProvider.System;
        var full = Path.GetFullPath(path);
        if (!Path.Exists(full))
            throw new PromptFileException(PromptFileError.File, path, null, "there is no such file; check the path.");

        // Editors write another file and rename it, so the folder is watched. The watch begins before the first reading, so that no change
        // is missed.
        _watcher = new FileSystemWatcher(Directory.Exists(full) ? full : Path.GetDirectoryName(full)!)
        {
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.CreationTime,
        };
        _watcher.Changed += OnChange;
        _watcher.Created += OnChange;
        _watcher.Deleted += OnChange;
        _watcher.Renamed += OnChange;
        _watcher.Error += OnChange;
        try
        {
            _watcher.EnableRaisingEvents = true;
        }
        catch (IOException)
        {
            // The user has no watch left; the timer looks.
        }

        try
        {
            string before;
            do
            {
                before = Stamp(null);
                _current = PromptFile.Load(path, _options);
                _stamp = Stamp(_current);
            }
            while (Stamp(null) != before);
        }
        catch
        {
            _watcher.Dispose();
            throw;
        }

        _timer = _time.CreateTimer(_ => _changes.Release(), null, LookTime, LookTime);
        _ = WatchAsync();
    }

    /// <summary>A new version counts. Raised on a thread of the pool.</summary>
    public event Action<PromptFile>? Changed;

    /// <summary>A new version cannot be used; the one before stays. Raised on a thread of the pool.</summary>
    public event Action<PromptFileException>? Failed;

    /// <summary>The latest version that could be used.</summary>
    public PromptFile Current => _current;

    /// <summary>What is wrong with the file as it is now, or null.</summary>
    public PromptFileException? Error => _error;

    /// <summary>Ends the watch; <see cref="Current"/> stays.</summary>
    public void Dispose()
    {
        _watcher.Dispose();
        _timer.Dispose();
        _stop.Cancel();
    }

    private void OnChange(object sender, EventArgs change) => _changes.Release();

    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                await _changes.WaitAsync(_stop.Token).ConfigureAwait(false);
                var before = Stamp(_current);
                while (true)
                {
                    await Task.Delay(SettleTime, _time, _stop.Token).ConfigureAwait(false);
                    while (_changes.Wait(0))
                    {
                    }

                    var now = Stamp(_current);
                    if (now == before)
                        break;
                    before = now;
                }

                // What was read last, well or not, is not read again.
                if (before != _stamp && !Read(before))
                    _changes.Release();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    // False when the files have changed while they were read.
    private bool Read(string stamp)
    {
        PromptFile? read = null;
        PromptFileException? error = null;
        try
        {
            read = PromptFile.Load(_path, _options);
        }
        catch (PromptFileException exception)
        {
            error = exception;
        }

        // Before the check: a change after it is seen as one.
        var next = read is null ? stamp : Stamp(read);
        if (Stamp(_current) != stamp)
            return false;
        _stamp = next;
        _error = error;
        if (read is null)
        {
            Failed?.Invoke(error!);
            return true;
        }

        _current = read;
        Changed?.Invoke(read);
        return true;
    }

    /// <summary>What the prompt's files hold now: those of a version, and those that a folder may have.</summary>
    private string Stamp(PromptFile? version)
    {
        var full = Path.GetFullPath(_path);
        string[] names = ["", PromptFileReader.KernelPromptFile, PromptFileReader.KernelConfigFile, PromptFileReader.SkillFile];
        var stamp = new StringBuilder();
        foreach (var file in names.Select(name => name.Length == 0 ? full : Path.Combine(full, name)).Concat(version?.Files ?? [])
            .Distinct().Order(StringComparer.Ordinal))
        {
            stamp.Append(file).Append('\t');
            try
            {
                if (File.Exists(file))
                    stamp.Append(Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file))));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                stamp.Append(exception.GetType().Name);
            }

            stamp.Append('\n');
        }

        return stamp.ToString();
    }
}
