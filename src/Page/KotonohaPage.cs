using Kotonoha.Page.Layout;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using MudBlazor.Services;

namespace Kotonoha.Page;

/// <summary>The page of the server. Give both methods to <see cref="Server.KotonohaServer.Build"/>.</summary>
public static class KotonohaPage
{
    // Scripts and connections of the server's own alone. The components set styles on elements, which needs 'unsafe-inline' for styles;
    // nothing needs it for scripts, and nothing needs 'unsafe-eval'.
    internal const string ContentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        + "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'";

    private const long MaxMessageBytes = 1 << 20;

    private static readonly (string Name, string Type)[] Files =
    [
        ("mudblazor.css", "text/css"), ("mudblazor.js", "text/javascript"), ("page.css", "text/css"), ("page.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ];

    /// <summary>Adds the page's services.</summary>
    /// <param name="builder">The server's builder.</param>
    public static void AddServices(WebApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddRazorComponents().AddInteractiveServerComponents()
            .AddHubOptions(hub => hub.MaximumReceiveMessageSize = MaxMessageBytes);
        builder.Services.AddMudServices();

        // Nothing of the page outlives the process, so its tokens need not either.
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        builder.Services.AddSingleton<Measurements>();
        builder.Services.AddScoped<Session>();
    }

    /// <summary>Maps the page at <c>/</c>.</summary>
    /// <param name="app">The server.</param>
    public static void Map(WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);

        // Counting begins with the server, not with the first who looks.
        app.Services.GetRequiredService<Measurements>();
        app.Use(static (context, next) =>
        {
            if (context.GetEndpoint()?.Metadata.GetMetadata<PageMark>() is not null)
                context.Response.Headers.ContentSecurityPolicy = ContentPolicy;
            return next(context);
        });
        app.UseAntiforgery();
        foreach (var (name, type) in Files)
            MapFile(app, $"/page/{name}", name, type);
        MapFile(app, "/_framework/blazor.web.js", "blazor.web.js", "text/javascript");
        app.MapRazorComponents<Document>()
            .AddInteractiveServerRenderMode(mode => mode.ContentSecurityFrameAncestorsPolicy = null)
            .WithMetadata(new PageMark(), new AllowAnonymousAttribute());
    }

    private static void MapFile(WebApplication app, string path, string name, string type)
    {
        var assembly = typeof(KotonohaPage).Assembly;
        var tag = new EntityTagHeaderValue($"\"{assembly.ManifestModule.ModuleVersionId:N}\"");
        app.MapGet(path, (HttpContext context) =>
        {
            context.Response.Headers.CacheControl = "no-cache";
            return Results.Stream(assembly.GetManifestResourceStream(name)!, type, entityTag: tag);
        }).WithMetadata(new AllowAnonymousAttribute()).ExcludeFromDescription();
    }

    private sealed class PageMark;
}
