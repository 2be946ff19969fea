using Kotonoha.Foundation;
using Kotonoha.Rag;
using Kotonoha.Rag.Stores;
using MassTransit;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Kotonoha.Workers;

/// <summary>How a worker works.</summary>
public sealed record IngestionWorkerOptions
{
    /// <summary>The queue.</summary>
    public required IngestionQueueOptions Queue { get; init; }

    /// <summary>The collection's name, as messages give it.</summary>
    public required string Collection { get; init; }

    /// <summary>The folder below which the documents' files lie.</summary>
    public required string Folder { get; init; }

    /// <summary>How many documents it works on at the same time.</summary>
    public int Parallel { get; init; } = 2;

    /// <summary>How often a message is tried where the trouble may go away by itself; after that it is a dead letter.</summary>
    public int Attempts { get; init; } = 8;

    /// <summary>The pause before the second try, in milliseconds; it doubles each time, up to <see cref="MaxDelayMs"/>.</summary>
    public int FirstDelayMs { get; init; } = 1_000;

    /// <summary>The longest pause, in milliseconds.</summary>
    public int MaxDelayMs { get; init; } = 60_000;

    /// <summary>Called with what became of each message once the store has acknowledged it.</summary>
    public Action<IngestionResult>? Done { get; init; }

    /// <summary>Called with a document that could not be taken in, why, and whether it is tried again.</summary>
    public Action<string, Exception, bool>? Failed { get; init; }
}

/// <summary>
/// Takes messages from a queue and brings their documents into a knowledge base. A message is acknowledged after the store has acknowledged
/// the document, and doing it twice changes nothing, so each document is there exactly once, however workers end.
/// </summary>
/// <remarks>
/// Several workers share a queue. Trouble that may pass (the store is away, a time-out) is tried again with growing pauses; what comes
/// again with the same message (an unreadable document) becomes a dead letter at once, with its reason.
/// </remarks>
public sealed class IngestionWorker : IAsyncDisposable
{
    private readonly IBusControl _bus;
    private readonly IConnection _locks;

    private IngestionWorker(IBusControl bus, IConnection locks) => (_bus, _locks) = (bus, locks);

    /// <summary>Connects to the queue and begins to work.</summary>
    /// <param name="knowledge">The knowledge base, over a <see cref="QdrantStore"/>; the caller disposes it after the worker.</param>
    /// <param name="options">Which queue, and how to work.</param>
    /// <param name="cancellationToken">Stops the start.</param>
    /// <exception cref="StoreException">The store is one that a single process writes to, or there is no collection yet.</exception>
    /// <exception cref="IngestionQueueException">The queue's server does not answer or refuses the user.</exception>
    /// <exception cref="KotonohaException">The collection was made by another embedder or analyzer, or cannot be reached.</exception>
    public static async Task<IngestionWorker> StartAsync(
        KnowledgeBase knowledge, IngestionWorkerOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(knowledge);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Parallel);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Attempts);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.FirstDelayMs);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxDelayMs, options.FirstDelayMs);
        if (knowledge.Store is not QdrantStore)
            throw new StoreException(
                StoreError.Foreign,
                $"Workers share their store, and {knowledge.Store.Location} is one that a single process writes to. Use a Qdrant server "
                + "(QdrantStore, --qdrant-url).");
        await knowledge.CheckSharedAsync(cancellationToken).ConfigureAwait(false);
        var connection = await QueueConnection.OpenAsync(options.Queue, "kotonoha worker", cancellationToken).ConfigureAwait(false);
        try
        {
            await IngestionQueue.DeclareAsync(connection, options.Queue, cancellationToken).ConfigureAwait(false);
            var bus = Bus(knowledge, options, new SourceLocks(connection, options.Queue.Queue));
            await bus.StartAsync(cancellationToken).ConfigureAwait(false);
            return new IngestionWorker(bus, connection);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Takes no more messages, ends those in hand and disconnects.</summary>
    public async ValueTask DisposeAsync()
    {
        await _bus.StopAsync(CancellationToken.None).ConfigureAwait(false);
        await _locks.DisposeAsync().ConfigureAwait(false);
    }

    private static IBusControl Bus(KnowledgeBase knowledge, IngestionWorkerOptions options, SourceLocks locks)
    {
        var steps = new IngestionSteps(knowledge, options.Collection, options.Folder);
        return MassTransit.Bus.Factory.CreateUsingRabbitMq(bus =>
        {
            bus.Host(options.Queue.Address);
            // Plain JSON, so that any program can publish.
            bus.ClearSerialization();
            bus.UseRawJsonSerializer(RawSerializerOptions.AnyMessageType, isDefault: true);
            bus.ReceiveEndpoint(options.Queue.Queue, endpoint =>
            {
                endpoint.ConfigureConsumeTopology = false;
                endpoint.PublishFaults = false;
                endpoint.SetQuorumQueue();
                endpoint.PrefetchCount = (ushort)options.Parallel;
                endpoint.ConcurrentMessageLimit = options.Parallel;
                endpoint.UseMessageRetry(retry =>
                {
                    retry.Handle<Exception>(IsTransient);
                    if (options.Attempts > 1)
                        retry.Intervals(Delays(options));
                    else
                        retry.None();
                });
                endpoint.Consumer(() => new Consumer(steps, locks, options));
            });
        });
    }

    /// <summary>The pauses between the tries: each twice the one before.</summary>
    internal static TimeSpan[] Delays(IngestionWorkerOptions options)
        => [.. Enumerable.Range(0, options.Attempts - 1)
            .Select(i => TimeSpan.FromMilliseconds(Math.Min(options.MaxDelayMs, options.FirstDelayMs * Math.Pow(2, i))))];

    // The connection that holds the locks breaks with the server, and is made again by itself.
    private static bool IsTransient(Exception exception)
        => IngestionFailure.IsTransient(exception) || exception is AlreadyClosedException or OperationInterruptedException;

    private sealed class Consumer(IngestionSteps steps, SourceLocks locks, IngestionWorkerOptions options) : IConsumer<IngestionMessage>
    {
        public async Task Consume(ConsumeContext<IngestionMessage> context)
        {
            var message = context.Message;
            try
            {
                await using var held = await locks.TakeAsync(message.Source, context.CancellationToken).ConfigureAwait(false);
                options.Done?.Invoke(await steps.RunAsync(message, context.CancellationToken).ConfigureAwait(false));
            }
            catch (Exception exception)
            {
                bool isTriedAgain = IsTransient(exception) && context.GetRetryAttempt() < options.Attempts - 1;
                options.Failed?.Invoke(message.Source, exception, isTriedAgain);
                throw;
            }
        }
    }
}
