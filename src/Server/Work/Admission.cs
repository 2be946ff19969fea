using System.Diagnostics;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Kotonoha.Server.Work;

/// <summary>Lets a request to a model in: the caller may use it, the queue has a place, the model is loaded.</summary>
internal sealed class Admission : IDisposable
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(2);

    private readonly FairQueue _queue;
    private readonly ModelPool _pool;
    private readonly Telemetry _telemetry;
    private readonly ServerOptions _options;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly CancellationTokenSource _cut = new();
    private readonly CancellationTokenRegistration _stopping;

    public Admission(FairQueue queue, ModelPool pool, Telemetry telemetry, ServerOptions options, IHostApplicationLifetime lifetime)
    {
        (_queue, _pool, _telemetry, _options, _lifetime) = (queue, pool, telemetry, options, lifetime);
        _stopping = lifetime.ApplicationStopping.Register(() => _cut.CancelAfter(options.ShutdownTime));
    }

    /// <summary>Whether the server has been told to stop.</summary>
    public bool IsStopping => _lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>Lets a request in.</summary>
    /// <param name="context">The request.</param>
    /// <param name="operation">What is done, as the conventions of OpenTelemetry name it.</param>
    /// <param name="model">The model's name.</param>
    /// <param name="weight">How many sequences are computed.</param>
    /// <returns>The work, to be disposed when the answer has ended.</returns>
    /// <exception cref="ApiException">The model is not there or not for the caller, the queue is full, the time is over.</exception>
    public Task<AdmittedRequest> EnterAsync(HttpContext context, string operation, string model, int weight = 1)
        => EnterAsync(Caller.Of(context), operation, model, weight, context.RequestAborted);

    /// <summary>Lets a request in that needs a place in the queue and the limits of time, and no model.</summary>
    public Task<AdmittedRequest> EnterAsync(HttpContext context, string operation)
        => EnterAsync(Caller.Of(context), operation, null, 1, context.RequestAborted);

    /// <summary>Lets in what a caller asks for by another way than a request.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="operation">What is done, as the conventions of OpenTelemetry name it.</param>
    /// <param name="model">The model's name; null where none is needed.</param>
    /// <param name="weight">How many sequences are computed.</param>
    /// <param name="gone">The caller does not wait any more.</param>
    /// <exception cref="ApiException">The model is not there or not for the caller, the queue is full, the time is over.</exception>
    public async Task<AdmittedRequest> EnterAsync(
        Caller caller, string operation, string? model, int weight, CancellationToken gone)
    {
        if (model is not null)
        {
            _pool.Find(model);
            caller.RequireModel(model);
        }

        if (IsStopping)
            throw AdmittedRequest.Stopping();
        var work = new AdmittedRequest(_telemetry, operation, model ?? "", gone, _cut.Token, _options.Deadline);
        try
        {
            work.Place = await PlaceAsync(caller, weight, work.Token).ConfigureAwait(false);
            if (model is not null)
                work.Lease = await _pool.TakeAsync(model, work.Token).ConfigureAwait(false);
            return work;
        }
        catch (Exception exception)
        {
            await using (work.ConfigureAwait(false))
                throw work.Explain(exception);
        }
    }

    public void Dispose()
    {
        _stopping.Dispose();
        _cut.Dispose();
    }

    private async Task<IDisposable> PlaceAsync(Caller caller, int weight, CancellationToken cancellationToken)
    {
        if (await _queue.EnterAsync(caller.Id, weight, cancellationToken).ConfigureAwait(false) is { } place)
            return place;
        _telemetry.Refused("queue_full");
        throw new ApiException(429, ApiErrorType.RateLimit, "queue_full",
            "Too many requests are waiting; send this one again a little later, or fewer at a time.")
        {
            RetryAfter = RetryAfter,
        };
    }
}

/// <summary>A request that is being answered: its place, its model, its limits of time.</summary>
internal sealed class AdmittedRequest : IAsyncDisposable
{
    private readonly Telemetry _telemetry;
    private readonly string _operation, _model;
    private readonly CancellationToken _gone, _cut;
    private readonly CancellationTokenSource _deadline, _all;
    private readonly long _start = Stopwatch.GetTimestamp();
    private TimeSpan? _first;
    private string? _error;

    public AdmittedRequest(
        Telemetry telemetry, string operation, string model, CancellationToken gone, CancellationToken cut, TimeSpan deadline)
    {
        (_telemetry, _operation, _model, _gone, _cut) = (telemetry, operation, model, gone, cut);
        _deadline = new CancellationTokenSource(deadline);
        _all = CancellationTokenSource.CreateLinkedTokenSource(gone, cut, _deadline.Token);
    }

    /// <summary>Ends when the caller has gone, the time is over, or the server stops.</summary>
    public CancellationToken Token => _all.Token;

    public IDisposable? Place { get; set; }

    public ModelLease? Lease { get; set; }

    public ServedModel Model => Lease!.Model;

    public long InputTokens { get; set; }

    public long OutputTokens { get; set; }

    /// <summary>Notes that the first token is there.</summary>
    public void FirstToken() => _first ??= Stopwatch.GetElapsedTime(_start);

    /// <summary>What to tell about an exception: an end of the time is told as such.</summary>
    public Exception Explain(Exception exception)
    {
        _error ??= exception.GetType().Name;
        if (exception is not OperationCanceledException || _gone.IsCancellationRequested)
            return exception;
        return _cut.IsCancellationRequested ? Stopping()
            : _deadline.IsCancellationRequested ? new ApiException(504, ApiErrorType.Timeout, "deadline_exceeded",
                "The answer took longer than the server allows ('deadline'); ask for less, or again when fewer others do.")
            : exception;
    }

    public static ApiException Stopping() => new(503, ApiErrorType.Server, "server_stopping",
        "The server is stopping, and the answer was cut; send the request again.")
    {
        RetryAfter = TimeSpan.FromSeconds(5),
    };

    public ValueTask DisposeAsync()
    {
        Lease?.Dispose();
        Place?.Dispose();
        _telemetry.Answered(_operation, _model, Stopwatch.GetElapsedTime(_start), _first, InputTokens, OutputTokens, _error);
        _all.Dispose();
        _deadline.Dispose();
        return default;
    }
}
