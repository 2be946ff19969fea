using System.Text.Json.Serialization;
using Kotonoha.Foundation;
using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Knowledge;
using Kotonoha.Server.Mcp;
using Kotonoha.Server.Models;
using Kotonoha.Server.Ollama;
using Kotonoha.Server.OpenAI;
using Kotonoha.Server.Prompts;
using Kotonoha.Server.Training;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Kotonoha.Server;

/// <summary>The server: models and knowledge bases of a machine behind interfaces that programs know.</summary>
public static partial class KotonohaServer
{
    internal const string MetricsPath = "/metrics";

    // After answers have been cut, they still have to say so.
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    /// <summary>Puts the server together; it listens once it is started.</summary>
    /// <param name="options">What it serves.</param>
    /// <param name="services">Adds services, those of a page for example; null for none.</param>
    /// <param name="endpoints">Adds endpoints and what stands before them; null for none. Callers are known by then.</param>
    /// <returns>The application; disposing it unloads the models.</returns>
    /// <exception cref="KotonohaException">A setting cannot be used (<see cref="ServerSettingException"/> names it).</exception>
    public static WebApplication Build(
        ServerOptions options, Action<WebApplicationBuilder>? services = null, Action<WebApplication>? endpoints = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var keys = new KeyFile(options.Home);
        if (!options.IsLoopback && !keys.IsRequired && !options.TakesTokens && !options.AllowAnonymous)
            throw new ServerSettingException("url", $"{options.Url} can be reached from other machines, and there are no keys; make one "
                + "('kotonoha keys add NAME'), or set 'allow-anonymous'");
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [], ContentRootPath = AppContext.BaseDirectory });

        // Settings come from the options alone; a stray file or variable of ASP.NET Core changes nothing.
        builder.Configuration.Sources.Clear();
        builder.Configuration.AddInMemoryCollection();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxRequestBytes;
        });
        if (options.Certificate is not null)
            builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
            {
                var shown = kestrel.ApplicationServices.GetRequiredService<ShownCertificate>();
                kestrel.ConfigureHttpsDefaults(https =>
                {
                    https.ServerCertificate = shown.Context.TargetCertificate;
                    https.OnAuthenticate = (_, tls) => tls.ServerCertificateContext = shown.Context;
                });
            });
        builder.WebHost.UseUrls(options.Url.GetLeftPart(UriPartial.Authority));
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTime + LastWords);
        Quieten(builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Kotonoha", LogLevel.Information));
        AddServices(builder.Services, options, keys);
        services?.Invoke(builder);

        // What goes wrong at the start is thrown, to be told once.
        bool hasStarted = false;
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => hasStarted && level >= LogLevel.Warning);
        var app = builder.Build();
        app.Lifetime.ApplicationStarted.Register(() => hasStarted = true);

        // A file that cannot be written is a reason not to start.
        app.Services.GetRequiredService<ServerAudit>();
        app.Services.GetRequiredService<PromptLog>();
        app.Services.GetRequiredService<ResponseStore>();
        if (!options.IsLoopback && options.Url.Scheme != "https")
            LogNoTls(app.Logger, options.Url);
        app.UseMiddleware<Errors>();
        app.UseMiddleware<BrowserGuard>();
        app.UseRouting();
        app.UseMiddleware<Authentication>();
        MapHealth(app);
        MapOpenAI(app);
        MapOllama(app);
        app.Services.GetRequiredService<KnowledgeEndpoints>().Map(app);
        app.Services.GetRequiredService<TrainingEndpoints>().Map(app);
        app.MapOpenApi();
        app.MapMcp("/mcp");
        endpoints?.Invoke(app);
        app.MapFallback("{**path}", static context => throw UnknownAddress.Refuse(context));
        return app;
    }

    /// <summary>Speaks the Model Context Protocol over standard input and output until the input ends.</summary>
    /// <param name="options">What it serves; models are not needed, and addresses, keys and limits do not count.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KotonohaException">A setting cannot be used.</exception>
    public static async Task RunStdioAsync(ServerOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var builder = Host.CreateEmptyApplicationBuilder(null);

        // Standard output belongs to the protocol.
        Quieten(builder.Logging.SetMinimumLevel(LogLevel.Warning).AddConsole(
            console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(new FairQueue(options.MaxRunning, options.MaxWaitingPerKey, options.MaxWaiting));
        builder.Services.AddSingleton<Collections>();
        AddPrompts(builder.Services);
        McpHandlers.AddTo(builder.Services).WithStdioServerTransport();
        using var host = builder.Build();
        await host.RunAsync(cancellationToken).ConfigureAwait(false);
    }

    // Both log what a caller does wrong as a warning with its stack, so that anybody could fill the disk; what nobody expected is logged by
    // the server itself.
    private static void Quieten(ILoggingBuilder logging)
        => logging.AddFilter("ModelContextProtocol", LogLevel.None).AddFilter("Microsoft.Extensions.AI", LogLevel.Error)
            .AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);

    private static void AddServices(IServiceCollection services, ServerOptions options, KeyFile keys)
    {
        AddTelemetry(services, options);
        services.AddSingleton(options);
        services.AddSingleton(keys);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(new FairQueue(options.MaxRunning, options.MaxWaitingPerKey, options.MaxWaiting));
        services.AddSingleton(provider => new ModelPool(
            options, provider.GetRequiredService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>(),
            // Where tenants share a model, how fast a prompt is read must not tell one what another has asked.
            () => !options.TakesTokens && keys.Keys.Select(key => key.Tenant).Distinct().Count() < 2));
        services.AddSingleton<Workload>();
        services.AddSingleton<Telemetry>();
        services.AddSingleton<UsageLedger>();
        services.AddHostedService(provider => provider.GetRequiredService<UsageLedger>());
        services.AddSingleton<TokenBudgets>();
        services.AddSingleton(PriceTable.Read(options));
        services.AddSingleton<PromptLog>();
        services.AddSingleton<ServerAudit>();
        services.AddHostedService(provider => provider.GetRequiredService<ServerAudit>());
        services.AddSingleton<Admission>();
        services.AddSingleton<ShownCertificate>();
        services.AddSingleton<Errors>();
        services.AddSingleton<BrowserGuard>();
        services.AddSingleton<Authentication>();
        services.AddSingleton<RequestNotices>();
        services.AddSingleton<ModelList>();
        services.AddSingleton<ChatCompletions>();
        services.AddSingleton<Completions>();
        services.AddSingleton<Embeddings>();
        services.AddSingleton<OllamaEndpoints>();
        services.AddSingleton<Health>();
        services.AddSingleton<Collections>();
        services.AddSingleton<Uploads>();
        services.AddHostedService(provider => provider.GetRequiredService<Uploads>());
        services.AddSingleton<KnowledgeEndpoints>();
        AddPrompts(services);
        services.AddSingleton<RunTraces>();
        services.AddSingleton<PromptRuns>();
        services.AddSingleton<McpAgents>();
        services.AddSingleton<TrainingData>();
        services.AddSingleton<TrainingRuns>();
        services.AddHostedService(provider => provider.GetRequiredService<TrainingRuns>());
        services.AddSingleton<TrainingEndpoints>();
        services.AddOpenApi(openApi => openApi.AddDocumentTransformer(OpenApiDescription.CompleteAsync));

        // Bodies are read and written as the typed client does; the description says the same.
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            foreach (var converter in KotonohaClient.Format.Converters)
                json.SerializerOptions.Converters.Add(converter);
        });
        McpHandlers.AddTo(services).WithHttpTransport(transport => transport.Stateless = true);
        services.AddSingleton<ResponseStore>();
        services.AddSingleton<Responses>();
    }

    private static void AddPrompts(IServiceCollection services)
    {
        services.AddSingleton<KnowledgeTools>();
        services.AddSingleton<PromptLibrary>();
        services.AddSingleton<PromptSplits>();
    }

    private static void AddTelemetry(IServiceCollection services, ServerOptions options)
    {
        var telemetry = services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("kotonoha", serviceVersion: OllamaEndpoints.Version))
            .WithMetrics(metrics => metrics
                .AddMeter(Telemetry.SourceName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
                .AddPrometheusExporter())
            .WithTracing(tracing => tracing.AddSource(Telemetry.SourceName).AddAspNetCoreInstrumentation());
        if (options.OtlpEndpoint is { } endpoint)
            telemetry.UseOtlpExporter(OtlpExportProtocol.Grpc, endpoint);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Other machines reach {Url} without TLS, so keys, prompts and documents can be "
        + "read on the way; set 'certificate' and an https address, or keep a proxy that has TLS before it")]
    private static partial void LogNoTls(ILogger logger, Uri url);

    private static void MapHealth(WebApplication app)
    {
        var health = app.Services.GetRequiredService<Health>();
        app.MapGet("/health/live", health.LiveAsync);
        app.MapGet("/health/ready", health.ReadyAsync);
        app.MapGet("/health/loaded", health.LoadedAsync);
        app.MapPrometheusScrapingEndpoint(MetricsPath);
    }

    private static void MapOllama(WebApplication app)
    {
        var ollama = app.Services.GetRequiredService<OllamaEndpoints>();
        var api = app.MapGroup("/api");
        api.MapGet("/version", ollama.VersionAsync);
        api.MapGet("/tags", ollama.TagsAsync);
        api.MapGet("/ps", ollama.LoadedAsync);
        api.MapPost("/show", ollama.ShowAsync);
        api.MapPost("/chat", ollama.ChatAsync);
        api.MapPost("/generate", ollama.GenerateAsync);
        api.MapPost("/embed", ollama.EmbedAsync);
        api.MapPost("/embeddings", ollama.EmbedOneAsync);

        // Its clients ask here whether somebody is there. A page may take the place.
        app.MapMethods("/", ["GET", "HEAD"], static context => context.Response.WriteAsync("Kotonoha is running"))
            .Add(static endpoint => ((RouteEndpointBuilder)endpoint).Order = int.MaxValue - 1);
    }

    private static void MapOpenAI(WebApplication app)
    {
        var services = app.Services;
        var v1 = app.MapGroup("/v1");
        v1.MapGet("/models", services.GetRequiredService<ModelList>().ListAsync);

        // Names of models may hold slashes.
        v1.MapGet("/models/{**model}", (HttpContext context, string model)
            => services.GetRequiredService<ModelList>().GetAsync(context, model));
        v1.MapPost("/chat/completions", services.GetRequiredService<ChatCompletions>().HandleAsync);
        v1.MapPost("/completions", services.GetRequiredService<Completions>().HandleAsync);
        v1.MapPost("/embeddings", services.GetRequiredService<Embeddings>().HandleAsync);
        var responses = services.GetRequiredService<Responses>();
        v1.MapPost("/responses", responses.HandleAsync);
        v1.MapGet("/responses/{id}", (HttpContext context, string id) => responses.GetAsync(context, id));
        v1.MapDelete("/responses/{id}", (HttpContext context, string id) => responses.DeleteAsync(context, id));
    }
}
