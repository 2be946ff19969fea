using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using OpenAI;

namespace Kotonoha.Server.Tests;

/// <summary>The real server on a free port of the loopback, with a small real model; its text means nothing.</summary>
public sealed class RunningServer : IAsyncDisposable
{
    public const string Model = "tiny";

    private readonly TemporaryFolder _folder = new();
    private KnowledgeBase? _handbook;

    private RunningServer()
    {
    }

    public WebApplication App { get; private set; } = null!;

    public Uri Address { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public string Home => _folder.At("home");

    public string ModelFolder => _folder.At(Model);

    public static async Task<RunningServer> StartAsync(
        Func<ServerOptions, ServerOptions>? change = null, bool withHandbook = false, Action<string>? before = null,
        Action<WebApplicationBuilder>? services = null, Action<WebApplication>? endpoints = null, int contextLength = 1024)
    {
        var server = new RunningServer();
        SavedModel.Save(server.ModelFolder, contextLength: contextLength);
        before?.Invoke(server.Home);
        var options = new ServerOptions
        {
            Home = server.Home,
            Url = new Uri("http://127.0.0.1:0"),
            Models = new Dictionary<string, string> { [Model] = server.ModelFolder },
            Threads = 1,

            // Answers that can be compared.
            Temperature = 0,
        };
        if (withHandbook)
            options = options with { Collections = [new KnowledgeCollection("handbook", await server.HandbookAsync())] };
        server.App = KotonohaServer.Build(change?.Invoke(options) ?? options, services, endpoints);
        await server.App.StartAsync();
        server.Address = new Uri(
            server.App.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        server.Http = new HttpClient { BaseAddress = server.Address };
        return server;
    }

    public OpenAIClient OpenAI(string key = "none") => new(
        new ApiKeyCredential(key),
        new OpenAIClientOptions { Endpoint = new Uri(Address, "/v1"), RetryPolicy = new ClientRetryPolicy(maxRetries: 0) });

    /// <summary>The same model, without a server.</summary>
    public LocalGpt Reference() => LocalGpt.Load(ModelFolder, new LocalGptOptions { Threads = 1, ModelId = Model });

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await App.StopAsync();
        await App.DisposeAsync();
        if (_handbook is not null)
            await _handbook.DisposeAsync();
        _folder.Dispose();
    }

    private async Task<KnowledgeBase> HandbookAsync()
    {
        _handbook = new KnowledgeBase(EmbeddedStore.Open(_folder.At("handbook.db")), new SvdEmbedder(_folder.At("embedder")));
        foreach (var (source, text) in new[]
        {
            ("lighthouse.md", "# The lighthouse of Minase\n\nThe lighthouse of Minase was built in 1884 by the engineer Hanae "
                + "Ōtsuki. Its tower is 31 metres high.\n\n## Visitors\n\nThe gallery is open from April to October. A ticket "
                + "costs 300 yen.\n"),
            ("ferry.txt", "The ferry to the island of Tobishima leaves at 7:15 and at 16:40. The crossing takes 55 minutes.\n"),
            ("birds.md", "# 渡り鳥の観察\n\n水瀬湖には毎年十月になると約四千羽の白鳥が飛来する。白鳥は三月の終わりに北へ帰る。\n"),
        })
            await _handbook.AddDocumentAsync(source, new MemoryStream(Encoding.UTF8.GetBytes(text)));
        return _handbook;
    }
}

/// <summary>One server for the tests of a class.</summary>
public sealed class ServerFixture : IAsyncLifetime
{
    public RunningServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await RunningServer.StartAsync(withHandbook: true);

    public async Task DisposeAsync() => await Server.DisposeAsync();
}
