using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace Kotonoha.Foundation.Security;

/// <summary>
/// Keeps HTTP requests to addresses that a model, a document or a user named off the inside of the network (server-side request forgery):
/// resolves the host, refuses what is not public, and connects to the very address that was checked. Redirects are checked as well.
/// </summary>
/// <remarks>
/// Refused are loopback, private, link-local, shared, multicast, reserved and documentation addresses, the addresses of cloud metadata
/// services, and IPv6 forms that hide such an IPv4 address. A host of which one address is refused is refused as a whole, so that no second
/// lookup decides otherwise. No proxy, no cookies and no credentials are used. Thread-safe.
/// </remarks>
public sealed class SsrfGuard
{
    private readonly SsrfGuardOptions _options;
    private readonly Func<string, CancellationToken, Task<IPAddress[]>> _resolve;
    private readonly (string Host, int? Port)[] _privateHosts;

    /// <summary>Creates a guard.</summary>
    /// <param name="options">What is allowed; null for public web addresses at the usual ports.</param>
    public SsrfGuard(SsrfGuardOptions? options = null)
        : this(options, static (host, cancellationToken) => Dns.GetHostAddressesAsync(host, cancellationToken))
    {
    }

    internal SsrfGuard(SsrfGuardOptions? options, Func<string, CancellationToken, Task<IPAddress[]>> resolve)
    {
        _options = options ?? new SsrfGuardOptions();
        _resolve = resolve;
        ArgumentOutOfRangeException.ThrowIfNegative(_options.MaxRedirects, nameof(options));
        _privateHosts = [.. _options.PrivateHosts.Select(HostPattern.Split)];
    }

    /// <summary>Whether an address is one of the public internet.</summary>
    /// <param name="address">An IPv4 or IPv6 address.</param>
    /// <returns>False for every address that only means something inside a network, and for metadata services.</returns>
    public static bool IsPublic(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            Span<byte> bytes = stackalloc byte[16];
            address.TryWriteBytes(bytes, out _);
            // IPv4 within IPv6: mapped (::ffff:a.b.c.d) and NAT64 (64:ff9b::a.b.c.d) are as good as what they hold.
            if (address.IsIPv4MappedToIPv6 || bytes[..12].SequenceEqual<byte>([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]))
                return IsPublic(new IPAddress(bytes[12..]));
            return address.ScopeId == 0 && !Refused6.Any(network => network.Contains(address)) && Global6.Contains(address);
        }

