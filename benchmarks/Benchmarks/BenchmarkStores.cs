using Kotonoha.Cli.Qdrant;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Opens new stores of the kind that <c>--store embedded|qdrant</c> names; starts a Qdrant server where <c>--qdrant-url</c> names none.
/// </summary>
internal sealed class BenchmarkStores : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kotonoha-benchmark-").FullName;
    private QdrantServerProcess? _server;
    private Uri? _address;
    private int _opened;

    /// <summary>The server's process, where one was started here.</summary>
    public int? ServerProcessId => _server?.ProcessId;

    /// <summary>The server's gRPC address, where the stores are on one.</summary>
    public Uri? Address => _address;

    public static async Task<BenchmarkStores> StartAsync(Dictionary<string, string> options)
    {
        var stores = new BenchmarkStores();
        switch (options.GetValueOrDefault("store", "embedded"))
        {
            case "embedded":
                break;
            case "qdrant" when options.TryGetValue("qdrant-url", out var url):
                stores._address = new Uri(url);
                break;
            case "qdrant":
                var program = await QdrantServerProcess.InstallAsync(Path.Combine(Path.GetTempPath(), "kotonoha-benchmark-qdrant"));
                stores._server = await QdrantServerProcess.StartAsync(program, Path.Combine(stores._folder, "qdrant"));
                stores._address = stores._server.Address;
                break;
            case var other:
                throw new ArgumentException($"The store '{other}' is not known; known are embedded, qdrant.");
        }

        return stores;
    }

    public IKnowledgeStore Open()
        => _address is { } address
            ? new QdrantStore(new QdrantStoreOptions { Address = address, Collection = $"benchmark-{Environment.ProcessId}-{_opened++}" })
            : EmbeddedStore.Open(Path.Combine(_folder, $"{_opened++}.db"));

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
