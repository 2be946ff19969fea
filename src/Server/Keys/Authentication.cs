using System.Collections.Concurrent;
using System.Threading.RateLimiting;
using Kotonoha.Server.Http;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;

namespace Kotonoha.Server.Keys;

/// <summary>Finds out who calls, and holds them to their rate.</summary>
internal sealed class Authentication(KeyFile keys, ServerOptions options, TokenBudgets budgets, Telemetry telemetry)
    : IMiddleware, IDisposable
{
    private const string Bearer = "Bearer ";
    private const int Segments = 6;

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly JwtCallers? _tokens = JwtCallers.Create(options);
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

        var caller = await FindAsync(SecretOf(context)).ConfigureAwait(false);
        context.Features.Set(caller);
        RateHeaders.Add(context, caller, this, budgets);

        // Whoever only looks (lists of models, the state of an upload, measurements) uses nothing up.
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
            Count(caller);
        if (context.Request.Path.StartsWithSegments(KotonohaServer.MetricsPath, StringComparison.Ordinal) && !caller.IsAdministrator)
            throw new ApiException(403, ApiErrorType.Permission, "access_denied", "Metrics are for administrators' keys.");
        await next(context).ConfigureAwait(false);
    }

    /// <summary>Whether callers must have a key or a token.</summary>
    public bool IsRequired => _tokens is not null || keys.IsRequired;

    /// <summary>Who the holder of a key is, for callers that send it once and not with each request.</summary>
    /// <param name="secret">The key or the token; or null.</param>
    /// <exception cref="ApiException">A key is required, and this is none.</exception>
    /// <remarks>Waits where the keys of an identity provider must be fetched first.</remarks>
    public Caller Find(string? secret) => FindAsync(secret).GetAwaiter().GetResult();

    private async Task<Caller> FindAsync(string? secret)
    {
        // Without keys, clients that must send one may send anything.
        if (!IsRequired)
            return options.IsLoopback || options.AllowAnonymous
                ? Caller.Anonymous
                : throw Refused("The server has no keys yet; 'kotonoha keys add' makes one.");
        if (_tokens is not null && secret is not null && JwtCallers.IsToken(secret))
            return await _tokens.FindAsync(secret).ConfigureAwait(false);
        return keys.Find(secret ?? "") is { } key
            ? new Caller(key)
            : throw Refused(secret is null ? "No key was sent: Authorization: Bearer KEY." : "The key is not known here, or has expired.");
    }

    /// <summary>Counts a request against the caller's rate.</summary>
    /// <exception cref="ApiException">There were too many.</exception>
    public void Count(Caller caller)
    {
        if (LimiterOf(caller) is not { } limiter)
            return;
        using var lease = limiter.AttemptAcquire();
        if (lease.IsAcquired)
            return;
        telemetry.Refused("rate");
        throw new ApiException(429, ApiErrorType.RateLimit, "rate_limit_exceeded",
            $"More than {LimitOf(caller)} requests in a minute; send this one again a little later.")
        {
            RetryAfter = lease.TryGetMetadata(MetadataName.RetryAfter, out var wait) ? wait : Window / Segments,
        };
    }

    /// <summary>
    /// What is left of a caller's requests, all of which are there again a minute after the last; null where there is no limit.
    /// </summary>
    public LimitState? RequestsLeft(Caller caller)
        => LimiterOf(caller)?.GetStatistics() is { } now
            ? new LimitState(LimitOf(caller), now.CurrentAvailablePermits, Window)
            : null;

    public void Dispose()
    {
        foreach (var limiter in _limiters.Values)
            limiter.Dispose();
    }

    private int LimitOf(Caller caller) => caller.Key?.RequestsPerMinute ?? options.RequestsPerMinute;

    private RateLimiter? LimiterOf(Caller caller)
        => LimitOf(caller) is var limit and > 0
            ? _limiters.GetOrAdd((caller.Id, limit), static entry => new SlidingWindowRateLimiter(new SlidingWindowRateLimiterOptions
            {
                PermitLimit = entry.Limit,
                Window = Window,
                SegmentsPerWindow = Segments,
                QueueLimit = 0,
            }))
            : null;

    private static string? SecretOf(HttpContext context)
    {
        var headers = context.Request.Headers;
        return headers.Authorization is [{ } authorization] && authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            ? authorization[Bearer.Length..].Trim()
            : headers["api-key"] is [{ } apiKey] ? apiKey
            : headers["x-api-key"] is [{ } other] ? other
            : null;
    }

    private static ApiException Refused(string message) => new(401, ApiErrorType.Authentication, "invalid_api_key", message);
}
