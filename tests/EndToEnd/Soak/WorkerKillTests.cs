using Kotonoha.Cli.Qdrant;
using Kotonoha.EndToEnd.Support;
using Xunit.Abstractions;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>A fact that is skipped, with a message that says what to install, where there is no RabbitMQ server.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RabbitFactAttribute : FactAttribute
{
    public RabbitFactAttribute() => Skip = RabbitServer.Missing;
}

/// <summary>A small dose of scripts/soak-workers: what killed workers leave behind.</summary>
[Trait("Category", "EndToEnd")]
[Trait("Needs", "qdrant")]
public sealed class WorkerKillTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string QdrantCache = Environment.GetEnvironmentVariable("KOTONOHA_TEST_CACHE")
        ?? Path.Combine(Path.GetTempPath(), "kotonoha-test-qdrant");

    private readonly string _root = Directory.CreateTempSubdirectory("kotonoha-workers-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [RabbitFact]
    public async Task Killed_workers_leave_every_document_exactly_once()
    {
        var program = await QdrantServerProcess.InstallAsync(QdrantCache);
        await using var store = await QdrantServerProcess.StartAsync(program, Path.Combine(_root, "qdrant"));
        await using var queue = await RabbitServer.StartAsync(Path.Combine(_root, "rabbitmq"));
        var soak = new WorkerKillSoak(_root, SoakSettings.Value("DOCUMENTS", 40), SoakSettings.Value("SEED", 1), Say)
        {
            Queue = queue.Address,
            Store = store.Address,
        };
        var problems = await soak.RunAsync(SoakSettings.Value("WORKERS", 2), SoakSettings.Value("KILLS", 1));
        Assert.True(problems.Count == 0, string.Join('\n', problems.Take(20)));
    }

    private void Say(string line)
    {
        output.WriteLine(line);
        Console.WriteLine(line);
    }
}
