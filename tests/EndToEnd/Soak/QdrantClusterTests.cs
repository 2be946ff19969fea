using Kotonoha.Cli.Qdrant;
using Kotonoha.EndToEnd.Support;
using Xunit.Abstractions;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>A small dose of scripts/soak-qdrant-cluster: what a killed node of a cluster takes along.</summary>
[Trait("Category", "EndToEnd")]
[Trait("Needs", "qdrant")]
public sealed class QdrantClusterTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string QdrantCache = Environment.GetEnvironmentVariable("KOTONOHA_TEST_CACHE")
        ?? Path.Combine(Path.GetTempPath(), "kotonoha-test-qdrant");

    private readonly string _root = Directory.CreateTempSubdirectory("kotonoha-cluster-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task A_killed_node_loses_nothing_acknowledged_and_searches_go_on()
    {
        var program = await QdrantServerProcess.InstallAsync(QdrantCache);
        await using var cluster = await QdrantCluster.StartAsync(program, _root, QdrantClusterSoak.Nodes);
        var soak = new QdrantClusterSoak(_root, SoakSettings.Value("DOCUMENTS", 80), SoakSettings.Value("SEED", 1), Say)
        {
            Cluster = cluster,
        };
        var problems = await soak.RunAsync(SoakSettings.Value("KILLS", 1));
        Assert.True(problems.Count == 0, string.Join('\n', problems.Take(20)));
    }

    private void Say(string line)
    {
        output.WriteLine(line);
        Console.WriteLine(line);
    }
}