        return address.AddressFamily == AddressFamily.InterNetwork && !Refused4.Any(network => network.Contains(address));
    }

    /// <summary>Checks an address before a request.</summary>
    /// <param name="uri">An absolute address.</param>
    /// <param name="cancellationToken">Cancels the lookup.</param>
    /// <returns>The addresses of the host, all of them allowed.</returns>
    /// <exception cref="SsrfException">The address is refused; the message says why.</exception>
    public async Task<IReadOnlyList<IPAddress>> CheckAsync(Uri uri, CancellationToken cancellationToken = default)
    {
        CheckForm(uri);
        return await ResolveAsync(uri.IdnHost, uri.Port, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A client whose every request and redirect is checked.</summary>
    /// <returns>A client without a base address; the caller disposes it.</returns>
    public HttpClient CreateClient() => new(CreateHandler());

    /// <summary>A handler whose every request and redirect is checked, for a client of one's own.</summary>
    /// <returns>The handler; the caller disposes it.</returns>
    public HttpMessageHandler CreateHandler() => CreateHandler(_options.MaxRedirects);

    /// <summary>A handler for a client that looks at redirects itself: it gives them back, and checks every request all the same.</summary>
    internal HttpMessageHandler CreateHandlerWithoutRedirects() => CreateHandler(null);

    private RedirectHandler CreateHandler(int? maxRedirects) => new(this, maxRedirects, new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        ConnectCallback = ConnectAsync,
        ConnectTimeout = _options.ConnectTimeout,
    });

    private static readonly IPNetwork Global6 = IPNetwork.Parse("2000::/3");

    private static readonly IPNetwork[] Refused4 =
    [
        .. ((string[])["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
            "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
            "240.0.0.0/4",
            // Azure's metadata and wire server has an address of the public range.
            "168.63.129.16/32"]).Select(network => IPNetwork.Parse(network)),
    ];

    // Within 2000::/3: special purposes and Teredo (2001::/23), documentation, 6to4, which holds any IPv4 address.
    private static readonly IPNetwork[] Refused6 =
        [.. ((string[])["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]).Select(network => IPNetwork.Parse(network))];

    // What a host that was named on purpose may have; metadata services and link-local addresses are not among them.
    private static readonly IPNetwork[] Intranet =
        [.. ((string[])["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"])
            .Select(network => IPNetwork.Parse(network))];

    private static readonly IPAddress[] Metadata = [IPAddress.Parse("100.100.100.200"), IPAddress.Parse("fd00:ec2::254")];

    private void CheckForm(Uri uri)
    {
        ArgumentNullException.ThrowIfNull(uri);
        if (!uri.IsAbsoluteUri)
            throw new SsrfException(uri.ToString(), "it is relative", canBeAllowed: false);
        if (uri.Scheme != Uri.UriSchemeHttps && !(uri.Scheme == Uri.UriSchemeHttp && _options.AllowsHttp))
            throw new SsrfException(uri.ToString(), $"the scheme '{uri.Scheme}' is not allowed", canBeAllowed: false);
        if (uri.UserInfo.Length > 0)
            throw new SsrfException(uri.Host, "it holds a user name or a password", canBeAllowed: false);
        if (_options.AllowedPorts is { } ports && !ports.Contains(uri.Port)
            && !_privateHosts.Any(entry => entry.Port == uri.Port && HostPattern.Matches(entry.Host, uri.IdnHost)))
            throw new SsrfException(uri.ToString(), $"the port {uri.Port} is not allowed", canBeAllowed: true);
        if (_options.AllowedHosts is { } hosts && !hosts.Any(host => HostPattern.Matches(host, uri.IdnHost)))
            throw new SsrfException(uri.ToString(), $"the host '{uri.IdnHost}' is not on the list of allowed hosts", canBeAllowed: true);
    }

    private async Task<IPAddress[]> ResolveAsync(string host, int port, CancellationToken cancellationToken)
    {
        IPAddress[] addresses;
        try
        {
            addresses = IPAddress.TryParse(host, out var literal)
                ? [literal]
                : await _resolve(host, cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            throw new SsrfException(host, $"the host cannot be resolved ({e.SocketErrorCode})", canBeAllowed: false, e);
        }

        if (addresses.Length == 0)
            throw new SsrfException(host, "the host has no address", canBeAllowed: false);
        bool isNamed = _privateHosts.Any(entry => (entry.Port ?? port) == port && HostPattern.Matches(entry.Host, host));
        foreach (var address in addresses.Select(address => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address))
            if (!IsPublic(address) && !_options.AllowedNetworks.Any(network => network.Contains(address))
                && !(isNamed && Intranet.Any(network => network.Contains(address)) && !Metadata.Contains(address)))
                throw new SsrfException(host, $"its address {address} is not one of the public internet", canBeAllowed: true);
        return addresses;
    }

    /// <summary>Connects to the addresses that were checked in the same breath; nothing is resolved again after it.</summary>
    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var addresses = await ResolveAsync(context.DnsEndPoint.Host, context.DnsEndPoint.Port, cancellationToken).ConfigureAwait(false);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class RedirectHandler(SsrfGuard guard, int? maxRedirects, HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            for (int redirects = 0; ; redirects++)
            {
                guard.CheckForm(request.RequestUri ?? throw new InvalidOperationException("The request has no address."));
                HttpResponseMessage response;
                try
                {
                    response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
                }
                catch (HttpRequestException e) when (e.InnerException is SsrfException refused)
                {
                    throw refused;
                }

                if (maxRedirects is null || (int)response.StatusCode is not (301 or 302 or 303 or 307 or 308)
                    || response.Headers.Location is not { } location)
                    return response;
                var target = new Uri(request.RequestUri, location);
                var status = (int)response.StatusCode;
                response.Dispose();
                if (redirects >= maxRedirects)
                    throw new SsrfException(
                        target.ToString(), $"it is redirect number {redirects + 1}, {maxRedirects} are allowed", canBeAllowed: true);
                request = Follow(request, target, status);
            }
        }

        private static HttpRequestMessage Follow(HttpRequestMessage request, Uri target, int status)
        {
            // A body is not sent on: what is fetched for a model is read, not written to.
            bool keeps = status is 307 or 308 || request.Method == HttpMethod.Head;
            if (keeps && request.Content is not null)
                throw new SsrfException(target.ToString(), "it redirects a request that has a body", canBeAllowed: false);
            var next = new HttpRequestMessage(keeps ? request.Method : HttpMethod.Get, target) { Version = request.Version };
            bool isSameOrigin = Uri.Compare(request.RequestUri, target, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped,
                StringComparison.OrdinalIgnoreCase) == 0;
            foreach (var (name, values) in request.Headers)
                if (isSameOrigin || !IsSecret(name))
                    next.Headers.TryAddWithoutValidation(name, values);
            return next;
        }

        private static bool IsSecret(string header)
            => header.Equals(nameof(HttpRequestHeaders.Authorization), StringComparison.OrdinalIgnoreCase)
                || header.Equals("Cookie", StringComparison.OrdinalIgnoreCase)
                || header.Contains("key", StringComparison.OrdinalIgnoreCase)
                || header.Contains("token", StringComparison.OrdinalIgnoreCase);
    }
}

/// <summary>What an <see cref="SsrfGuard"/> allows.</summary>
public sealed record SsrfGuardOptions
{
    /// <summary>
    /// The hosts that may be reached: exact names, or <c>*.example.com</c> for all below one; null for any host of the public internet.
    /// </summary>
    public IReadOnlyCollection<string>? AllowedHosts { get; init; }

    /// <summary>The ports that may be reached; 80 and 443 unless said otherwise, null for any.</summary>
    public IReadOnlyCollection<int>? AllowedPorts { get; init; } = [80, 443];

    /// <summary>
    /// Networks that are allowed although they are not public, such as the one of an intranet server; none unless said otherwise.
    /// </summary>
    public IReadOnlyCollection<IPNetwork> AllowedNetworks { get; init; } = [];

    /// <summary>
    /// Hosts that may have addresses inside the network (loopback, private and shared ones; never link-local ones and metadata services):
    /// names or addresses, <c>*.example.com</c> for all below one, with <c>:PORT</c> for a port that is not among
    /// <see cref="AllowedPorts"/>; none unless said otherwise.
    /// </summary>
    public IReadOnlyCollection<string> PrivateHosts { get; init; } = [];

    /// <summary>Whether plain HTTP is allowed; true unless said otherwise.</summary>
    public bool AllowsHttp { get; init; } = true;

    /// <summary>The most redirects that are followed; 5 unless said otherwise.</summary>
    public int MaxRedirects { get; init; } = 5;

    /// <summary>The most time that a connection may take; 10 seconds unless said otherwise.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>A request was refused by an <see cref="SsrfGuard"/>.</summary>
public sealed class SsrfException : KotonohaException
{
    internal SsrfException(string target, string reason, bool canBeAllowed, Exception? inner = null)
        : base(
            $"'{target}' is not fetched: {reason}."
            + (canBeAllowed ? $" Allow it in {nameof(SsrfGuardOptions)} if it is meant to be reached." : ""),
            inner)
        => (Target, Reason, CanBeAllowed) = (target, reason, canBeAllowed);

    /// <summary>What was asked for.</summary>
    internal string Target { get; }

    /// <summary>Why it is refused, without a full stop.</summary>
    internal string Reason { get; }

    /// <summary>Whether options of the guard would let it through.</summary>
    internal bool CanBeAllowed { get; }
}

/// <summary>Names of hosts and patterns of them.</summary>
internal static class HostPattern
{
    /// <summary>Whether a host is the one that a pattern names, or one below it for <c>*.example.com</c>.</summary>
    internal static bool Matches(string pattern, string host)
    {
        host = host.TrimEnd('.');
        return pattern.StartsWith("*.", StringComparison.Ordinal)
            ? host.Length > pattern.Length - 1 && host.EndsWith(pattern[1..], StringComparison.OrdinalIgnoreCase)
            : host.Equals(pattern.TrimEnd('.'), StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A pattern and the port behind it; an IPv6 address with a port stands in brackets.</summary>
    internal static (string Host, int? Port) Split(string entry)
    {
        int colon = entry.LastIndexOf(':');
        bool hasPort = colon > 0 && (entry[colon - 1] == ']' || entry.IndexOf(':', StringComparison.Ordinal) == colon);
        if (!hasPort)
            return (entry.Trim('[', ']'), null);
        return ushort.TryParse(entry.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            ? (entry[..colon].Trim('[', ']'), port)
            : throw new ArgumentException($"'{entry}' does not end with a port.", nameof(entry));
    }

    /// <summary>Whether an entry is a host or a pattern, possibly with a port.</summary>
    internal static bool IsWellFormed(string entry)
    {
        try
        {
            var (host, _) = Split(entry);
            return Uri.CheckHostName(host.StartsWith("*.", StringComparison.Ordinal) ? host[2..] : host) != UriHostNameType.Unknown;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>Whether an address is on the host that a pattern names and, where it ends with <c>:port</c>, at that port.</summary>
    internal static bool Matches(string pattern, Uri uri)
        => Split(pattern) is var (host, port) && (port is null || port == uri.Port) && Matches(host, uri.IdnHost);
}
