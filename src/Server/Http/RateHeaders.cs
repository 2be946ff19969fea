using System.Globalization;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;

namespace Kotonoha.Server.Http;

/// <summary>Tells callers what is left of their limits, by OpenAI's headers.</summary>
internal static class RateHeaders
{
    /// <summary>Writes the headers when the answer begins, with what it has used until then.</summary>
    public static void Add(HttpContext context, Caller caller, Authentication authentication, TokenBudgets budgets)
        => context.Response.OnStarting(() =>
        {
            Write(context, "requests", authentication.RequestsLeft(caller));
            var work = context.Features.Get<AdmittedRequest>();
            Write(context, "tokens", budgets.Of(caller, work is null or { IsSettled: true } ? 0 : work.InputTokens + work.OutputTokens));
            return Task.CompletedTask;
        });

    private static void Write(HttpContext context, string what, LimitState? state)
    {
        if (state is not { } left)
            return;
        var headers = context.Response.Headers;
        headers[$"x-ratelimit-limit-{what}"] = left.Limit.ToString(CultureInfo.InvariantCulture);
        headers[$"x-ratelimit-remaining-{what}"] = left.Remaining.ToString(CultureInfo.InvariantCulture);
        headers[$"x-ratelimit-reset-{what}"] = Duration(left.Reset);
    }

    // As OpenAI writes it: 1h2m3s.
    private static string Duration(TimeSpan time)
    {
        var (hours, minutes, seconds) = ((int)time.TotalHours, time.Minutes, time.Seconds);
        return hours > 0 ? string.Create(CultureInfo.InvariantCulture, $"{hours}h{minutes}m{seconds}s")
            : minutes > 0 ? string.Create(CultureInfo.InvariantCulture, $"{minutes}m{seconds}s")
            : string.Create(CultureInfo.InvariantCulture, $"{seconds}s");
    }
}
