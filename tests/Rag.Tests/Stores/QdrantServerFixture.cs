using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Kotonoha.Cli.Qdrant;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>
/// One real Qdrant server for a test class; every test takes a collection of its own. The program is cached in KOTONOHA_TEST_CACHE or the
/// temporary folder.
/// </summary>
public sealed class QdrantServerFixture : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public QdrantServerProcess Server { get; private set; } = null!;

    public static Task<string> InstallAsync() => QdrantServerProcess.InstallAsync(
        Environment.GetEnvironmentVariable("KOTONOHA_TEST_CACHE") ?? Path.Combine(Path.GetTempPath(), "kotonoha-test-qdrant"));

    /// <summary>Starts another server, for tests that stop it or want it otherwise.</summary>
    public static async Task<QdrantServerProcess> StartAsync(string storage, int? port = null, string? apiKey = null)
        => await QdrantServerProcess.StartAsync(await InstallAsync(), storage, port, apiKey);

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public async Task InitializeAsync() => Server = await StartAsync(_folder.At("storage"));

    public async Task DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>What somebody else does to a server: plain requests to its REST interface, which Kotonoha does not use.</summary>
internal sealed class QdrantRest(Uri address) : IDisposable
{
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = address };

    public Task PutAsync(string path, string json) => SendAsync(HttpMethod.Put, path, json);

    public Task PostAsync(string path, string json) => SendAsync(HttpMethod.Post, path, json);

    public Task PatchAsync(string path, string json) => SendAsync(HttpMethod.Patch, path, json);

    public Task DeleteAsync(string path) => SendAsync(HttpMethod.Delete, path, null);

    public Task DeleteAliasAsync(string alias)
        => PostAsync("collections/aliases", $$$"""{"actions":[{"delete_alias":{"alias_name":"{{{alias}}}"}}]}""");

    public Task CreateAliasAsync(string alias, string collection) => PostAsync(
        "collections/aliases", $$$"""{"actions":[{"create_alias":{"alias_name":"{{{alias}}}","collection_name":"{{{collection}}}"}}]}""");

    /// <summary>The names of the collections whose names begin so, in order.</summary>
    public async Task<string[]> CollectionsAsync(string prefix)
        => [.. (await GetAsync("collections"))["collections"]!.AsArray().Select(entry => entry!["name"]!.GetValue<string>())
            .Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    public async Task<int> CountAsync(string collection) => (await GetAsync($"collections/{collection}"))["points_count"]!.GetValue<int>();

    public async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _client.GetStringAsync(path))!["result"]!;

    public void Dispose() => _client.Dispose();

    private async Task SendAsync(HttpMethod method, string path, string? json)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await _client.SendAsync(request);
        Assert.True(response.IsSuccessStatusCode, $"{method} {path}: {await response.Content.ReadAsStringAsync()}");
    }
}

/// <summary>Remembers what was logged.</summary>
internal sealed class RecordingLogger<T> : ILogger<T>
{
    public ConcurrentQueue<(LogLevel Level, string Message)> Entries { get; } = [];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        => Entries.Enqueue((logLevel, formatter(state, exception)));

    /// <summary>Waits until something has been logged.</summary>
    public async Task WaitAsync()
    {
        while (Entries.IsEmpty)
            await Task.Delay(10);
    }
}
