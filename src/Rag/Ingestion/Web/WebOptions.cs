using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;

namespace Kotonoha.Rag.Ingestion.Web;

/// <summary>What is fetched from the web.</summary>
public sealed record WebSources
{
    /// <summary>Pages, or other documents, by their addresses.</summary>
    public IReadOnlyList<Uri> Pages { get; init; } = [];

    /// <summary>Sitemaps: XML files, sitemap indexes, text files with an address a line, each possibly packed with gzip.</summary>
    public IReadOnlyList<Uri> Sitemaps { get; init; } = [];

    /// <summary>
    /// Whether pages that are stored already are asked for again, so that those that are gone are deleted: with sitemaps the stored pages
    /// of their hosts, without sitemaps all stored pages. False where only new pages are to be looked at.
    /// </summary>
    public bool RefreshesStored { get; init; }
}

/// <summary>How pages are fetched from the web.</summary>
/// <remarks>
/// Every request and redirect passes an <see cref="SsrfGuard"/>. No cookies and no credentials are sent, and scripts of pages are not run.
/// </remarks>
public sealed record WebOptions
{
    /// <summary>What may be reached; public addresses at the usual ports unless said otherwise.</summary>
    public SsrfGuardOptions Guard { get; init; } = new();

    /// <summary>
    /// More hosts that the pages of a sitemap may lie on than the sitemap's own: names, or <c>*.example.com</c> for all below one.
    /// </summary>
    public IReadOnlyCollection<string> Hosts { get; init; } = [];

    /// <summary>What pages may say about tags and access: the first rule that fits the address decides. Null leaves what is stored of a
    /// page as it is.</summary>
    public IReadOnlyList<LabelRule>? Labels { get; init; }

    /// <summary>Whether <c>robots.txt</c> is obeyed; true unless said otherwise.</summary>
    public bool ObeysRobots { get; init; } = true;

    /// <summary>How the client names itself, and the name that it looks for in <c>robots.txt</c>: letters, digits, <c>-</c> and
    /// <c>_</c>.</summary>
    public string UserAgent { get; init; } = "Kotonoha";

    /// <summary>The least time between the starts of two requests to one host; 250 ms unless said otherwise. A <c>Crawl-delay</c> of the
    /// host makes it longer, up to a minute.</summary>
    public TimeSpan Delay { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How many requests to one host may run at a time.</summary>
    public int MaxRequestsPerHost { get; init; } = 2;

    /// <summary>How many requests may run at a time.</summary>
    public int MaxRequests { get; init; } = 8;

    /// <summary>The most time for one request with its body; 30 s unless said otherwise.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a request is made again that failed for a reason that may pass (429, 5xx, a broken connection).</summary>
    public int Retries { get; init; } = 2;

    /// <summary>The time before the first of these, which doubles each time; a server's <c>Retry-After</c> makes it longer, up to a
    /// minute.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The most bytes of a page, unpacked; 32 MiB unless said otherwise.</summary>
    public int MaxPageBytes { get; init; } = 32 << 20;

    /// <summary>The most pages of all sitemaps together; 10,000 unless said otherwise. What goes beyond is reported.</summary>
    public int MaxPages { get; init; } = 10_000;

    /// <summary>How names are looked up; null: as the system does.</summary>
    internal Func<string, CancellationToken, Task<System.Net.IPAddress[]>>? Resolve { get; init; }
}

/// <summary>What became of a page.</summary>
public enum WebOutcome
{
    /// <summary>It is new, and stored now.</summary>
    Added,

    /// <summary>Its new version is stored now.</summary>
    Changed,

    /// <summary>It is stored already as it is.</summary>
    Unchanged,

    /// <summary>It is gone (404, 410), or has moved for good; it was stored and is not any more.</summary>
    Removed,

    /// <summary>It was not taken in; another try gives the same until the page or the options change. What was stored of it
    /// stays.</summary>
    Skipped,

    /// <summary>It could not be fetched this time. What was stored of it stays.</summary>
    Failed,
}

/// <summary>What became of a page that was asked for.</summary>
/// <param name="Address">The address that was asked for, as a sitemap or the caller gave it.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Reason">Why, where it was not taken in.</param>
public sealed record WebPageResult(string Address, WebOutcome Outcome, string? Reason = null)
{
    /// <summary>The page's name in the knowledge base: the address that redirects led to, without a fragment.</summary>
    public string Source { get; init; } = Address;

    /// <summary>The addresses that redirects led to, in order; none where there were none.</summary>
    public IReadOnlyList<string> Redirects { get; init; } = [];

    /// <summary>How many chunks were written.</summary>
    public int Chunks { get; init; }
}

/// <summary>What a synchronisation with the web did.</summary>
/// <param name="Pages">Every address that was asked for, and what became of it.</param>
/// <param name="Chunks">How many chunks were written.</param>
/// <param name="Timings">Seconds by stage, as in <see cref="SyncReport"/>, with <c>fetch</c>.</param>
public sealed record WebReport(IReadOnlyList<WebPageResult> Pages, int Chunks, IReadOnlyDictionary<string, double> Timings)
{
    /// <summary>What the readers have to say about pages.</summary>
    public IReadOnlyList<DocumentRemark> Remarks { get; init; } = [];

    /// <summary>Instructions to a model that were found in pages that were read.</summary>
    public IReadOnlyList<DocumentFinding> Findings { get; init; } = [];

    /// <summary>How many pages had an outcome.</summary>
    /// <param name="outcome">The outcome.</param>
    public int Count(WebOutcome outcome) => Pages.Count(page => page.Outcome == outcome);
}

/// <summary>A page cannot be fetched.</summary>
public sealed class WebFetchException : KotonohaException
{
    internal WebFetchException(string address, string reason, Exception? inner = null)
        : base($"'{address}' cannot be fetched: {reason}", inner)
    {
    }

    /// <summary>Whether another try may go better.</summary>
    public bool IsTransient { get; internal init; }
}
