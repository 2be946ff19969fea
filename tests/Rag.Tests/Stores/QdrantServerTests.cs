using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Kotonoha.Rag.Stores;
using Qdrant.Client;
using Qdrant.Client.Grpc;
using static Kotonoha.Rag.Tests.Stores.KnowledgeStoreTests;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>The way to a server: it may be away, come back, hang, be overloaded, want a key or TLS, or not be one at all.</summary>
[Trait("Needs", "qdrant")]
public sealed class QdrantServerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Storage => _folder.At("storage");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_server_that_does_not_answer_is_a_typed_error_with_its_address()
    {
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = new Uri("http://127.0.0.1:9"), ReadRetrySeconds = 0 });
        var exception = await Assert.ThrowsAsync<StoreException>(() => store.GetInfoAsync());
        Assert.Equal(StoreError.Unreachable, exception.Error);
        Assert.Contains("127.0.0.1:9", exception.Message);
        Assert.Contains("6334", exception.Message);
    }

    [Fact]
    public async Task A_wrong_or_missing_key_is_a_typed_error_and_the_right_one_works()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage, apiKey: "right-key");
        foreach (var key in (string?[])[null, "wrong-key"])
        {
            await using var refused = new QdrantStore(new QdrantStoreOptions { Address = server.Address, ApiKey = key });
            var exception = await Assert.ThrowsAsync<StoreException>(() => refused.GetInfoAsync());
            Assert.Equal(StoreError.Unauthorized, exception.Error);
            Assert.Contains(key is null ? "wants an API key" : "does not let this API key", exception.Message);
            Assert.Contains("QdrantStoreOptions.ApiKey, --qdrant-api-key-env", exception.Message);
        }

        await using var store = new QdrantStore(new QdrantStoreOptions { Address = server.Address, ApiKey = "right-key" });
        await store.CreateAsync(Info());
        Assert.NotNull(await store.GetInfoAsync());
        await AssertRestPortIsNamedAsync(server.RestAddress);
    }

    [Fact]
    public async Task A_killed_server_that_comes_back_costs_a_write_nothing()
    {
        var server = await QdrantServerFixture.StartAsync(Storage);
        var logger = new RecordingLogger<QdrantStore>();
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = server.Address, Collection = "kill" }, logger);
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("before.md", "v1", "alpha one", "alpha two")]);
        server.Kill();
        var write = store.WriteAsync([Document("during.md", "v1", "alpha three")]);
        await server.DisposeAsync();
        await logger.WaitAsync();
        Assert.False(write.IsCompleted);
        await using var again = await QdrantServerFixture.StartAsync(Storage, server.Address.Port);
        await write;
        Assert.Equal(3, (await store.SearchSparseAsync(TermVector.FromText("alpha"), 10)).Count);
        Assert.Equal(["before.md", "during.md"], (await store.ListDocumentsAsync()).Select(record => record.Source));
        Assert.Contains("Requests are repeated for up to 60 s", Assert.Single(logger.Entries).Message);
    }

    [Fact]
    public async Task A_request_ends_at_its_deadline_and_one_that_is_repeated_gets_through()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        var options = new QdrantStoreOptions { Address = server.Address, RequestTimeoutSeconds = 1, ReadRetrySeconds = 0 };
        var logger = new RecordingLogger<QdrantStore>();
        using var channel = GrpcChannel.ForAddress(server.Address);
        using var client = new QdrantClient(new QdrantGrpcClient(channel.CreateCallInvoker()));
        await using var impatient = new QdrantStore(options);
        await using var withoutDeadline = new QdrantStore(options with { Client = client });
        await using var patient = new QdrantStore(options with { ReadRetrySeconds = 600 }, logger);
        await impatient.CreateAsync(Info());

        await SignalAsync(server.ProcessId, "STOP");
        try
        {
            foreach (var store in (QdrantStore[])[impatient, withoutDeadline])
            {
                var exception = await Assert.ThrowsAsync<StoreException>(() => store.GetInfoAsync());
                Assert.Equal(StoreError.Unreachable, exception.Error);
                Assert.Contains("no answer within 1 s", exception.Message);
            }

            var read = patient.GetInfoAsync();
            await logger.WaitAsync();
            Assert.False(read.IsCompleted);
            await SignalAsync(server.ProcessId, "CONT");
            Assert.Equal(Info(), await read);
        }
        finally
        {
            await SignalAsync(server.ProcessId, "CONT");
        }
    }

    [Fact]
    public async Task Cancellation_ends_a_request_under_way_and_the_wait_for_the_next_try()
    {
        var server = await QdrantServerFixture.StartAsync(Storage);
        var logger = new RecordingLogger<QdrantStore>();
        const int hour = 3600;
        var options = new QdrantStoreOptions { Address = server.Address, RequestTimeoutSeconds = hour };
        await using var store = new QdrantStore(options with { WriteRetrySeconds = hour, ReadRetrySeconds = hour }, logger);
        await store.CreateAsync(Info());
        await SignalAsync(server.ProcessId, "STOP");
        try
        {
            using var stop = new CancellationTokenSource();
            var write = store.WriteAsync([Document("a.md", "v1", "alpha")], stop.Token);
            var search = store.SearchSparseAsync(TermVector.FromText("alpha"), 5, null, stop.Token);
            Assert.False(write.IsCompleted || search.IsCompleted);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => search);
        }
        finally
        {
            server.Kill();
            await server.DisposeAsync();
        }

        using var waiting = new CancellationTokenSource();
        var delete = store.DeleteAsync(["a.md"], waiting.Token);
        await logger.WaitAsync();
        await waiting.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => delete);
    }

    [Fact]
    public async Task An_overloaded_server_is_asked_again_after_the_time_it_names()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        var logger = new RecordingLogger<QdrantStore>();
        var options = new QdrantStoreOptions { Address = server.Address, Collection = "limited", ReadRetrySeconds = 600 };
        await using var store = new QdrantStore(options, logger);
        await using var impatient = new QdrantStore(options with { ReadRetrySeconds = 0 });
        await store.CreateAsync(Info());
        var document = Document("a.md", "v1", "alpha");
        await store.WriteAsync([document]);
        using var rest = new QdrantRest(server.RestAddress);
        await rest.PatchAsync("collections/limited--1", """{"strict_mode_config":{"enabled":true,"read_rate_limit":60}}""");

        // A bucket of sixty, filled up by one a second: then the server says when to come again.
        var watch = Stopwatch.StartNew();
        for (int i = 0; i < 62; i++)
            Assert.Equal([document.Chunks[0].Chunk], await store.ReadChunksAsync([document.Chunks[0].Chunk.Id]));
        Assert.True(watch.Elapsed > TimeSpan.FromSeconds(1), $"sixty-two reads in {watch.Elapsed}");
        Assert.Contains("Rate limiting", Assert.Single(logger.Entries).Message);
        var exception = await Assert.ThrowsAsync<StoreException>(async () =>
        {
            for (int i = 0; i < 200; i++)
                await impatient.ReadChunksAsync([document.Chunks[0].Chunk.Id]);
        });
        Assert.Equal(StoreError.Unreachable, exception.Error);
        Assert.Contains("overloaded", exception.Message);
    }

    [Fact]
    public async Task The_limits_of_strict_mode_are_a_typed_error()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = server.Address, Collection = "strict" });
        await store.CreateAsync(Info());
        using var rest = new QdrantRest(server.RestAddress);
        const string limits = """
            {"enabled":true,"unindexed_filtering_retrieve":false,"unindexed_filtering_update":false,"max_query_limit":500}
            """;
        foreach (var collection in (string[])["strict--1", "strict--1--documents"])
            await rest.PatchAsync($"collections/{collection}", $$"""{"strict_mode_config":{{limits}}}""");

        // Every field that is filtered by has its index.
        await store.WriteAsync([Document("a.md", "v1", "alpha"), Document("b/c.md", "v1", "alpha")]);
        await store.WriteAsync([Document("a.md", "v2", "alpha")]);
        Assert.Single(await store.SearchSparseAsync(TermVector.FromText("alpha"), 5, new StoreFilter("b", [])));
        Assert.Empty(await store.SearchSparseAsync(TermVector.FromText("alpha"), 5, new StoreFilter(Tags: ["x"])));
        Assert.Equal(0, await store.RemoveLeftoversAsync());
        await store.DeleteAsync(["a.md"]);
        var exception = await Assert.ThrowsAsync<StoreException>(() => store.SearchSparseAsync(TermVector.FromText("alpha"), 501));
        Assert.Equal(StoreError.Refused, exception.Error);
        Assert.Contains("strict mode", exception.Message);
    }

    [Fact]
    public async Task A_rest_port_gets_a_message_that_names_the_grpc_port()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        await AssertRestPortIsNamedAsync(server.RestAddress);
    }

    [Fact]
    public async Task What_is_not_a_qdrant_server_is_called_so()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeAsync(listener, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n<html>Welcome</html>");
        var address = new Uri($"http://{listener.LocalEndpoint}/");
        await using (var store = new QdrantStore(new QdrantStoreOptions { Address = address, ReadRetrySeconds = 600 }))
        {
            var exception = await Assert.ThrowsAsync<StoreException>(() => store.GetInfoAsync());
            Assert.Equal(StoreError.Foreign, exception.Error);
            Assert.Contains("is not the gRPC port of a Qdrant server", exception.Message);
            Assert.Contains("6334", exception.Message);
        }

        listener.Stop();
        await serving;
    }

    [Theory]
    [InlineData("ftp://localhost:6334")]
    [InlineData("http://localhost:6334/path")]
    [InlineData("http://localhost:6334/?key=1")]
    public void An_address_that_grpc_cannot_have_is_refused(string address)
        => Assert.Throws<ArgumentException>(() => new QdrantStore(new QdrantStoreOptions { Address = new Uri(address) }));

    [Fact]
    public async Task The_systems_proxy_is_used_but_not_for_a_server_on_the_loopback()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeAsync(listener, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        var system = HttpClient.DefaultProxy;
        HttpClient.DefaultProxy = new ProxyFor(new Uri($"http://{listener.LocalEndpoint}/"), "kotonoha.invalid", server.Address.Authority);
        try
        {
            await using var near = new QdrantStore(new QdrantStoreOptions { Address = server.Address });
            Assert.Null(await near.GetInfoAsync());
            var options = new QdrantStoreOptions { Address = new Uri("https://kotonoha.invalid/"), ReadRetrySeconds = 0 };
            await using var far = new QdrantStore(options);
            var exception = await Assert.ThrowsAsync<StoreException>(() => far.GetInfoAsync());
            Assert.True(exception.Message.Contains("502", StringComparison.Ordinal), exception.ToString());
        }
        finally
        {
            HttpClient.DefaultProxy = system;
            listener.Stop();
        }

        await serving;
    }

    [Fact]
    public async Task A_server_with_tls_is_used_over_https_and_its_certificate_is_checked()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        int port = QdrantServerFixture.FreePort();
        Directory.CreateDirectory(Storage);
        var settings = new Dictionary<string, string>
        {
            ["QDRANT__SERVICE__ENABLE_TLS"] = "true",
            ["QDRANT__TLS__CERT"] = _folder.Write("certificate.pem", certificate.ExportCertificatePem()),
            ["QDRANT__TLS__KEY"] = _folder.Write("key.pem", key.ExportPkcs8PrivateKeyPem()),
        };
        var program = await QdrantServerFixture.InstallAsync();
        using var server = QdrantServerProcessTests.Launch(program, Storage, port, QdrantServerFixture.FreePort(), settings);
        try
        {
            // The certificate is nobody's that this machine trusts; a client that trusts it is given.
            var address = new UriBuilder("https", "localhost", port).Uri;
            var options = new QdrantStoreOptions { Address = address, ReadRetrySeconds = 60 };
            using var channel = GrpcChannel.ForAddress(options.Address, new GrpcChannelOptions
            {
                HttpHandler = new SocketsHttpHandler
                {
                    UseProxy = false,
                    SslOptions = new SslClientAuthenticationOptions
                    {
                        RemoteCertificateValidationCallback
                            = (_, shown, _, _) => shown!.GetCertHashString() == certificate.GetCertHashString(),
                    },
                },
                DisposeHttpClient = true,
            });
            using var client = new QdrantClient(new QdrantGrpcClient(channel.CreateCallInvoker()));
            using (var store = new QdrantStore(options with { Client = client }))
            {
                await store.GetInfoAsync();
                await store.CreateAsync(Info());
                await store.WriteAsync([Document("a.md", "v1", "alpha")]);
            }

            // A client that was given is not disposed.
            await using var again = new QdrantStore(options with { Client = client });
            Assert.Single(await again.SearchSparseAsync(TermVector.FromText("alpha"), 5));

            await using var strict = new QdrantStore(options);
            var exception = await Assert.ThrowsAsync<StoreException>(() => strict.GetInfoAsync());
            Assert.Equal(StoreError.Unreachable, exception.Error);
            Assert.Contains("certificate", exception.Message);
            address = new UriBuilder("http", "localhost", port).Uri;
            await using var plain = new QdrantStore(options with { Address = address, ReadRetrySeconds = 0 });
            await Assert.ThrowsAsync<StoreException>(() => plain.GetInfoAsync());
        }
        finally
        {
            server.Kill();
        }
    }

    [Fact]
    public async Task A_large_write_goes_in_messages_of_less_than_five_megabytes()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        var measured = new MeasuringInterceptor();
        using var channel = GrpcChannel.ForAddress(server.Address);
        using var client = new QdrantClient(new QdrantGrpcClient(channel.Intercept(measured)));
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = server.Address, Client = client, BatchSize = 20 });
        await store.CreateAsync(Info());
        var large = Document("large.md", "v1", [.. Enumerable.Range(0, 12).Select(i => RandomText(i, 800_000))]);
        var small = Document("small.md", "v1", [.. Enumerable.Range(0, 70).Select(i => $"alpha {i}")]);
        await store.WriteAsync([large, small]);
        var uploads = measured.Sent.OfType<UpsertPoints>().Where(request => request.CollectionName == "kotonoha").ToList();
        Assert.Equal(82, uploads.Sum(request => request.Points.Count));
        Assert.All(uploads, request => Assert.InRange(request.CalculateSize(), 1, 5_000_000));
        Assert.All(uploads, request => Assert.InRange(request.Points.Count, 1, 20));
        Assert.Contains(uploads, request => request.Points.Count == 20);

        // This channel takes answers of up to 4 MiB, as channels do unless told otherwise; the document has 10 MB.
        var chunks = large.Chunks.Select(chunk => chunk.Chunk).ToList();
        Assert.Equal(chunks, await store.ReadDocumentAsync("large.md"));
        Assert.Equal(chunks, await store.ReadChunksAsync([.. chunks.Select(chunk => chunk.Id)]));
        await store.SetAverageLengthAsync(12, chunk => TermVector.FromText(chunk.Text[..5]));
        Assert.Equal(82, (await store.SearchDenseAsync(Enumerable.Repeat(1f, Info().DenseDimension).ToArray(), 1000)).Count);
    }

    [Theory]
    [InlineData("Service internal error: 1 of 1 read operations failed:\n  Service internal error: Local shard 4 not found", true)]
    [InlineData("Service internal error: The replica set for shard 2 on peer 7 has no active replica", true)]
    [InlineData("Service internal error: task panicked", false)]
    public async Task A_node_that_is_back_before_its_shards_is_asked_again(string detail, bool isRepeated)
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        var failing = new FailingInterceptor(new Status(StatusCode.Internal, detail));
        using var channel = GrpcChannel.ForAddress(server.Address);
        using var client = new QdrantClient(new QdrantGrpcClient(channel.Intercept(failing)));
        await using var store =
            new QdrantStore(new QdrantStoreOptions { Address = server.Address, Client = client, ReadRetrySeconds = 600 });
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("a.md", "v1", "alpha")]);
        failing.Left = 2;
        var searching = store.SearchSparseAsync(TermVector.FromText("alpha"), 5);
        if (isRepeated)
            Assert.Single(await searching);
        else
            Assert.Equal(StoreError.Refused, (await Assert.ThrowsAsync<StoreException>(() => searching)).Error);
    }

    [Fact]
    public async Task A_chunk_of_any_size_is_read_and_a_given_client_that_cannot_is_told_how()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        var options = new QdrantStoreOptions { Address = server.Address };
        await using var store = new QdrantStore(options);
        await store.CreateAsync(Info());
        var document = Document("huge.md", "v1", RandomText(1, 9_000_000), "alpha");
        await store.WriteAsync([document]);
        Assert.Equal(document.Chunks.Select(chunk => chunk.Chunk), await store.ReadDocumentAsync("huge.md"));

        using var channel = GrpcChannel.ForAddress(server.Address);
        using var client = new QdrantClient(new QdrantGrpcClient(channel.CreateCallInvoker()));
        await using var limited = new QdrantStore(options with { Client = client, ReadRetrySeconds = 600 });
        Assert.Single(await limited.SearchSparseAsync(TermVector.FromText("alpha"), 5));
        var exception = await Assert.ThrowsAsync<StoreException>(() => limited.ReadDocumentAsync("huge.md"));
        Assert.Equal(StoreError.Refused, exception.Error);
        Assert.Contains("MaxReceiveMessageSize", exception.Message);
    }

    [Fact]
    public async Task A_knowledge_base_can_be_disposed_synchronously()
    {
        await using var server = await QdrantServerFixture.StartAsync(Storage);
        var options = new QdrantStoreOptions { Address = server.Address };
        using (var knowledge = new KnowledgeBase(new QdrantStore(options)))
            await knowledge.AddDocumentAsync("a.md", new MemoryStream("# Engines\n\nOil is changed every year."u8.ToArray()));
        var closed = new QdrantStore(options);
        using (var again = new KnowledgeBase(closed))
            Assert.Single(await again.SearchAsync("oil"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => closed.GetInfoAsync());
    }

    private static async Task AssertRestPortIsNamedAsync(Uri restAddress)
    {
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = restAddress, ReadRetrySeconds = 600 });
        var exception = await Assert.ThrowsAsync<StoreException>(() => store.GetInfoAsync());
        Assert.Equal(StoreError.Foreign, exception.Error);
        Assert.Contains("is the REST port of a Qdrant server", exception.Message);
        Assert.Contains("6334 (QdrantStoreOptions.Address, --qdrant-url)", exception.Message);
    }

    private static async Task SignalAsync(int process, string signal)
    {
        using var kill = Process.Start("kill", ["-" + signal, process.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>Text that compression does not make smaller by much.</summary>
    private static string RandomText(int seed, int length)
    {
        var bytes = new byte[length / 4 * 3];
        new Random(seed).NextBytes(bytes);
        return Convert.ToBase64String(bytes);
    }

    private static async Task ServeAsync(TcpListener listener, string answer)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync();
                await using var stream = client.GetStream();
                await stream.ReadAtLeastAsync(new byte[4], 4, throwOnEndOfStream: false);
                await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
            }
        }
        catch (Exception exception) when (exception is SocketException or IOException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    /// <summary>Keeps the requests that pass.</summary>
    private sealed class MeasuringInterceptor : Interceptor
    {
        public ConcurrentQueue<IMessage> Sent { get; } = [];

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            Sent.Enqueue((IMessage)request);
            return continuation(request, context);
        }
    }

    /// <summary>Fails the next requests as a server does that cannot do them.</summary>
    private sealed class FailingInterceptor(Status status) : Interceptor
    {
        public int Left;

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            return Interlocked.Decrement(ref Left) < 0 ? continuation(request, context) : throw new RpcException(status);
        }
    }

    /// <summary>A proxy for some hosts alone: other tests run at the same time.</summary>
    private sealed class ProxyFor(Uri proxy, params string[] authorities) : IWebProxy
    {
        public ICredentials? Credentials { get; set; }

        public Uri? GetProxy(Uri destination) => authorities.Contains(destination.Authority) ? proxy : null;

        public bool IsBypassed(Uri host) => GetProxy(host) is null;
    }
}
