using Kotonoha.Cli.Qdrant;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Stores;
using Xunit.Abstractions;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>A small dose of scripts/soak-ingest-kill: what a killed ingestion or a killed server leaves behind.</summary>
[Trait("Category", "EndToEnd")]
[Trait("Needs", "qdrant")]
public sealed class IngestKillTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string QdrantCache = Environment.GetEnvironmentVariable("KOTONOHA_TEST_CACHE")
        ?? Path.Combine(Path.GetTempPath(), "kotonoha-test-qdrant");
    private readonly string _root = Directory.CreateTempSubdirectory("kotonoha-kill-").FullName;

    private static int Documents => SoakSettings.Value("DOCUMENTS", 60);

    private static int Seed => SoakSettings.Value("SEED", 1);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task Killing_the_ingestion_into_the_embedded_store_loses_nothing_acknowledged()
    {
        var soak = new IngestKillSoak(_root, Documents, Seed, Say)
        {
            StoreArguments = [],
            OpenStore = (folder, home) => EmbeddedStore.Open(Workspace.Open(home, folder).Store("")),
        };
        Check(await soak.KillIngestionAsync(SoakSettings.Value("KILLS", 4)));
    }

    [Fact]
    public async Task Killing_the_ingestion_into_Qdrant_loses_nothing_acknowledged()
    {
        await using var server = await StartAsync(null);
        Check(await SoakOver(server.Address).KillIngestionAsync(SoakSettings.Value("KILLS", 3)));
    }

    [Fact]
    public async Task Killing_the_Qdrant_server_loses_nothing_acknowledged()
    {
        var server = await StartAsync(null);
        try
        {
            // The server dies, and comes back under the same address with the same storage.
            Check(await SoakOver(server.Address).DisturbAsync("the server killed", SoakSettings.Value("SERVERKILLS", 1), async () =>
            {
                server.Kill();
                await server.DisposeAsync();
                server = await StartAsync(server.Address.Port);
            }));
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    private static void Check(List<string> problems)
        => Assert.True(problems.Count == 0, string.Join('\n', problems.Take(20)));

    private async Task<QdrantServerProcess> StartAsync(int? port)
        => await QdrantServerProcess.StartAsync(await QdrantServerProcess.InstallAsync(QdrantCache), Path.Combine(_root, "qdrant"), port);

    private IngestKillSoak SoakOver(Uri address) => new(_root, Documents, Seed, Say)
    {
        StoreArguments = ["--qdrant-url", address.ToString()],
        OpenStore = (folder, home) =>
            new QdrantStore(new QdrantStoreOptions { Address = address, Collection = Workspace.Open(home, folder).Collection }),
    };

    private void Say(string line)
    {
        output.WriteLine(line);
        Console.WriteLine(line);
    }
}
