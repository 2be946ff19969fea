using System.Net;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Ingestion.Web;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;

namespace Kotonoha.Rag;

/// <content>Pages from the web.</content>
public sealed partial class KnowledgeBase
{
    // How many sitemaps an index may lead to, and how deep indexes may be nested (the protocol allows one level).
    private const int MaxSitemaps = 1000;
    private const int MaxSitemapDepth = 3;

    /// <summary>Fetches a page and adds it, or replaces what is stored of it; one that is gone (404, 410) is deleted.</summary>
    /// <param name="page">The address of the page, or of any other document that can be read.</param>
    /// <param name="options">How to fetch, or null for the defaults.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>What became of it; a page that cannot be fetched is reported and throws nothing.</returns>
    /// <exception cref="KotonohaException">The store cannot do its work.</exception>
    public Task<WebReport> AddWebPageAsync(Uri page, WebOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(page);
        return SyncWebAsync(new WebSources { Pages = [page] }, options, null, cancellationToken);
    }

    /// <summary>
    /// Fetches all pages that a sitemap lists, on the sitemap's host and <see cref="WebOptions.Hosts"/>, and asks again for those that are
    /// stored of its host; the ones that are gone (404, 410) are deleted.
    /// </summary>
    /// <param name="sitemap">The address of a sitemap or an index of sitemaps.</param>
    /// <param name="options">How to fetch, or null for the defaults.</param>
    /// <param name="progress">Told how far the work is, or null.</param>
    /// <param name="cancellationToken">Stops the work; what is stored by then stays.</param>
    /// <returns>What became of every page; what cannot be fetched is reported and throws nothing.</returns>
    /// <exception cref="KotonohaException">The store cannot do its work.</exception>
    public Task<WebReport> AddSitemapAsync(
        Uri sitemap, WebOptions? options = null, IProgress<ProgressReport>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sitemap);
        return SyncWebAsync(new WebSources { Sitemaps = [sitemap], RefreshesStored = true }, options, progress, cancellationToken);
    }

    /// <summary>
    /// Fetches pages, by conditional requests where they are stored already, and stores the new and changed ones. A page's name is the
    /// address that redirects lead to.
    /// </summary>
    /// <param name="sources">What is fetched.</param>
    /// <param name="options">How to fetch, or null for the defaults.</param>
    /// <param name="progress">Told how far the work is, or null.</param>
    /// <param name="cancellationToken">Stops the work; what is stored by then stays.</param>
    /// <returns>What became of every page; what cannot be fetched is reported and throws nothing.</returns>
    /// <exception cref="KotonohaException">The store cannot do its work.</exception>
    public async Task<WebReport> SyncWebAsync(
        WebSources sources, WebOptions? options = null, IProgress<ProgressReport>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        options ??= new WebOptions();
        await _state.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var clock = new StageClock();
            var info = await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false);
            var embedder = _state.Embedder;
            if (info is not null)
            {
                CheckAnalyzer(info);
                embedder = await EmbedderOfAsync(info, cancellationToken).ConfigureAwait(false);
                CheckWritable(info, embedder);
            }

            var stored = await _store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
            var run = new WebRun(this, options, clock, await QuarantineAsync(cancellationToken).ConfigureAwait(false),
                stored.Where(record => WebPages.IsAddress(record.Source)).ToDictionary(record => record.Source, StringComparer.Ordinal),
                new DocumentWriter(_store, info, embedder, clock) { MaxFitCharacters = _options.MaxFitCharacters },
                progress);
            using (run)
                return await run.RunAsync(sources, info is not null, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _state.WriteGate.Release();
        }
    }

    /// <summary>One synchronisation with the web.</summary>
    private sealed class WebRun(
        KnowledgeBase knowledge, WebOptions options, StageClock clock, QuarantineLedger quarantine,
        Dictionary<string, DocumentRecord> stored, DocumentWriter writer, IProgress<ProgressReport>? progress) : IDisposable
    {
        private readonly WebFetcher _fetcher = new(options);
        private readonly DocumentPreparer _preparer = knowledge.Preparer(clock, quarantine);
        private readonly SemaphoreSlim _writing = new(1, 1);
        private readonly HashSet<string> _claimed = new(StringComparer.Ordinal);
        private readonly HashSet<string> _gone = new(StringComparer.Ordinal);
        private readonly List<DocumentRemark> _remarks = [];
        private readonly List<DocumentFinding> _findings = [];
        private int _done;

        public void Dispose()
        {
            _fetcher.Dispose();
            _writing.Dispose();
        }

        public async Task<WebReport> RunAsync(WebSources sources, bool hasCollection, CancellationToken cancellationToken)
        {
            var results = new List<WebPageResult>();
            var targets = await TargetsAsync(sources, results, cancellationToken).ConfigureAwait(false);
            var pages = new WebPageResult[targets.Count];
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.MaxRequests, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(Interleaved(targets), parallel, async (target, token) =>
            {
                pages[target.Index] = await OneAsync(target.Value, token).ConfigureAwait(false);
                progress?.Report(new ProgressReport("fetch", Interlocked.Increment(ref _done), targets.Count, target.Value.Source));
            }).ConfigureAwait(false);
            results.AddRange(pages);

            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            knowledge._state.Embedder = writer.Embedder ?? knowledge._state.Embedder;
            var poisoned = quarantine.Held.Where(record => record.Cause == QuarantineCause.Injection
                && stored.GetValueOrDefault(record.Source)?.Hash == record.Hash).Select(record => record.Source);
            string[] removed = [.. _gone.Concat(poisoned).Where(stored.ContainsKey).Distinct(StringComparer.Ordinal)];
            if (removed.Length > 0)
                await clock.MeasureAsync("store", () => knowledge._store.DeleteAsync(removed, cancellationToken)).ConfigureAwait(false);
            if (hasCollection || writer.Info is not null)
                await quarantine.SaveAsync(knowledge._store, isNew: false, cancellationToken).ConfigureAwait(false);
            if (writer.WrittenDocuments > 0)
                await knowledge.SettleAsync(clock, progress, cancellationToken).ConfigureAwait(false);
            Audit(results, removed);
            return new WebReport(results, writer.WrittenChunks, clock.Seconds()) { Remarks = _remarks, Findings = _findings };
        }

        // Requests to one host wait for each other, so hosts take turns.
        private static IEnumerable<(Target Value, int Index)> Interleaved(List<Target> targets)
            => targets.Select((target, index) => (Value: target, Index: index)).GroupBy(entry => entry.Value.Address.Authority)
                .SelectMany(host => host.Select((entry, turn) => (entry, turn))).OrderBy(entry => entry.turn).Select(entry => entry.entry);

        private async Task<List<Target>> TargetsAsync(
            WebSources sources, List<WebPageResult> results, CancellationToken cancellationToken)
        {
            var targets = new List<Target>();
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (var page in sources.Pages)
                Add(new Target(Absolute(page), null));
            var refreshed = sources.Sitemaps.Count == 0 ? null : new List<HashSet<string>>();
            foreach (var sitemap in sources.Sitemaps)
            {
                var hosts = new HashSet<string>([Absolute(sitemap).IdnHost], StringComparer.OrdinalIgnoreCase);
                refreshed!.Add(hosts);
                await SitemapAsync(Absolute(sitemap), hosts, 0, new HashSet<string>(StringComparer.Ordinal), Add, results,
                    cancellationToken).ConfigureAwait(false);
            }

            if (sources.RefreshesStored)
                foreach (var address in stored.Keys.Order(StringComparer.Ordinal).Select(source => new Uri(source)))
                    if (refreshed is null)
                        Add(new Target(address, null));
                    else if (refreshed.Find(hosts => IsOn(address, hosts)) is { } hosts)
                        Add(new Target(address, hosts));
            return targets;

            bool Add(Target target)
            {
                if (seen.Add(target.Source))
                    targets.Add(target);
                return targets.Count < options.MaxPages;
            }
        }

        private static Uri Absolute(Uri address)
            => address.IsAbsoluteUri ? address : throw new ArgumentException($"'{address}' is not a whole address.", nameof(address));

        private bool IsOn(Uri address, HashSet<string> hosts)
            => hosts.Contains(address.IdnHost) || options.Hosts.Any(host => Foundation.Security.HostPattern.Matches(host, address.IdnHost));

        private async Task SitemapAsync(
            Uri address, HashSet<string> hosts, int depth, HashSet<string> visited, Func<Target, bool> add, List<WebPageResult> results,
            CancellationToken cancellationToken)
        {
            var name = WebFetcher.Source(address);
            if (!visited.Add(name))
                return;
            try
            {
                if (visited.Count > MaxSitemaps || depth > MaxSitemapDepth)
                    throw new WebFetchException(name, visited.Count > MaxSitemaps
                        ? $"there are more than {MaxSitemaps} sitemaps." : $"indexes of sitemaps are nested more than "
                            + $"{MaxSitemapDepth} deep.");
                var reply = await clock.MeasureAsync("fetch", () => _fetcher.FetchAsync(address, _ => null, to => IsOn(to, hosts),
                    SitemapReader.MaxBytes, cancellationToken)).ConfigureAwait(false);
                if (reply.Content is null)
                    throw new WebFetchException(name, $"the server answers {(int)reply.Status} to the request for the sitemap.");
                var (pages, sitemaps) = SitemapReader.Read(reply.Content, reply.Address);
                foreach (var page in pages)
                {
                    if (page.Scheme is not ("http" or "https") || !IsOn(page, hosts))
                        results.Add(new WebPageResult(page.ToString(), WebOutcome.Skipped,
                            "It lies on another host than the sitemap; allow that one with WebOptions.Hosts ('--allow-host')."));
                    else if (!add(new Target(page, hosts)))
                        throw new WebFetchException(name,
                            $"only the first {options.MaxPages} pages are taken; raise WebOptions.MaxPages ('--max-pages').");
                }

                foreach (var child in sitemaps)
                    await SitemapAsync(child, hosts, depth + 1, visited, add, results, cancellationToken).ConfigureAwait(false);
            }
            catch (KotonohaException error)
            {
                results.Add(new WebPageResult(name, WebOutcome.Failed, ReasonOf(error)));
            }
        }

        private static string ReasonOf(KotonohaException error) => error is SsrfException { CanBeAllowed: true } refused
            ? $"'{refused.Target}' is not fetched: {refused.Reason}. Allow the host with WebOptions.Guard "
                + "('--allow-private HOST[:PORT]') if it is meant to be reached."
            : error.Message;

        private async Task<WebPageResult> OneAsync(Target target, CancellationToken cancellationToken)
        {
            var result = new WebPageResult(target.Source, WebOutcome.Skipped);
            WebReply reply;
            try
            {
                reply = await clock.MeasureAsync("fetch", () => _fetcher.FetchAsync(target.Address, Validators,
                    to => target.Hosts is null || IsOn(to, target.Hosts), options.MaxPageBytes, cancellationToken)).ConfigureAwait(false);
            }
            catch (KotonohaException error)
            {
                return result with
                {
                    Outcome = error is WebFetchException { IsTransient: true } ? WebOutcome.Failed : WebOutcome.Skipped,
                    Reason = ReasonOf(error),
                };
            }

            var source = WebFetcher.Source(reply.Address);
            result = result with { Source = source, Redirects = reply.Redirects };
            await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                bool isMoved = reply.IsMovedForGood && source != target.Source && stored.ContainsKey(target.Source);
                if (reply.Status is HttpStatusCode.NotFound or HttpStatusCode.Gone)
                {
                    string[] gone = [target.Source, source];
                    foreach (var name in gone)
                        quarantine.Remove(name);
                    _gone.UnionWith(gone);
                    return gone.Any(stored.ContainsKey)
                        ? result with { Outcome = WebOutcome.Removed, Reason = $"The server answers {(int)reply.Status}." }
                        : result with { Reason = $"There is no such page: the server answers {(int)reply.Status}." };
                }

                if (reply.Status is not (HttpStatusCode.OK or HttpStatusCode.NotModified))
                    return result with { Outcome = WebOutcome.Failed, Reason = $"The server answers {(int)reply.Status}." };
                if (isMoved)
                    _gone.Add(target.Source);
                if (!_claimed.Add(source))
                    return isMoved ? result with { Outcome = WebOutcome.Removed, Reason = $"It has moved to '{source}'." }
                        : result with { Reason = $"It leads to '{source}', which was asked for already." };
            }
            finally
            {
                _writing.Release();
            }

            return reply.Content is null ? result with { Outcome = WebOutcome.Unchanged }
                : await StoreAsync(result, reply, reply.Content, cancellationToken).ConfigureAwait(false);
        }

        /// <summary>What is stored of a page, if the very same would be stored again.</summary>
        private (string? ETag, string? LastModified)? Validators(string source)
            => stored.TryGetValue(source, out var record) && LabelsOf(source).AreOf(record)
                && record.Version == IndexText.Version(source, record.Hash, knowledge._options.Chunking, knowledge.TokenLimit)
                ? (record.ETag, record.LastModified) : null;

        private DocumentLabels LabelsOf(string source) => knowledge.Scoped(
            options.Labels is { } rules ? rules.FirstOrDefault(rule => rule.Fits(source))?.Labels ?? DocumentLabels.None
            : stored.TryGetValue(source, out var record) ? DocumentLabels.Of(record) : DocumentLabels.None,
            stored.GetValueOrDefault(source)?.Access);

        private async Task<WebPageResult> StoreAsync(
            WebPageResult result, WebReply reply, byte[] content, CancellationToken cancellationToken)
        {
            var source = result.Source;
            if (WebContent.Extension(reply.Type, reply.Address, content, knowledge._options.Readers) is not { } extension)
                return result with { Reason = $"There is no reader for '{reply.Type?.MediaType ?? "content of an unknown type"}'." };
            content = WebContent.Decoded(reply.Type, content);
            var labels = LabelsOf(source);
            var hash = IndexText.Hash(content);
            PreparedDocument document;
            if (await HeldAsync(source, hash, cancellationToken).ConfigureAwait(false) is { } why)
                return result with { Reason = why + " (In quarantine until it changes or is released.)" };
            var readAs = source.EndsWith(extension, StringComparison.OrdinalIgnoreCase) ? source : source + extension;
            try
            {
                document = await _preparer.PrepareAsync(source, content, labels, cancellationToken, readAs).ConfigureAwait(false);
            }
            catch (DocumentFormatException error)
            {
                var reason = error.Message.Replace($"'{readAs}'", $"'{source}'", StringComparison.Ordinal);
                document = PreparedDocument.Skipped(source, reason) with
                {
                    Quarantine = error.IsDeterministic
                        ? new QuarantineRecord(source, hash, knowledge._options.Readers.Version, QuarantineCause.Unreadable, reason)
                        {
                            Access = labels.Access,
                        }
                        : null,
                };
            }
            catch (KotonohaException error)
            {
                document = PreparedDocument.Skipped(source, error.Message);
            }

            await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                _remarks.AddRange(document.Remarks.Select(text => new DocumentRemark(source, text)));
                _findings.AddRange(document.Findings.Select(finding => new DocumentFinding(source, finding)));
                if (document.Quarantine is { } held)
                    quarantine.Add(held);
                if (document.SkipReason is { } reason)
                    return result with { Reason = reason };
                quarantine.Remove(source);
                _gone.Remove(source);
                document = document with
                {
                    Record = document.Record! with { ETag = reply.ETag, LastModified = reply.LastModified },
                };
                var before = stored.GetValueOrDefault(source);
                bool isSame = before is not null && before.Version == document.Record.Version && labels.AreOf(before);
                // New validators alone are written too, so that the next request can be conditional.
                if (!document.Is(before))
                    await writer.AddAsync(document, cancellationToken).ConfigureAwait(false);
                return isSame ? result with { Outcome = WebOutcome.Unchanged }
                    : result with
                    {
                        Outcome = before is null ? WebOutcome.Added : WebOutcome.Changed,
                        Chunks = document.Chunks.Count,
                    };
            }
            finally
            {
                _writing.Release();
            }
        }

        private async Task<string?> HeldAsync(string source, string hash, CancellationToken cancellationToken)
        {
            await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return quarantine.Holds(source, hash) ? quarantine.Held.First(record => record.Source == source).Reason : null;
            }
            finally
            {
                _writing.Release();
            }
        }

        private void Audit(List<WebPageResult> results, string[] removed)
        {
            foreach (var page in results.Where(page => page.Outcome is WebOutcome.Added or WebOutcome.Changed))
                knowledge.Audit(page.Outcome == WebOutcome.Added ? "add" : "change", ("source", page.Source),
                    ("redirects", page.Redirects.Count == 0 ? null : string.Join('\n', page.Redirects.Prepend(page.Address))));
            foreach (var source in removed)
                knowledge.Audit("delete", ("source", source));
        }

        /// <summary>A page to fetch.</summary>
        /// <param name="Address">Its address.</param>
        /// <param name="Hosts">The hosts that it may lie on; null for any.</param>
        private sealed record Target(Uri Address, HashSet<string>? Hosts)
        {
            public string Source { get; } = WebFetcher.Source(Address);
        }
    }
}
