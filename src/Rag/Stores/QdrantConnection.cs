using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using Qdrant.Client;
using Qdrant.Client.Grpc;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// Talks to a Qdrant server: sends a request with a deadline, repeats it while that can help, and turns failures into
/// <see cref="StoreException"/>.
/// </summary>
internal sealed class QdrantConnection : IDisposable
{
    private const string AddressNames = "QdrantStoreOptions.Address, --qdrant-url";
    private const string NodeKey = "kotonoha.node";
    private const string KeyNames = "QdrantStoreOptions.ApiKey, --qdrant-api-key-env";

    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly ResiliencePropertyKey<long> StartKey = new("start");

    private readonly QdrantStoreOptions _options;
    private readonly ILogger _logger;
    private readonly TimeSpan _deadline;
    private readonly Node[] _nodes;
    private readonly ResiliencePipeline _reads;
    private readonly ResiliencePipeline _writes;
    private readonly AsyncLocal<bool> _isWriting = new();
    private long _lastWarning;
    private int _current;

    public QdrantConnection(QdrantStoreOptions options, ILogger logger)
    {
        _options = options;
        _logger = logger;
        Consistency = options.ReadConsistency switch
        {
            null => null,
            QdrantReadConsistency.Majority => new ReadConsistency { Type = ReadConsistencyType.Majority },
            QdrantReadConsistency.Quorum => new ReadConsistency { Type = ReadConsistencyType.Quorum },
            _ => new ReadConsistency { Type = ReadConsistencyType.All },
        };
        _deadline = TimeSpan.FromSeconds(options.RequestTimeoutSeconds);
        _reads = Pipeline(options.ReadRetrySeconds);
        _writes = Pipeline(options.WriteRetrySeconds);
        if (options.Client is not null && options.FurtherAddresses.Count > 0)
            throw new ArgumentException(
                "A given client connects to one address; further ones are for clients that are made here.", nameof(options));
        _nodes = options.Client is not null
            ? [new Node(options.Address, null, options.Client)]
            : [.. options.FurtherAddresses.Prepend(options.Address).Select(Connect)];
    }

    /// <summary>How many copies have to agree on what is read; null for the server's choice.</summary>
    public ReadConsistency? Consistency { get; }

    /// <summary>Repeats the reads of the calling asynchronous method for as long as writes.</summary>
    public void BeginWrite() => _isWriting.Value = true;

    /// <summary>Sends a request that only reads.</summary>
    public Task<T> ReadAsync<T>(Func<IQdrantClient, CancellationToken, Task<T>> request, CancellationToken cancellationToken)
        => SendAsync(_isWriting.Value ? _writes : _reads, request, cancellationToken);

    /// <summary>Sends a request that writes; it must do no harm when it is done twice.</summary>
    public Task WriteAsync(Func<IQdrantClient, CancellationToken, Task> request, CancellationToken cancellationToken)
        => SendAsync(
            _writes,
            async (client, token) =>
            {
                await request(client, token).ConfigureAwait(false);
                return true;
            },
            cancellationToken);

    public void Dispose()
    {
        foreach (var node in _nodes)
            node.Channel?.Dispose();
    }

    /// <summary>Whether the answer was larger than the given client accepts.</summary>
    public static bool IsTooLarge(StoreException exception) => exception.InnerException is RpcException rpc && IsTooLarge(rpc);

    private static bool IsTooLarge(RpcException exception) => exception.StatusCode == StatusCode.ResourceExhausted
        && exception.Status.Detail.Contains("maximum configured message size", StringComparison.Ordinal);

    private static bool IsNotGrpc(RpcException exception)
        => exception.Status.Detail.StartsWith("Bad gRPC response.", StringComparison.Ordinal);

