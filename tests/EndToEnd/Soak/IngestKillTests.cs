using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Stores;
using Xunit.Abstractions;

namespace Kotonoha.EndToEnd.Soak;

[Trait("Category", "EndToEnd")]
public sealed class IngestKillTests(ITestOutputHelper output) : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("kotonoha-kill-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public async Task Killing_the_ingestion_into_the_embedded_store_loses_nothing_acknowledged()
    {
        var soak = new IngestKillSoak(root, SoakSettings.Value("DOCUMENTS", 120), SoakSettings.Value("SEED", 1), Say)
        {
            StoreArguments = [],
            OpenStore = (folder, home) => EmbeddedStore.Open(Workspace.Open(home, folder).Store),
        };
        Check(await soak.RunAsync(SoakSettings.Value("KILLS", 5)));
    }

    private static void Check(List<string> problems)
        => Assert.True(problems.Count == 0, string.Join('\n', problems.Take(20)));

    private void Say(string line)
    {
        output.WriteLine(line);
        Console.WriteLine(line);
    }
}
