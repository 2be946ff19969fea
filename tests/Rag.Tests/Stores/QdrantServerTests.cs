using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Kotonoha.Cli.Qdrant;
using Kotonoha.Foundation;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>What only a server can do: be away, come back, want a key, hold what an interrupted write left.</summary>
[Trait("Needs", "qdrant")]
public sealed class QdrantServerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_server_that_does_not_answer_is_a_typed_error_with_its_address()
    {
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = new Uri("http://127.0.0.1:9"), ReadRetrySeconds = 0, WriteRetrySeconds = 0 });
        var exception = await Assert.ThrowsAsync<StoreException>(() => store.GetInfoAsync());
        Assert.Equal(StoreError.Unreachable, exception.Error);
        Assert.Contains("127.0.0.1:9", exception.Message);
    }

    [Fact]
    public async Task A_wrong_or_missing_key_is_a_typed_error_and_the_right_one_works()
    {
        await using var server = await QdrantServerProcess.StartAsync(await QdrantServerFixture.InstallAsync(), _folder.File("storage"), apiKey: "right-key");
        foreach (var key in (string?[])[null, "wrong-key"])
        {
            await using var refused = new QdrantStore(new QdrantStoreOptions { Address = server.Address, ApiKey = key });
            Assert.Equal(StoreError.Unauthorized, (await Assert.ThrowsAsync<StoreException>(() => refused.GetInfoAsync())).Error);
        }

        await using var store = new QdrantStore(new QdrantStoreOptions { Address = server.Address, ApiKey = "right-key" });
        await store.CreateAsync(KnowledgeStoreTests.Info());
        Assert.NotNull(await store.GetInfoAsync());
    }

    [Fact]
    public async Task A_killed_server_that_comes_back_costs_a_write_nothing()
    {
        var program = await QdrantServerFixture.InstallAsync();
        var server = await QdrantServerProcess.StartAsync(program, _folder.File("storage"));
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = server.Address, Collection = "kill" });
        await store.CreateAsync(KnowledgeStoreTests.Info());
        await store.WriteAsync([KnowledgeStoreTests.Document("before.md", "v1", "alpha one", "alpha two")]);
        server.Kill();
        var write = store.WriteAsync([KnowledgeStoreTests.Document("during.md", "v1", "alpha three")]);
        await server.DisposeAsync();
        Assert.False(write.IsCompleted);
        await using var again = await QdrantServerProcess.StartAsync(program, _folder.File("storage"), server.Address.Port);
        await write;
        Assert.Equal(3, (await store.SearchSparseAsync(TermVector.FromText("alpha"), 10)).Count);
        Assert.Equal(["before.md", "during.md"], (await store.ListDocumentsAsync()).Select(record => record.Source));
    }

    [Fact]
    public async Task Leftovers_of_an_interrupted_write_are_not_found_and_then_removed()
    {
        await using var server = await QdrantServerProcess.StartAsync(await QdrantServerFixture.InstallAsync(), _folder.File("storage"));
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = server.Address, Collection = "left" });
        await store.CreateAsync(KnowledgeStoreTests.Info());
        await store.WriteAsync([KnowledgeStoreTests.Document("a.md", "v1", "alpha one"), KnowledgeStoreTests.Document("b.md", "v1", "alpha b", "alpha b too")]);
        await store.WriteAsync([KnowledgeStoreTests.Document("a.md", "v2", "alpha new", "alpha new too"), KnowledgeStoreTests.Document("c.md", "v1", "alpha c")]);
        using var client = new HttpClient { BaseAddress = server.Address };
        // As if the process had ended between the chunks and the record: the record of c is gone, its chunk is there.
        await PostAsync("collections/left--documents/points/delete?wait=true", """{"filter":{"must":[{"key":"source","match":{"value":"c.md"}}]}}""");
        Assert.Equal(4, (await store.SearchSparseAsync(TermVector.FromText("alpha"), 5)).Count);
        Assert.DoesNotContain(await store.SearchDenseAsync(new float[24].Select(_ => 1f).ToArray(), 5), entry => entry.Source == "c.md");
        Assert.Equal(1, await store.RemoveLeftoversAsync());
        Assert.Equal(0, await store.RemoveLeftoversAsync());

        // As if the server had lost a chunk that it had acknowledged: the document is forgotten, so that it is written again.
        await PostAsync("collections/left/points/delete?wait=true", $$"""{"points":["{{KnowledgeStoreTests.Document("b.md", "v1", "alpha b").Chunks[0].Chunk.Id}}"]}""");
        Assert.Equal(1, await store.RemoveLeftoversAsync());
        Assert.Equal(["a.md"], (await store.ListDocumentsAsync()).Select(record => record.Source));

        async Task PostAsync(string path, string json)
        {
            using var response = await client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"));
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    [Theory]
    [InlineData("real")]
    [InlineData("link")]
    public async Task A_server_that_a_killed_run_left_behind_is_stopped_before_the_next_starts(string home)
    {
        var program = await QdrantServerFixture.InstallAsync();
        Directory.CreateDirectory(_folder.File("real/storage"));
        Directory.CreateSymbolicLink(_folder.File("link"), _folder.File("real"));
        var (orphan, address) = LeaveBehind(program, _folder.File("real/storage"));
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

                await using var server = await QdrantServerProcess.StartAsync(program, _folder.File(home + "/storage"));
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
        await using (var first = await QdrantServerProcess.StartAsync(program, _folder.File("storage")))
        {
            var exception = await Assert.ThrowsAsync<KotonohaException>(() => QdrantServerProcess.StartAsync(program, _folder.File("storage")));
            Assert.Contains("Another run", exception.Message);
            Assert.False(first.HasExited);
        }

        await using var next = await QdrantServerProcess.StartAsync(program, _folder.File("storage"));
        Assert.False(next.HasExited);
    }

    [Fact]
    public async Task A_start_that_is_cancelled_leaves_no_process_and_no_lock()
    {
        // The rename makes the number appear as a whole.
        var program = Script("never-ready", "echo $$ > writing; mv writing started; exec sleep 600");
        using var stop = new CancellationTokenSource();
        var start = QdrantServerProcess.StartAsync(program, _folder.File("storage"), cancellationToken: stop.Token);
        while (!File.Exists(_folder.File("storage/started")) && !start.IsCompleted)
            await Task.Delay(10);
        var id = (await File.ReadAllTextAsync(_folder.File("storage/started"))).Trim();
        Assert.True(Directory.Exists("/proc/" + id));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);

        // A process that has ended stands in /proc until the runtime has taken note of it.
        for (int i = 0; i < 3000 && Directory.Exists("/proc/" + id); i++)
            await Task.Delay(10);
        Assert.False(Directory.Exists("/proc/" + id));
        var ends = Script("ends", "exit 3");
        Assert.Contains("does not start", (await Assert.ThrowsAsync<KotonohaException>(() => QdrantServerProcess.StartAsync(ends, _folder.File("storage")))).Message);

        string Script(string name, string text)
        {
            var path = _folder.Write(name, $"#!/bin/sh\n{text}\n");
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            return path;
        }
    }

    [Fact]
    public async Task A_server_on_the_loopback_is_not_asked_for_through_the_systems_proxy()
    {
        var system = HttpClient.DefaultProxy;
        var proxy = new RecordingProxy();
        HttpClient.DefaultProxy = proxy;
        try
        {
            foreach (var address in (string[])["http://127.0.0.1:9/", "http://kotonoha.invalid:9/"])
            {
                await using var store = new QdrantStore(new QdrantStoreOptions { Address = new Uri(address), ReadRetrySeconds = 0 });
                await Assert.ThrowsAsync<StoreException>(() => store.GetInfoAsync());
            }
        }
        finally
        {
            HttpClient.DefaultProxy = system;
        }

        Assert.Contains(("kotonoha.invalid", 9), proxy.Asked);
        Assert.DoesNotContain(("127.0.0.1", 9), proxy.Asked);
    }

    [Fact]
    public async Task A_collection_of_somebody_else_is_left_alone()
    {
        await using var server = await QdrantServerProcess.StartAsync(await QdrantServerFixture.InstallAsync(), _folder.File("storage"));
        using var client = new HttpClient { BaseAddress = server.Address };
        using var made = await client.PutAsync("collections/theirs", new StringContent("""{"vectors":{"size":4,"distance":"Dot"}}""", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.OK, made.StatusCode);
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = server.Address, Collection = "theirs" });
        Assert.Equal(StoreError.Foreign, (await Assert.ThrowsAsync<StoreException>(() => store.CreateAsync(KnowledgeStoreTests.Info()))).Error);
    }

    [Fact]
    public async Task What_is_not_a_qdrant_server_is_called_so()
    {
        var handler = new AnsweringHandler(() => new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent("<html>Welcome</html>") });
        using var client = new HttpClient(handler);
        await using var store = new QdrantStore(new QdrantStoreOptions { HttpClient = client });
        Assert.Equal(StoreError.Foreign, (await Assert.ThrowsAsync<StoreException>(() => store.GetInfoAsync())).Error);
    }

    [Fact]
    public async Task An_overloaded_server_is_asked_again_after_the_time_it_names()
    {
        int calls = 0;
        var handler = new AnsweringHandler(() =>
        {
            var response = new HttpResponseMessage(++calls < 3 ? HttpStatusCode.TooManyRequests : HttpStatusCode.OK)
            {
                Content = new StringContent(calls < 3 ? """{"status":{"error":"rate limit"}}""" : """{"result":[]}"""),
            };
            if (calls < 3)
                response.Headers.RetryAfter = new System.Net.Http.Headers.RetryConditionHeaderValue(TimeSpan.FromSeconds(1));
            return response;
        });
        using var client = new HttpClient(handler);
        await using var store = new QdrantStore(new QdrantStoreOptions { HttpClient = client, ReadRetrySeconds = 600 });
        var watch = Stopwatch.StartNew();
        Assert.Equal([null], await store.ReadChunksAsync([Guid.NewGuid().ToString()]));
        Assert.Equal(3, calls);
        Assert.True(watch.Elapsed >= TimeSpan.FromSeconds(1.9), $"asked again after {watch.Elapsed}");
    }

    /// <summary>Starts a server as a run does that is killed afterwards: nobody holds the folder's lock.</summary>
    private static (Process Server, Uri Address) LeaveBehind(string program, string storage)
    {
        var start = new ProcessStartInfo(program) { WorkingDirectory = storage, RedirectStandardOutput = true, RedirectStandardError = true };
        int[] ports = [FreePort(), FreePort()];
        start.Environment["QDRANT__SERVICE__HOST"] = "127.0.0.1";
        start.Environment["QDRANT__SERVICE__HTTP_PORT"] = ports[0].ToString(CultureInfo.InvariantCulture);
        start.Environment["QDRANT__SERVICE__GRPC_PORT"] = ports[1].ToString(CultureInfo.InvariantCulture);
        start.Environment["QDRANT__STORAGE__STORAGE_PATH"] = Path.Combine(storage, "storage");
        start.Environment["QDRANT__STORAGE__SNAPSHOTS_PATH"] = Path.Combine(storage, "snapshots");
        start.Environment["QDRANT__TELEMETRY_DISABLED"] = "true";
        start.Environment["QDRANT__LOG_LEVEL"] = "WARN";
        var server = Process.Start(start)!;
        File.WriteAllText(Path.Combine(storage, "qdrant.pid"), server.Id.ToString(CultureInfo.InvariantCulture));
        return (server, new Uri(FormattableString.Invariant($"http://127.0.0.1:{ports[0]}/")));

        static int FreePort()
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            return ((IPEndPoint)listener.LocalEndpoint).Port;
        }
    }

    /// <summary>A proxy that remembers what it was asked about and takes nothing on.</summary>
    private sealed class RecordingProxy : IWebProxy
    {
        public ConcurrentBag<(string Host, int Port)> Asked { get; } = [];

        public ICredentials? Credentials { get; set; }

        public Uri? GetProxy(Uri destination)
        {
            Asked.Add((destination.Host, destination.Port));
            return null;
        }

        public bool IsBypassed(Uri host)
        {
            Asked.Add((host.Host, host.Port));
            return true;
        }
    }

    private sealed class AnsweringHandler(Func<HttpResponseMessage> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Task.FromResult(answer());
    }
}
