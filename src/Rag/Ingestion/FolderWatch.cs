using System.Diagnostics;
using Kotonoha.Foundation;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Ingestion;

/// <summary>How a folder is watched.</summary>
public sealed record WatchOptions
{
    /// <summary>How each synchronisation works.</summary>
    public SyncOptions Sync { get; init; } = new();

    /// <summary>How long nothing must have happened before the folder is read; half a second unless said otherwise.</summary>
    public TimeSpan Quiet { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest that changes wait while others keep coming; 10 s unless said otherwise.</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How often names, sizes and times are compared where the system does not tell of changes (a network drive, too many watched folders),
    /// or where <see cref="PollsOnly"/> says so; 5 s unless said otherwise. Where the system tells, it is done six times less often, since
    /// notices can get lost.
    /// </summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether the system's notices are not used at all.</summary>
    public bool PollsOnly { get; init; }

    /// <summary>
    /// Called with what went wrong and will be tried again: the folder is not there at the moment (what is stored of it stays), or a
    /// synchronisation failed. Null for nobody.
    /// </summary>
    public Action<KotonohaException>? Trouble { get; init; }
}

/// <summary>Says when something in a folder has changed: by the system's notices, and by comparing names, sizes and times.</summary>
internal sealed class FolderWatch : IDisposable
{
    // Polling is the rarer the surer the notices are.
    private const int PollsWithNotices = 6;
    private const int NoticeBytes = 64 << 10;

    private readonly string _folder;
    private readonly DocumentReaders _readers;
    private readonly WatchOptions _options;
    private readonly SemaphoreSlim _notices = new(0, 1);
    private FileSystemWatcher? _watcher;
    private bool _hasNotice;
    private DateTime _born;
    private int _state = -1;

    public FolderWatch(string folder, DocumentReaders readers, WatchOptions options)
    {
        (_folder, _readers, _options) = (Path.GetFullPath(folder), readers, options);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.PollInterval, TimeSpan.Zero, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Quiet, TimeSpan.Zero, nameof(options));
        Listen();
    }

    /// <summary>Waits for a change, and then until no more come for a while.</summary>
    /// <exception cref="KotonohaException">The folder cannot be looked at; the next call waits for it.</exception>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            bool isTold = await _notices.WaitAsync(
                _watcher is null ? _options.PollInterval : _options.PollInterval * PollsWithNotices, cancellationToken)
                    .ConfigureAwait(false);
            if (isTold)
            {
                long start = Stopwatch.GetTimestamp();
                while (Stopwatch.GetElapsedTime(start) < _options.MaxWait
                    && await _notices.WaitAsync(_options.Quiet, cancellationToken).ConfigureAwait(false))
                {
                }
            }

            bool isDocument = Interlocked.Exchange(ref _hasNotice, false);
            if (!Directory.Exists(_folder))
            {
                StopListening();
                bool wasThere = _state != 0;
                _state = 0;
                if (wasThere)
                    throw new KotonohaException($"The folder '{_folder}' is gone; what is stored of it stays, and it is read again when it "
                        + "is back.");
                continue;
            }

            // A folder that was made anew under its name needs new notices.
            if (_watcher is not null && _born != Directory.GetCreationTimeUtc(_folder))
                StopListening();
            if (_watcher is null)
                Listen();
            int state = Look(cancellationToken);
            bool isNew = state != _state;
            _state = state;
            // A notice about a document counts even where size and time are the same as before.
            if (isNew || isDocument)
                return;
        }
    }

    /// <summary>Remembers how the folder looks, so that only what comes after counts as a change.</summary>
    public void Remember(CancellationToken cancellationToken) => _state = Look(cancellationToken);

    /// <summary>Has the folder count as changed when it is looked at next: what was told of it could not be used.</summary>
    public void Forget() => _state = _state == 0 ? 0 : -1;

    public void Dispose()
    {
        StopListening();
        _notices.Dispose();
    }

    private int Look(CancellationToken cancellationToken)
    {
        var hash = default(HashCode);
        foreach (var file in DocumentFiles.Find(_folder, _readers, cancellationToken).Files)
        {
            var info = new FileInfo(file.Path);
            hash.Add(file.Source, StringComparer.Ordinal);
            hash.Add(info.Exists ? info.Length : -1);
            hash.Add(info.Exists ? info.LastWriteTimeUtc.Ticks : 0);
        }

        return hash.ToHashCode() is var code && code is 0 or -1 ? 1 : hash.ToHashCode();
    }

    private void Listen()
    {
        if (_options.PollsOnly || !Directory.Exists(_folder))
            return;
        FileSystemWatcher? watcher = null;
        try
        {
            watcher = new FileSystemWatcher(_folder)
            {
                IncludeSubdirectories = true,
                InternalBufferSize = NoticeBytes,
                NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size,
            };
            watcher.Created += Changed;
            watcher.Changed += Changed;
            watcher.Deleted += Changed;
            watcher.Renamed += Changed;
            watcher.Error += Failed;
            watcher.EnableRaisingEvents = true;
            (_watcher, _born) = (watcher, Directory.GetCreationTimeUtc(_folder));
        }
        catch (Exception error) when (error is IOException or ArgumentException or UnauthorizedAccessException
            or PlatformNotSupportedException)
        {
            // The system has no more watches, or none for this drive: polling does without.
            watcher?.Dispose();
        }
    }

    private void StopListening()
    {
        _watcher?.Dispose();
        _watcher = null;
    }

    // Names that begin with a dot are no documents. Neither are files without a reader (the store itself may lie in the folder), but such
    // a name may be a folder's: then the comparison tells.
    private void Changed(object sender, FileSystemEventArgs change)
    {
        var name = Path.GetRelativePath(_folder, change.FullPath);
        if (name.Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar).Any(part => part.Length > 1 && part.StartsWith('.')))
            return;
        bool isDocument = _readers.TryGet(name, out _) || (change is RenamedEventArgs { OldName: { } old } && _readers.TryGet(old, out _));
        if (isDocument)
            Volatile.Write(ref _hasNotice, true);
        Wake();
    }

    // Notices were lost, or will not come any more: the folder is looked at, and if need be polled from now on.
    private void Failed(object sender, ErrorEventArgs error)
    {
        if (error.GetException() is not InternalBufferOverflowException)
            StopListening();
        Volatile.Write(ref _hasNotice, true);
        Wake();
    }

    private void Wake()
    {
        try
        {
            _notices.Release();
        }
        catch (Exception error) when (error is SemaphoreFullException or ObjectDisposedException)
        {
            // It is awake already, or nobody waits any more.
        }
    }
}
