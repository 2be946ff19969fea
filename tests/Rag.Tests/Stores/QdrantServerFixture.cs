using Kotonoha.Cli.Qdrant;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>One real Qdrant server for a test class; every test takes a collection of its own. The program is cached in KOTONOHA_TEST_CACHE or the temporary folder.</summary>
public sealed class QdrantServerFixture : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public QdrantServerProcess Server { get; private set; } = null!;

    public static Task<string> InstallAsync()
        => QdrantServerProcess.InstallAsync(Environment.GetEnvironmentVariable("KOTONOHA_TEST_CACHE") ?? Path.Combine(Path.GetTempPath(), "kotonoha-test-qdrant"));

    public async Task InitializeAsync() => Server = await QdrantServerProcess.StartAsync(await InstallAsync(), _folder.File("storage"));

    public async Task DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync();
        _folder.Dispose();
    }
}
