using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Cli.Comparisons;

/// <summary>A page on the loopback that shows pairs of answers and takes votes; it needs no script.</summary>
internal static class VoteServer
{
    /// <summary>Serves until it is cancelled.</summary>
    /// <param name="poll">What is voted on.</param>
    /// <param name="port">The port; 0 for a free one.</param>
    /// <param name="listening">Is told the address.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task RunAsync(Poll poll, int port, Action<string> listening, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port,
            listen => listen.Protocols = HttpProtocols.Http1));
        await using var application = builder.Build();
        var token = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
        application.Use(async (context, next) =>
        {
            // Another name for the loopback would let a page elsewhere read and vote (DNS rebinding).
            if (context.Request.Host.Host is not ("127.0.0.1" or "localhost"))
            {
                context.Response.StatusCode = StatusCodes.Status403Forbidden;
                return;
            }

            context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
                + "frame-ancestors 'none'";
            context.Response.Headers.XContentTypeOptions = "nosniff";
            await next(context);
        });
        application.MapGet("/", (HttpRequest request) => Results.Content(
            VotePage.Write(poll, token, IsJapanese(request)), "text/html; charset=utf-8"));
        application.MapPost("/vote", async (HttpRequest request) =>
        {
            if (!request.HasFormContentType)
                return Results.BadRequest("a form is expected");
            var form = await request.ReadFormAsync(cancellationToken);
            double? left = form["better"].ToString() switch { "left" => 1, "right" => 0, "tie" => 0.5, _ => null };
            return form["token"] == token && left is { } said
                && int.TryParse(form["pair"], CultureInfo.InvariantCulture, out int number) && poll.Cast(number, said)
                ? Results.Redirect("/")
                : Results.BadRequest("this is no vote on a pair of this page; open it anew");
        }).DisableAntiforgery();
        await application.StartAsync(cancellationToken);
        listening(application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await application.StopAsync(CancellationToken.None);
        }
    }

    private static bool IsJapanese(HttpRequest request)
        => request.GetTypedHeaders().AcceptLanguage.OrderByDescending(l => l.Quality ?? 1).FirstOrDefault()?.Value
            .StartsWith("ja", StringComparison.OrdinalIgnoreCase) == true;
}

/// <summary>The page of a poll.</summary>
internal static class VotePage
{
    /// <summary>The next pair, or what the votes come to.</summary>
    public static string Write(Poll poll, string token, bool japanese)
    {
        string Say(string english, string other) => japanese ? other : english;
        var title = Say("Which answer is better?", "どちらの答えがよいですか");
        var page = new StringBuilder($"<!doctype html><html lang=\"{(japanese ? "ja" : "en")}\"><head><meta charset=\"utf-8\">"
            + $"<meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>"
            + "body{font:16px/1.6 system-ui,sans-serif;margin:1.5rem auto;padding:0 1rem;max-width:70rem;color:#1b1b1f;background:#fff}"
            + ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem}"
            + "section,blockquote{border:1px solid #b9bdc7;border-radius:8px;padding:.5rem 1rem;margin:0;overflow-wrap:anywhere}"
            + "pre{white-space:pre-wrap;font:inherit;margin:.3rem 0}form{display:flex;flex-wrap:wrap;gap:.7rem;margin:1rem 0}"
            + "button{font:inherit;padding:.6rem 1.2rem;border-radius:8px;border:1px solid #2456c8;background:#2456c8;color:#fff}"
            + "@media(prefers-color-scheme:dark){body{color:#e8e9ed;background:#16181d}section,blockquote{border-color:#4a4f5c}}"
            + $"</style></head><body><main><h1>{title}</h1>");
        page.Append(CultureInfo.InvariantCulture, $"<p>{Math.Min(poll.Done + 1, poll.Count)} / {poll.Count}</p>");
        if (poll.Next() is { } pair)
        {
            page.Append("<blockquote><pre>").Append(Escape(pair.Prompt)).Append("</pre></blockquote><p></p><div class=\"pair\">");
            Answer("A", pair.Left);
            Answer("B", pair.Right);
            page.Append(CultureInfo.InvariantCulture, $"</div><form method=\"post\" action=\"/vote\"><input type=\"hidden\" name=\"token\" "
                + $"value=\"{token}\"><input type=\"hidden\" name=\"pair\" value=\"{pair.Number}\">");
            Button("left", Say("A is better", "A がよい"), '1');
            Button("tie", Say("Neither is better", "同じくらい"), '2');
            Button("right", Say("B is better", "B がよい"), '3');
            page.Append("</form>");
        }
        else
        {
            page.Append("<p>").Append(Say("All pairs have a vote. Thank you.", "すべての組に投票がありました。ありがとうございます。")).Append("</p>");
            if (poll.Votes() is { Count: > 0 } votes)
                page.Append("<section><pre style=\"font-family:monospace;overflow:auto\">").Append(Escape(RatingTable.Text(votes)))
                    .Append("</pre></section>");
        }

        return page.Append("</main></body></html>\n").ToString();

        void Answer(string name, string text) => page.Append(CultureInfo.InvariantCulture, $"<section aria-label=\"{name}\"><h2>{name}</h2>"
            + $"<pre>{Escape(text)}</pre></section>");

        void Button(string value, string text, char key) => page.Append(CultureInfo.InvariantCulture,
            $"<button name=\"better\" value=\"{value}\" accesskey=\"{key}\">{text}</button>");
    }

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
