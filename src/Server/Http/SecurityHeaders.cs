using System.Net;
using Microsoft.AspNetCore.Http;

namespace Kotonoha.Server.Http;

/// <summary>Headers that keep a browser from making more of an answer than it is.</summary>
internal static class SecurityHeaders
{
    private const int MaxAgeSeconds = 365 * 24 * 3600;

    public static void Set(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.XFrameOptions = "DENY";

        // A browser that has come by TLS comes back by TLS alone. Other programs of a developer's listen on localhost.
        if (context.Request.IsHttps && context.Request.Host.Host != "localhost")
            headers.StrictTransportSecurity = $"max-age={MaxAgeSeconds}";

        // A page that is served beside the interfaces sets its own.
        headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        headers.CacheControl = "no-store";
    }
}

/// <summary>
/// Refuses what a web page of somebody else's can make a browser send: a name that was pointed at this machine (DNS rebinding), and calls
/// from another origin.
/// </summary>
internal sealed class BrowserGuard(ServerOptions options) : IMiddleware
{
    private readonly HashSet<string> _hosts = new(
        ["localhost", "127.0.0.1", "[::1]", options.Url.Host, .. options.AllowedHosts], StringComparer.OrdinalIgnoreCase);

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        SecurityHeaders.Set(context);
        var host = context.Request.Host.Host;
        if ((options.IsLoopback || options.AllowedHosts.Count > 0) && !_hosts.Contains(host))
            throw new ApiException(403, ApiErrorType.Permission, "host_not_allowed",
                $"The server is not '{Printable(host)}'. Call it by the address that it listens on, or name the host in 'allowed-hosts'.");
        if (context.Request.Headers.Origin is [{ } origin] && !IsOwn(context, origin))
            throw new ApiException(403, ApiErrorType.Permission, "origin_not_allowed",
                $"Pages of '{Printable(origin)}' may not call this server; name the host in 'allowed-hosts' to let them.");
        if (context.Request.Headers["Sec-Fetch-Site"] is ["cross-site"] && context.Request.Headers.Origin.Count == 0
            && !HttpMethods.IsGet(context.Request.Method))
            throw new ApiException(403, ApiErrorType.Permission, "origin_not_allowed", "Pages of other sites may not call this server.");
        return next(context);
    }

    private bool IsOwn(HttpContext context, string origin)
        => Uri.TryCreate(origin, UriKind.Absolute, out var address)
            && (string.Equals(address.Authority, context.Request.Host.Value, StringComparison.OrdinalIgnoreCase)
                || options.AllowedHosts.Contains(address.Host, StringComparer.OrdinalIgnoreCase)
                || (options.IsLoopback
                    && (address.IsLoopback || (IPAddress.TryParse(address.Host, out var ip) && IPAddress.IsLoopback(ip)))));

    private static string Printable(string text)
        => string.Concat(text.Take(100).Select(letter => char.IsControl(letter) ? '\uFFFD' : letter));
}
