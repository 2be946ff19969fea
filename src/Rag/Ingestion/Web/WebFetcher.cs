using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;

namespace Kotonoha.Rag.Ingestion.Web;

/// <summary>Fetches pages through an <see cref="SsrfGuard"/>: politely, within limits, and by conditional requests.</summary>
/// <remarks>Thread-safe. Redirects are followed here, so that each address on the way is guarded, allowed by <c>robots.txt</c>, and asked
/// for with the validators that are stored of it.</remarks>
internal sealed class WebFetcher : IDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly WebOptions _options;
    private readonly HttpClient _client;
    private readonly ConcurrentDictionary<string, Lane> _lanes = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, Lazy<Task<RobotsRules>>> _robots = new(StringComparer.OrdinalIgnoreCase);

    public WebFetcher(WebOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Delay, TimeSpan.Zero, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxRequests, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxRequestsPerHost, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxPageBytes, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.Retries, nameof(options));
        if (options.UserAgent.Length == 0 || !options.UserAgent.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_'))
            throw new ArgumentException($"'{options.UserAgent}' is no name for a client: letters, digits, '-' and '_'.", nameof(options));
        _options = options;
        var guard = options.Resolve is { } resolve ? new SsrfGuard(options.Guard, resolve) : new SsrfGuard(options.Guard);
        _client = new HttpClient(guard.CreateHandlerWithoutRedirects()) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Fetches an address.</summary>
    /// <param name="address">The address.</param>
    /// <param name="validators">What is stored of an address: its <c>ETag</c> and <c>Last-Modified</c>; null for nothing.</param>
    /// <param name="isAllowed">Whether an address may be asked for, beyond the guard and <c>robots.txt</c>.</param>
    /// <param name="maxBytes">The most bytes of the content, unpacked.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="KotonohaException">It cannot be fetched, or may not be.</exception>
    public async Task<WebReply> FetchAsync(
        Uri address, Func<string, (string? ETag, string? LastModified)?> validators, Func<Uri, bool> isAllowed, int maxBytes,
        CancellationToken cancellationToken)
    {
        var redirects = new List<string>();
        bool isPermanent = true;
        while (true)
        {
            if (!isAllowed(address))
                throw new WebFetchException(address.ToString(),
                    "it lies on another host than the sitemap; allow that one with WebOptions.Hosts ('--allow-host').");
            if (_options.ObeysRobots && await RobotsAsync(address, cancellationToken).ConfigureAwait(false) is var robots
                && !robots.Allows(address))
                throw new WebFetchException(address.ToString(), robots.Trouble is { } trouble
                    ? $"the site's robots.txt, which says what may be fetched, cannot be read: {trouble}"
                    : "the site's robots.txt does not allow it.");
            var reply = await TryAsync(address, validators(Source(address)), maxBytes, cancellationToken).ConfigureAwait(false);
            if (reply.Location is null)
                return reply with { Redirects = redirects, IsMovedForGood = redirects.Count > 0 && isPermanent };
            if (redirects.Count >= _options.Guard.MaxRedirects)
                throw new WebFetchException(address.ToString(), $"it is redirected more than {redirects.Count} times.");
            isPermanent &= reply.Status is HttpStatusCode.MovedPermanently or HttpStatusCode.PermanentRedirect;
            address = reply.Location;
            redirects.Add(Source(address));
        }
    }

    /// <summary>An address as the name of a document: without a fragment.</summary>
    public static string Source(Uri address) => address.GetLeftPart(UriPartial.Query);

    /// <summary>Reads a stream; null where it is longer than the limit.</summary>
    public static byte[]? ReadToLimit(Stream stream, int maxBytes)
        => ReadToLimitAsync(stream, maxBytes, CancellationToken.None).GetAwaiter().GetResult();

    public void Dispose() => _client.Dispose();

    private static async Task<byte[]?> ReadToLimitAsync(Stream stream, int maxBytes, CancellationToken cancellationToken)
    {
        using var content = new MemoryStream();
        var block = new byte[1 << 16];
        int count;
        while ((count = await stream.ReadAsync(block, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (content.Length + count > maxBytes)
                return null;
            content.Write(block, 0, count);
        }

        return content.ToArray();
    }

    private async Task<WebReply> TryAsync(
        Uri address, (string? ETag, string? LastModified)? validators, int maxBytes, CancellationToken cancellationToken)
    {
        for (int attempt = 0; ; attempt++)
        {
            var wait = _options.RetryDelay * Math.Pow(2, Math.Min(attempt, 10));
            try
            {
                var reply = await RequestAsync(address, validators, maxBytes, cancellationToken).ConfigureAwait(false);
                if (!IsTransient(reply.Status) || attempt >= _options.Retries)
                    return reply;
                wait = reply.RetryAfter > wait ? reply.RetryAfter.Value : wait;
                if (wait > LongestWait)
                    return reply;
            }
            catch (WebFetchException error) when (error.IsTransient && attempt < _options.Retries)
            {
                // Once more.
            }

            await Task.Delay(wait < LongestWait ? wait : LongestWait, cancellationToken).ConfigureAwait(false);
        }
    }

    internal static bool IsTransient(HttpStatusCode status) => (int)status is 408 or 425 or 429 or >= 500;

    private async Task<WebReply> RequestAsync(
        Uri address, (string? ETag, string? LastModified)? validators, int maxBytes, CancellationToken cancellationToken)
    {
        using var turn = await _lanes.GetOrAdd(address.Authority, _ => new Lane(_options)).EnterAsync(cancellationToken)
            .ConfigureAwait(false);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_options.Timeout);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            request.Headers.TryAddWithoutValidation("User-Agent", _options.UserAgent);
            request.Headers.TryAddWithoutValidation("Accept", "text/html,application/xhtml+xml,application/pdf;q=0.9,*/*;q=0.5");
            request.Headers.TryAddWithoutValidation("Accept-Encoding", "gzip, deflate, br");
            if (validators?.ETag is { } tag)
                request.Headers.TryAddWithoutValidation("If-None-Match", tag);
            if (validators?.LastModified is { } modified)
                request.Headers.TryAddWithoutValidation("If-Modified-Since", modified);
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token)
                .ConfigureAwait(false);
            var reply = new WebReply(response.StatusCode, address) { RetryAfter = RetryAfter(response) };
            if ((int)response.StatusCode is 301 or 302 or 303 or 307 or 308)
                return Location(response) is { } location
                    ? reply with { Location = new Uri(address, location) }
                    : throw new WebFetchException(address.ToString(), $"the server redirects ({(int)response.StatusCode}) to nowhere.");
            if (response.StatusCode != HttpStatusCode.OK)
                return reply;
            if (response.Content.Headers.ContentLength > maxBytes)
                throw TooLarge(address, maxBytes);
            var body = await response.Content.ReadAsStreamAsync(limit.Token).ConfigureAwait(false);
            await using (body.ConfigureAwait(false))
                return reply with
                {
                    Content = await ReadToLimitAsync(Unpacked(body, response, address), maxBytes, limit.Token).ConfigureAwait(false)
                        ?? throw TooLarge(address, maxBytes),
                    Type = MediaType(response),
                    ETag = Header(response.Headers, "ETag"),
                    LastModified = Header(response.Content.Headers, "Last-Modified"),
                };
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new WebFetchException(address.ToString(),
                FormattableString.Invariant($"the server took longer than {_options.Timeout.TotalSeconds:0.###} s."))
            { IsTransient = true };
        }
        catch (Exception error) when (error is HttpRequestException or IOException or InvalidDataException)
        {
            var refused = Causes(error).OfType<SsrfException>().FirstOrDefault();
            throw (KotonohaException?)refused
                ?? new WebFetchException(address.ToString(), error.Message, error) { IsTransient = error is not InvalidDataException };
        }
    }

    private static IEnumerable<Exception> Causes(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
            yield return cause;
    }

    private static WebFetchException TooLarge(Uri address, int maxBytes)
        => new(address.ToString(), FormattableString.Invariant($"it is larger than {maxBytes / 1048576.0:0.##} MiB."));

    private static Stream Unpacked(Stream body, HttpResponseMessage response, Uri address)
        => string.Join(',', response.Content.Headers.ContentEncoding).Trim().ToLowerInvariant() switch
        {
            "" or "identity" => body,
            "gzip" or "x-gzip" => new GZipStream(body, CompressionMode.Decompress),
            "deflate" => new ZLibStream(body, CompressionMode.Decompress),
            "br" => new BrotliStream(body, CompressionMode.Decompress),
            var other => throw new WebFetchException(address.ToString(), $"it is packed as '{other}', which was not asked for."),
        };

    private static string? Location(HttpResponseMessage response)
        => Header(response.Headers, "Location") is { } text && Uri.TryCreate(text, UriKind.RelativeOrAbsolute, out _) ? text : null;

    private static MediaTypeHeaderValue? MediaType(HttpResponseMessage response)
    {
        var text = Header(response.Content.Headers, "Content-Type");
        return MediaTypeHeaderValue.TryParse(text, out var type) || MediaTypeHeaderValue.TryParse(text?.Split(';')[0], out type)
            ? type : null;
    }

    // A header that does not follow the rules is still what the server says, and what it wants to be told again.
    private static string? Header(HttpHeaders headers, string name)
        => headers.NonValidated.TryGetValues(name, out var values) && values.Count > 0
            ? values.First() is { Length: > 0 and <= 1024 } value ? value : null : null;

    private static TimeSpan? RetryAfter(HttpResponseMessage response)
        => response.Headers.RetryAfter is { } header ? header.Delta ?? header.Date - DateTimeOffset.UtcNow : null;

    private Task<RobotsRules> RobotsAsync(Uri address, CancellationToken cancellationToken)
        => _robots.GetOrAdd(address.GetLeftPart(UriPartial.Authority),
            origin => new Lazy<Task<RobotsRules>>(() => ReadRobotsAsync(new Uri(new Uri(origin), "/robots.txt"), cancellationToken))).Value;

    /// <summary>As the standard has it: a file that is not there allows all, one that the server fails to give allows nothing.</summary>
    private async Task<RobotsRules> ReadRobotsAsync(Uri address, CancellationToken cancellationToken)
    {
        var origin = address.Authority;
        try
        {
            for (int redirects = 0; redirects <= _options.Guard.MaxRedirects; redirects++)
            {
                var reply = await TryAsync(address, null, SitemapReader.MaxBytes, cancellationToken).ConfigureAwait(false);
                if (reply.Location is null)
                {
                    var rules = reply.Content is not null ? RobotsRules.Parse(reply.Content, _options.UserAgent)
                        : (int)reply.Status is >= 400 and < 500 and not 429 ? RobotsRules.AllowAll
                        : RobotsRules.AllowNothing($"the server answers {(int)reply.Status}.");
                    if (rules.Delay is { } delay)
                        _lanes.GetOrAdd(origin, _ => new Lane(_options)).SlowDown(delay);
                    return rules;
                }

                address = reply.Location;
            }

            return RobotsRules.AllowAll;
        }
        catch (WebFetchException error)
        {
            return RobotsRules.AllowNothing(error.Message);
        }
    }

    /// <summary>The requests to one host: a few at a time, and not too soon after each other.</summary>
    private sealed class Lane(WebOptions options)
    {
        private readonly SemaphoreSlim _slots = new(options.MaxRequestsPerHost);
        private readonly Lock _lock = new();
        private TimeSpan _delay = options.Delay;
        private long _next;

        internal void SlowDown(TimeSpan delay)
        {
            lock (_lock)
                _delay = delay > _delay ? delay : _delay;
        }

        internal async Task<Turn> EnterAsync(CancellationToken cancellationToken)
        {
            await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                long now = Environment.TickCount64, start;
                lock (_lock)
                {
                    start = Math.Max(now, _next);
                    _next = start + (long)_delay.TotalMilliseconds;
                }

                if (start > now)
                    await Task.Delay(TimeSpan.FromMilliseconds(start - now), cancellationToken).ConfigureAwait(false);
                return new Turn(_slots);
            }
            catch
            {
                _slots.Release();
                throw;
            }
        }
    }

    private sealed class Turn(SemaphoreSlim slots) : IDisposable
    {
        public void Dispose() => slots.Release();
    }
}

/// <summary>What a server answered.</summary>
internal sealed record WebReply(HttpStatusCode Status, Uri Address)
{
    public byte[]? Content { get; init; }

    public MediaTypeHeaderValue? Type { get; init; }

    public string? ETag { get; init; }

    public string? LastModified { get; init; }

    public Uri? Location { get; init; }

    public TimeSpan? RetryAfter { get; init; }

    public IReadOnlyList<string> Redirects { get; init; } = [];

    public bool IsMovedForGood { get; init; }
}
