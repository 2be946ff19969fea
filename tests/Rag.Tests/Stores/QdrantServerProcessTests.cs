using System.Diagnostics;
using System.Globalization;
using Kotonoha.Cli.Qdrant;
using Kotonoha.Foundation;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>The server that the command starts for itself.</summary>
[Trait("Needs", "qdrant")]
public sealed class QdrantServerProcessTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("real")]
    [InlineData("link")]
    public async Task A_server_that_a_killed_run_left_behind_is_stopped_before_the_next_starts(string home)
    {
        var program = await QdrantServerFixture.InstallAsync();
        Directory.CreateDirectory(_folder.At("real/storage"));
        Directory.CreateSymbolicLink(_folder.At("link"), _folder.At("real"));
        var (orphan, address) = LeaveBehind(program, _folder.At("real/storage"));
        using (orphan)
        {
            try
            {
                await using (var store = new QdrantStore(new QdrantStoreOptions { Address = address, ReadRetrySeconds = 60 }))
                {
                    await store.GetInfoAsync();
                    await store.CreateAsync(KnowledgeStoreTests.Info());
                    await store.WriteAsync([KnowledgeStoreTests.Document("a.md", "v1", "alpha")]);
                }

                await using var server = await QdrantServerProcess.StartAsync(program, _folder.At(home + "/storage"));
                Assert.True(orphan.HasExited);
                await using var again = new QdrantStore(new QdrantStoreOptions { Address = server.Address });
                Assert.Single(await again.SearchSparseAsync(TermVector.FromText("alpha"), 5));
            }
            finally
            {
                orphan.Kill();
            }
        }
    }

    [Fact]
    public async Task A_second_run_is_refused_and_the_first_ones_server_lives_on()
    {
        var program = await QdrantServerFixture.InstallAsync();
        await using (var first = await QdrantServerProcess.StartAsync(program, _folder.At("storage")))
        {
            var second = QdrantServerProcess.StartAsync(program, _folder.At("storage"));
            Assert.Contains("Another run", (await Assert.ThrowsAsync<KotonohaException>(() => second)).Message);
            Assert.False(first.HasExited);
        }

        await using var next = await QdrantServerProcess.StartAsync(program, _folder.At("storage"));
        Assert.False(next.HasExited);
    }

    [Fact]
    public async Task A_start_that_is_cancelled_leaves_no_process_and_no_lock()
    {
        // The rename makes the number appear as a whole.
        var program = await ScriptAsync("never-ready", "echo $$ > writing; mv writing started; exec sleep 600");
        using var stop = new CancellationTokenSource();
        var start = QdrantServerProcess.StartAsync(program, _folder.At("storage"), cancellationToken: stop.Token);
        while (!File.Exists(_folder.At("storage/started")) && !start.IsCompleted)
            await Task.Delay(10);
        var id = (await File.ReadAllTextAsync(_folder.At("storage/started"))).Trim();
        Assert.True(Directory.Exists("/proc/" + id));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);

        // A process that has ended stands in /proc until the runtime has taken note of it.
        for (int i = 0; i < 3000 && Directory.Exists("/proc/" + id); i++)
            await Task.Delay(10);
        Assert.False(Directory.Exists("/proc/" + id));
        var ends = await ScriptAsync("ends", "exit 3");
        var exception = await Assert.ThrowsAsync<KotonohaException>(() => QdrantServerProcess.StartAsync(ends, _folder.At("storage")));
        Assert.Contains("does not start", exception.Message);

        // A shell writes it: a child that a parallel test starts inherits what this process has open for writing, and such a file cannot
        // be executed.
        async Task<string> ScriptAsync(string name, string text)
        {
            var path = _folder.At(name);
            using var shell = Process.Start("sh", ["-c", """printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 500 "$2" """, "sh", text, path]);
            await shell.WaitForExitAsync();
            return path;
        }
    }

    /// <summary>Starts a server as a run does that is killed afterwards: nobody holds the folder's lock.</summary>
    private static (Process Server, Uri Address) LeaveBehind(string program, string storage)
    {
        int port = QdrantServerFixture.FreePort();
        var server = Launch(program, storage, port, QdrantServerFixture.FreePort(), []);
        File.WriteAllText(Path.Combine(storage, "qdrant.pid"), server.Id.ToString(CultureInfo.InvariantCulture));
        return (server, new Uri(FormattableString.Invariant($"http://127.0.0.1:{port}/")));
    }

    /// <summary>Starts the program with settings of one's own.</summary>
    internal static Process Launch(string program, string storage, int port, int restPort, Dictionary<string, string> settings)
    {
        var start = new ProcessStartInfo(program)
        {
            WorkingDirectory = storage,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["QDRANT__SERVICE__HOST"] = "127.0.0.1";
        start.Environment["QDRANT__SERVICE__HTTP_PORT"] = restPort.ToString(CultureInfo.InvariantCulture);
        start.Environment["QDRANT__SERVICE__GRPC_PORT"] = port.ToString(CultureInfo.InvariantCulture);
        start.Environment["QDRANT__STORAGE__STORAGE_PATH"] = Path.Combine(storage, "storage");
        start.Environment["QDRANT__STORAGE__SNAPSHOTS_PATH"] = Path.Combine(storage, "snapshots");
        start.Environment["QDRANT__TELEMETRY_DISABLED"] = "true";
        start.Environment["QDRANT__LOG_LEVEL"] = "WARN";
        foreach (var (name, value) in settings)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