    private static bool IsTls(RpcException exception)
        => exception.Status.DebugException is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError };

    // A node that has just come back answers before it has its shards: "Local shard 4 not found", "1 of 1 read operations failed".
    private static bool IsShardAway(RpcException exception)
        => exception.Status.Detail.Contains("shard", StringComparison.OrdinalIgnoreCase)
            || exception.Status.Detail.Contains("replica", StringComparison.OrdinalIgnoreCase)
            || exception.Status.Detail.Contains("operations failed", StringComparison.OrdinalIgnoreCase);

    private Node Current => _nodes[Volatile.Read(ref _current)];

    private Node Connect(Uri address)
    {
        if (address is not { IsAbsoluteUri: true, Scheme: "http" or "https", PathAndQuery: "/" })
            throw new ArgumentException(
                $"'{address}' is not the address of a gRPC server: http or https, a host and a port, and no path.", nameof(address));
        var channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = Handler(address),
            DisposeHttpClient = true,
            // Reads come in pages of a bounded number of points, but a point may be of any size.
            MaxReceiveMessageSize = null,
            // The server would compress every answer: 10 ms instead of 1.3 for a hundred chunks.
            CompressionProviders = [],
        });
        var calls = _options.ApiKey is not { } key ? channel.CreateCallInvoker() : channel.Intercept(metadata =>
        {
            metadata.Add("api-key", key);
            return metadata;
        });
        return new Node(address, channel, new QdrantClient(new QdrantGrpcClient(calls), _deadline));
    }

    /// <summary>After a failure of a node, the next one is asked, by every request.</summary>
    private void Leave(Node node)
    {
        int at = Array.IndexOf(_nodes, node);
        Interlocked.CompareExchange(ref _current, (at + 1) % _nodes.Length, at);
    }

    private static SocketsHttpHandler Handler(Uri address) => new()
    {
        // With a callback of our own the channel leaves connecting to the handler. Otherwise it connects by itself, past the system's
        // proxy, and waits ever longer before it tries again.
        ConnectCallback = ConnectAsync,
        ConnectTimeout = ConnectTimeout,
        EnableMultipleHttp2Connections = true,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        // A server that is gone without a word is noticed.
        KeepAlivePingDelay = TimeSpan.FromSeconds(30),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
        KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        // The system's proxy cannot reach a server on this machine's loopback.
        UseProxy = !address.IsLoopback,
    };

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private ResiliencePipeline Pipeline(int seconds) => new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = int.MaxValue,
            BackoffType = DelayBackoffType.Exponential,
            Delay = FirstDelay,
            MaxDelay = MaxDelay,
            UseJitter = true,
            ShouldHandle = async arguments =>
            {
                if (arguments.Outcome.Exception is not RpcException exception)
                    return false;
                var elapsed = Stopwatch.GetElapsedTime(arguments.Context.Properties.GetValue(StartKey, 0));
                // Every node is asked once, however long that takes.
                bool isTime = arguments.AttemptNumber < _nodes.Length - 1
                    || elapsed + (RetryAfter(exception) ?? TimeSpan.Zero) < TimeSpan.FromSeconds(seconds);
                return isTime && await IsTransientAsync(exception, arguments.Context.CancellationToken).ConfigureAwait(false);
            },
            DelayGenerator = arguments => ValueTask.FromResult(RetryAfter((RpcException)arguments.Outcome.Exception!)),
            OnRetry = arguments =>
            {
                WarnOfRetry((RpcException)arguments.Outcome.Exception!, seconds);
                return default;
            },
        })
        .Build();

    /// <summary>Logs that requests are being repeated, once for all that meet the same trouble.</summary>
    private void WarnOfRetry(RpcException exception, int seconds)
    {
        long last = Volatile.Read(ref _lastWarning), now = Stopwatch.GetTimestamp();
        bool isNew = last == 0 || Stopwatch.GetElapsedTime(last, now).TotalSeconds > seconds;
        if (isNew && Interlocked.CompareExchange(ref _lastWarning, now, last) == last)
            _logger.LogWarning(
                "The Qdrant server at {Address} did not do a request ({Reason}). Requests are repeated for up to {Seconds} s.",
                AddressOf(exception),
                Reason(exception),
                seconds);
    }

    /// <summary>The time after which an overloaded server wants to be asked again.</summary>
    private static TimeSpan? RetryAfter(RpcException exception)
        => int.TryParse(exception.Trailers.GetValue("retry-after"), NumberStyles.None, CultureInfo.InvariantCulture, out int seconds)
            ? TimeSpan.FromSeconds(seconds)
            : null;

    private async Task<T> SendAsync<T>(
        ResiliencePipeline pipeline, Func<IQdrantClient, CancellationToken, Task<T>> request, CancellationToken cancellationToken)
    {
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        context.Properties.Set(StartKey, Stopwatch.GetTimestamp());
        try
        {
            return await pipeline.ExecuteAsync(
                async resilience => await TryAsync(request, resilience.CancellationToken).ConfigureAwait(false),
                context).ConfigureAwait(false);
        }
        catch (RpcException exception)
        {
            throw Failure(exception, await ProbeAsync(exception, cancellationToken).ConfigureAwait(false));
        }
        catch (QdrantException exception)
        {
            throw new StoreException(
                StoreError.Refused,
                $"The Qdrant server at {_options.Address} did not do a request: {exception.Message}. See its log.",
                exception);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private async Task<T> TryAsync<T>(Func<IQdrantClient, CancellationToken, Task<T>> request, CancellationToken cancellationToken)
    {
        // A client of our own sets the deadline itself, so that the server knows it too.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var node = Current;
        if (node.Channel is null)
            limit.CancelAfter(_deadline);
        try
        {
            return await request(node.Client, limit.Token).ConfigureAwait(false);
        }
        catch (RpcException exception) when (exception.StatusCode != StatusCode.Cancelled)
        {
            exception.Data[NodeKey] = node;
            if (exception.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.Aborted)
                Leave(node);
            throw;
        }
        catch (Exception exception) when (exception is RpcException { StatusCode: StatusCode.Cancelled } or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (exception is RpcException && !limit.IsCancellationRequested)
                throw;
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, "", exception));
        }
    }

    private async ValueTask<bool> IsTransientAsync(RpcException exception, CancellationToken cancellationToken)
        => exception.StatusCode switch
        {
            StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Aborted or StatusCode.Cancelled => true,
            StatusCode.ResourceExhausted => !IsTooLarge(exception),
            StatusCode.Internal when IsTls(exception) => false,
            StatusCode.Internal when IsShardAway(exception) => true,
            // A connection that broke; an answer in plain HTTP is something else.
            StatusCode.Internal when exception.Status.DebugException is HttpRequestException
                => await ProbeAsync(exception, cancellationToken).ConfigureAwait(false) is null,
            StatusCode.Internal => exception.Status.DebugException is IOException or SocketException,
            _ => false,
        };

    /// <summary>Asks the address in plain HTTP who it is, where its answer was not gRPC.</summary>
    /// <returns>The beginning of the answer, or null where there is none.</returns>
    private async Task<string?> ProbeAsync(RpcException exception, CancellationToken cancellationToken)
    {
        const int beginning = 256;
        bool isBroken = exception is { StatusCode: not StatusCode.Unavailable, Status.DebugException: HttpRequestException };
        if (Current.Channel is null || !(isBroken || IsNotGrpc(exception)))
            return null;
        try
        {
            var address = AddressOf(exception);
            using var client = new HttpClient(Handler(address)) { Timeout = ConnectTimeout };
            using var request = new HttpRequestMessage(HttpMethod.Get, address) { Version = HttpVersion.Version11 };
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                .ConfigureAwait(false);
            using var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            var bytes = new byte[beginning];
            int length = await body.ReadAtLeastAsync(bytes, beginning, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            return Encoding.UTF8.GetString(bytes.AsSpan(0, length));
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return null;
        }
    }

    /// <summary>Says what failed, why, and what to do.</summary>
    /// <param name="exception">The failure.</param>
    /// <param name="http">What the address answered in plain HTTP, or null.</param>
    private StoreException Failure(RpcException exception, string? http)
    {
        const string grpcPort = $"Give its gRPC port, by default 6334 ({AddressNames}).";
        const string isRunning = $"Check that it is running and that the address is its gRPC port, by default 6334 ({AddressNames}).";
        var address = AddressOf(exception);
        var where = $"The Qdrant server at {address}";
        var said = exception.Status.Detail.Length == 0 ? "no reason given" : exception.Status.Detail.TrimEnd('.');
        var (error, message) = exception.StatusCode switch
        {
            _ when http?.Contains("qdrant", StringComparison.OrdinalIgnoreCase) == true
                => (StoreError.Foreign, $"{address} is the REST port of a Qdrant server; Kotonoha talks gRPC to it. {grpcPort}"),
            _ when http is not null || IsNotGrpc(exception) || exception.StatusCode == StatusCode.Unimplemented
                => (StoreError.Foreign, $"What answers at {address} is not the gRPC port of a Qdrant server (1.16 or later): {said}. "
                    + grpcPort),
            StatusCode.Unauthenticated or StatusCode.PermissionDenied
                => (StoreError.Unauthorized, $"{where} {OfKey()} ({said}). Give a key with read and write access ({KeyNames})."),
            StatusCode.NotFound
                => (StoreError.Missing, $"{where} has no such thing: {said}. {StoreException.HowToIngest}"),
            StatusCode.AlreadyExists
                => (StoreError.Busy, $"{where} has that already: {said}. "
                    + "Another process is at work on the collection: try again when it is done."),
            StatusCode.InvalidArgument when said.Contains("dimension", StringComparison.OrdinalIgnoreCase)
                => (StoreError.Mismatch, $"{where} refuses a vector: {said}. "
                    + $"Another embedder made the collection: use that one, or {StoreException.HowToReindex}."),
            StatusCode.ResourceExhausted when IsTooLarge(exception)
                => (StoreError.Refused, $"{where} gave an answer that is too large for the given client. "
                    + "Raise its channel's MaxReceiveMessageSize."),
            StatusCode.ResourceExhausted
                => (StoreError.Unreachable, $"{where} is overloaded ({said}). Try again later."),
            StatusCode.DeadlineExceeded or StatusCode.Cancelled
                => (StoreError.Unreachable, $"{where} gave no answer within {Seconds()} s. Check that it is running and not overloaded, "
                    + "or give it more time (QdrantStoreOptions.RequestTimeoutSeconds)."),
            StatusCode.Internal when IsTls(exception)
                => (StoreError.Unreachable, $"No TLS connection to {address} can be made ({Reason(exception)}). "
                    + $"Check the server's certificate, or give an http address where it has none ({AddressNames})."),
            StatusCode.Unavailable or StatusCode.Aborted
                => (StoreError.Unreachable, $"{where} does not answer ({Reason(exception)}). {isRunning}"),
            StatusCode.Internal when exception.Status.DebugException is not null
                => (StoreError.Unreachable, $"{where} does not answer ({Reason(exception)}). {isRunning}"),
            StatusCode.Internal when said.Contains("space", StringComparison.OrdinalIgnoreCase)
                => (StoreError.Storage, $"{where} is out of space: {said}. Make room on its disk."),
            StatusCode.DataLoss
                => (StoreError.Corrupt, $"{where} has damaged data: {said}. See its log."),
            _ => (StoreError.Refused, $"{where} refuses a request ({exception.StatusCode}): {said}. "
                + "Check its limits (strict mode) and its log."),
        };
        return new StoreException(error, message, exception);

        string OfKey() => _options.ApiKey is null && _options.Client is null ? "wants an API key" : "does not let this API key do that";

        string Seconds() => _options.RequestTimeoutSeconds.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Which node failed.</summary>
    private Uri AddressOf(RpcException exception) => (exception.Data[NodeKey] as Node)?.Address ?? _options.Address;

    private static string Reason(RpcException exception) => exception.StatusCode == StatusCode.DeadlineExceeded
        ? "no answer in time"
        : exception.Status.DebugException?.GetBaseException().Message ?? exception.Status.Detail;

    /// <summary>A server that can be asked; the channel is null where the client was given.</summary>
    private sealed record Node(Uri Address, GrpcChannel? Channel, IQdrantClient Client);
}
