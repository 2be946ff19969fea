using System.Runtime.CompilerServices;
using Kotonoha.Foundation;
using Kotonoha.Rag.Ingestion;

namespace Kotonoha.Rag;

/// <content>Folders that are watched.</content>
public sealed partial class KnowledgeBase
{
    /// <summary>
    /// Synchronises a folder, and then again whenever something in it has changed, until it is cancelled. Bursts of changes are taken
    /// together; a folder that is gone for a while keeps its documents and is read again when it is back.
    /// </summary>
    /// <param name="folder">The folder; it must exist at the beginning.</param>
    /// <param name="options">How to watch, or null for the defaults.</param>
    /// <param name="progress">Told how far each synchronisation is, or null.</param>
    /// <param name="cancellationToken">Ends the watching; the enumeration then throws <see cref="OperationCanceledException"/>.</param>
    /// <returns>The report of the first synchronisation, and of each later one that did anything.</returns>
    /// <exception cref="KotonohaException">The first synchronisation failed. What fails later is told to
    /// <see cref="WatchOptions.Trouble"/> and tried again.</exception>
    public async IAsyncEnumerable<SyncReport> WatchFolderAsync(
        string folder, WatchOptions? options = null, IProgress<ProgressReport>? progress = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new WatchOptions();
        using var watch = new FolderWatch(folder, _options.Readers, options);
        watch.Remember(cancellationToken);
        var skipped = new HashSet<SkippedDocument>();
        var report = await SyncFolderAsync(folder, progress, options.Sync, cancellationToken).ConfigureAwait(false);
        // Only the first time is everything made anew.
        var again = options.Sync with { Rebuild = false };
        while (true)
        {
            skipped = [.. report.Skipped];
            yield return report;
            do
                report = await NextAsync(watch, folder, again, options.Trouble, progress, cancellationToken).ConfigureAwait(false);
            while (report.Added.Count + report.Changed.Count + report.Removed.Count == 0 && skipped.SetEquals(report.Skipped));
        }
    }

    private async Task<SyncReport> NextAsync(
        FolderWatch watch, string folder, SyncOptions options, Action<KotonohaException>? trouble, IProgress<ProgressReport>? progress,
        CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await watch.WaitAsync(cancellationToken).ConfigureAwait(false);
                return await SyncFolderAsync(folder, progress, options, cancellationToken).ConfigureAwait(false);
            }
            catch (KotonohaException error)
            {
                trouble?.Invoke(error);
                watch.Forget();
            }
        }
    }
}
