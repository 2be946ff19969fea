using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Polly;
using Polly.Retry;

namespace Kotonoha.Rag.Stores;

/// <summary>Qdrant's REST interface: sends a request, repeats it while that can help, and turns failures into <see cref="StoreException"/>.</summary>
internal sealed class QdrantRest : IDisposable
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(3);

    private readonly QdrantStoreOptions _options;
    private readonly Uri _address;
    private readonly HttpClient _client;
    private readonly ResiliencePipeline<HttpResponseMessage> _reads;
    private readonly ResiliencePipeline<HttpResponseMessage> _writes;

    public QdrantRest(QdrantStoreOptions options)
    {
        _options = options;
        // A path in the address (a proxy's) is kept.
        _address = options.Address.AbsoluteUri.EndsWith('/') ? options.Address : new Uri(options.Address.AbsoluteUri + "/");
        // The time limit of a request is set per try.
        _client = options.HttpClient ?? new HttpClient(new SocketsHttpHandler
        {
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = TimeSpan.FromSeconds(5),
            // The system's proxy cannot reach a server on this machine's loopback.
            UseProxy = !options.Address.IsLoopback,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _reads = Pipeline(TimeSpan.FromSeconds(options.ReadRetrySeconds));
        _writes = Pipeline(TimeSpan.FromSeconds(options.WriteRetrySeconds));
    }

    /// <summary>Sends a request that only reads.</summary>
    /// <returns>The answer's <c>result</c>.</returns>
    public Task<JsonElement> ReadAsync(HttpMethod method, string path, Action<Utf8JsonWriter>? body, CancellationToken cancellationToken)
        => SendAsync(_reads, method, path, body, cancellationToken);

    /// <summary>Sends a request that writes; it must do no harm when it is done twice.</summary>
    /// <returns>The answer's <c>result</c>.</returns>
    public Task<JsonElement> WriteAsync(HttpMethod method, string path, Action<Utf8JsonWriter>? body, CancellationToken cancellationToken)
        => SendAsync(_writes, method, path, body, cancellationToken);

    public void Dispose()
    {
        if (_options.HttpClient is null)
            _client.Dispose();
    }

    private static ResiliencePipeline<HttpResponseMessage> Pipeline(TimeSpan duration)
    {
        return new ResiliencePipelineBuilder<HttpResponseMessage>()
            .AddRetry(new RetryStrategyOptions<HttpResponseMessage>
            {
                MaxRetryAttempts = int.MaxValue,
                BackoffType = DelayBackoffType.Exponential,
                Delay = FirstDelay,
                MaxDelay = MaxDelay,
                UseJitter = true,
                ShouldHandle = arguments => ValueTask.FromResult(
                    Stopwatch.GetElapsedTime(arguments.Context.Properties.GetValue(StartKey, 0)) < duration && IsTransient(arguments.Outcome)),
                DelayGenerator = arguments => ValueTask.FromResult(RetryAfter(arguments.Outcome.Result)),
                OnRetry = arguments =>
                {
                    arguments.Outcome.Result?.Dispose();
                    return default;
                },
            })
            .Build();
    }

    private static ResiliencePropertyKey<long> StartKey { get; } = new("start");

    private static bool IsTransient(Outcome<HttpResponseMessage> outcome)
        => outcome.Exception is HttpRequestException or TimeoutException
            || outcome.Result?.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout
                or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;

    private static TimeSpan? RetryAfter(HttpResponseMessage? response)
        => response?.Headers.RetryAfter is { } after
            ? after.Delta ?? (after.Date is { } date && date > DateTimeOffset.UtcNow ? date - DateTimeOffset.UtcNow : null)
            : null;

    private async Task<JsonElement> SendAsync(ResiliencePipeline<HttpResponseMessage> pipeline, HttpMethod method, string path, Action<Utf8JsonWriter>? body, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> content = default;
        if (body is not null)
        {
            var buffer = new ArrayBufferWriter<byte>(4096);
            using (var writer = new Utf8JsonWriter(buffer))
                body(writer);
            content = buffer.WrittenMemory;
        }

        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        context.Properties.Set(StartKey, Stopwatch.GetTimestamp());
        try
        {
            using var response = await pipeline.ExecuteAsync(
                async resilience => await TryAsync(method, path, body is null ? null : content, resilience.CancellationToken).ConfigureAwait(false),
                context).ConfigureAwait(false);
            return await ReadResultAsync(response, path, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is HttpRequestException or TimeoutException or IOException)
        {
            throw new StoreException(
                StoreError.Unreachable,
                $"The Qdrant server at {_options.Address} does not answer ({exception.Message}). Check that it is running and that the address is right.",
                exception);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private async Task<HttpResponseMessage> TryAsync(HttpMethod method, string path, ReadOnlyMemory<byte>? content, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(_address, path));
        if (_options.ApiKey is { } key)
            request.Headers.Add("api-key", key);
        if (content is { } bytes)
        {
            request.Content = new ReadOnlyMemoryContent(bytes);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(_options.RequestTimeoutSeconds));
        try
        {
            // The whole answer is read here, so that a connection that breaks in the middle is repeated too.
            return await _client.SendAsync(request, HttpCompletionOption.ResponseContentRead, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"no answer within {_options.RequestTimeoutSeconds} s"), exception);
        }
    }

    private async Task<JsonElement> ReadResultAsync(HttpResponseMessage response, string path, CancellationToken cancellationToken)
    {
        var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
            throw Failure(response.StatusCode, path, bytes);
        try
        {
            using var json = JsonDocument.Parse(bytes);
            return json.RootElement.GetProperty("result").Clone();
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new StoreException(StoreError.Foreign, $"What answers at {_options.Address} is not a Qdrant server (its answer to {path} is not Qdrant's). Check the address.", exception);
        }
    }

    private StoreException Failure(HttpStatusCode status, string path, byte[] body)
    {
        var said = Said(body);
        var where = $"The Qdrant server at {_options.Address}";
        return status switch
        {
            HttpStatusCode.Unauthorized => new StoreException(StoreError.Unauthorized, $"{where} {(_options.ApiKey is null ? "wants an API key" : "refuses the API key")} ({said}). Give the right key."),
            HttpStatusCode.Forbidden when !said.Contains("strict", StringComparison.OrdinalIgnoreCase)
                => new StoreException(StoreError.Unauthorized, $"{where} {(_options.ApiKey is null ? "wants an API key" : "does not let this API key do that")} ({said}). Give a key with read and write access."),
            HttpStatusCode.NotFound => new StoreException(StoreError.Missing, $"{where} has no such thing: {said}."),
            HttpStatusCode.Conflict => new StoreException(StoreError.Busy, $"{where} has that already: {said}."),
            HttpStatusCode.InsufficientStorage => new StoreException(StoreError.Storage, $"{where} is out of space: {said}."),
            HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity when said.Contains("dimension", StringComparison.OrdinalIgnoreCase)
                => new StoreException(StoreError.Mismatch, $"{where} refuses a vector: {said}. The collection was made with another embedder: use that one, or re-index."),
            HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable or HttpStatusCode.BadGateway or HttpStatusCode.GatewayTimeout
                => new StoreException(StoreError.Unreachable, string.Create(CultureInfo.InvariantCulture, $"{where} is overloaded or not ready (status {(int)status}: {said}). Try again later.")),
            _ => new StoreException(StoreError.Refused, string.Create(CultureInfo.InvariantCulture, $"{where} refuses {path} (status {(int)status}): {said}. Check the server's limits (strict mode) and its log.")),
        };
    }

    // Qdrant's words lie in status.error.
    private static string Said(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            if (json.RootElement.TryGetProperty("status", out var status) && status.ValueKind == JsonValueKind.Object && status.TryGetProperty("error", out var error))
                return error.ToString();
        }
        catch (JsonException)
        {
            // Not Qdrant's own answer; a proxy's page, for example.
        }

        var text = System.Text.Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, 200))).Trim();
        return text.Length == 0 ? "no reason given" : text;
    }
}
