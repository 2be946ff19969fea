using System.Collections.Concurrent;
using System.Threading.RateLimiting;
using Kotonoha.Server.Http;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;

namespace Kotonoha.Server.Keys;

/// <summary>Finds out who calls, and holds them to their rate.</summary>
internal sealed class Authentication(KeyFile keys, ServerOptions options, Telemetry telemetry) : IMiddleware, IDisposable
{
    private const string Bearer = "Bearer ";
    private const int Segments = 6;

    private readonly ConcurrentDictionary<(string Caller, int Limit), RateLimiter> _limiters = new();

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        // A page brings its own way of asking for a key, and shows nothing before.
        if (context.Request.Path.StartsWithSegments("/health", StringComparison.Ordinal)
            || context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null)
        {
            await next(context).ConfigureAwait(false);
            return;
        }

        var caller = Find(context);
        context.Features.Set(caller);
        Count(caller);
        if (context.Request.Path.StartsWithSegments(KotonohaServer.MetricsPath, StringComparison.Ordinal) && !caller.IsAdministrator)
            throw new ApiException(403, ApiErrorType.Permission, "access_denied", "Metrics are for administrators' keys.");
        await next(context).ConfigureAwait(false);
    }

    /// <summary>Whether callers must have a key.</summary>
    public bool IsRequired => keys.IsRequired;

    /// <summary>Who the holder of a key is, for callers that send it once and not with each request.</summary>
    /// <param name="secret">The key, or null.</param>
    /// <exception cref="ApiException">A key is required, and this is none.</exception>
    public Caller Find(string? secret)
    {
        // Without keys, clients that must send one may send anything.
        if (!keys.IsRequired)
            return options.IsLoopback || options.AllowAnonymous
                ? Caller.Anonymous
                : throw Refused("The server has no keys yet; 'kotonoha keys add' makes one.");
        return keys.Find(secret ?? "") is { } key
            ? new Caller(key)
            : throw Refused(secret is null ? "No key was sent: Authorization: Bearer KEY." : "The key is not known here, or has expired.");
    }

    /// <summary>Counts a request against the caller's rate.</summary>
    /// <exception cref="ApiException">There were too many.</exception>
    public void Count(Caller caller)
    {
        int limit = caller.Key?.RequestsPerMinute ?? options.RequestsPerMinute;
        if (limit > 0)
        {
            using var lease = _limiters.GetOrAdd((caller.Id, limit), static entry => new SlidingWindowRateLimiter(
                new SlidingWindowRateLimiterOptions
                {
                    PermitLimit = entry.Limit,
                    Window = TimeSpan.FromMinutes(1),
                    SegmentsPerWindow = Segments,
                    QueueLimit = 0,
                })).AttemptAcquire();
            if (!lease.IsAcquired)
            {
                telemetry.Refused("rate");
                throw new ApiException(429, ApiErrorType.RateLimit, "rate_limit_exceeded",
                    $"More than {limit} requests in a minute; send this one again a little later.")
                {
                    RetryAfter = lease.TryGetMetadata(MetadataName.RetryAfter, out var wait) ? wait : TimeSpan.FromSeconds(60.0 / Segments),
                };
            }
        }
    }

    public void Dispose()
    {
        foreach (var limiter in _limiters.Values)
            limiter.Dispose();
    }

    private Caller Find(HttpContext context)
    {
        var headers = context.Request.Headers;
        var secret = headers.Authorization is [{ } authorization] && authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            ? authorization[Bearer.Length..].Trim()
            : headers["api-key"] is [{ } apiKey] ? apiKey
            : headers["x-api-key"] is [{ } other] ? other
            : null;
        return Find(secret);
    }

    private static ApiException Refused(string message) => new(401, ApiErrorType.Authentication, "invalid_api_key", message);
}
