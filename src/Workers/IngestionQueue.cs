using System.Text;
using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Rag;
using Kotonoha.Rag.Ingestion;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Kotonoha.Workers;

/// <summary>What a queue holds.</summary>
/// <param name="Waiting">Messages that no worker has in hand.</param>
/// <param name="Workers">How many workers take messages.</param>
/// <param name="DeadLetters">Messages that could not be done.</param>
public sealed record IngestionQueueStatus(long Waiting, long Workers, long DeadLetters);

/// <summary>A message that could not be done.</summary>
/// <param name="Source">The document, or null where the message cannot be read.</param>
/// <param name="Reason">Why.</param>
public sealed record DeadLetter(string? Source, string Reason);

/// <summary>What was published of a folder.</summary>
/// <param name="Began">How many documents were taken in at once, to begin the collection with.</param>
/// <param name="Published">Documents that are new or have changed.</param>
/// <param name="Removed">Documents that are stored, but no longer in the folder.</param>
/// <param name="Skipped">Files that cannot be taken in, as far as is known without reading them.</param>
public sealed record PublishReport(
    int Began, IReadOnlyList<string> Published, IReadOnlyList<string> Removed, IReadOnlyList<SkippedDocument> Skipped);

/// <summary>The queue of documents that wait for workers, as those see it who fill it and look after it.</summary>
/// <remarks>Thread-safe.</remarks>
public sealed class IngestionQueue : IAsyncDisposable
{
    /// <summary>How many documents <see cref="PublishFolderAsync"/> takes in by itself where there is no collection yet.</summary>
    public const int DefaultSample = 100;

    private const int InFlight = 256;
    private const string ReasonHeader = "MT-Fault-Message";

    private static readonly CreateChannelOptions Confirmed
        = new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);

    private readonly IConnection _connection;
    private readonly IngestionQueueOptions _options;

    private IngestionQueue(IConnection connection, IngestionQueueOptions options) => (_connection, _options) = (connection, options);

    /// <summary>Connects to a queue; it is made where it is missing.</summary>
    /// <param name="options">Which one.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="IngestionQueueException">The server does not answer or refuses the user.</exception>
    public static async Task<IngestionQueue> OpenAsync(IngestionQueueOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var connection = await QueueConnection.OpenAsync(options, "kotonoha queue", cancellationToken).ConfigureAwait(false);
        try
        {
            await DeclareAsync(connection, options, cancellationToken).ConfigureAwait(false);
            return new IngestionQueue(connection, options);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Publishes messages; when it returns, the server has confirmed all of them and keeps them through a restart.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="cancellationToken">Stops the work; what was published stays.</param>
    /// <exception cref="IngestionQueueException">The server did not confirm a message.</exception>
    public async Task PublishAsync(IEnumerable<IngestionMessage> messages, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        await using var channel = await _connection.CreateChannelAsync(Confirmed, cancellationToken).ConfigureAwait(false);
        foreach (var window in messages.Chunk(InFlight))
            await PublishAsync(
                channel, window.Select(message => JsonSerializer.SerializeToUtf8Bytes(message, IngestionMessage.Json)), cancellationToken)
                    .ConfigureAwait(false);
    }

    /// <summary>
    /// Publishes what a folder has that the knowledge base does not hold as it is: new and changed documents, and those that are gone.
    /// Where there is no collection yet, it is begun with a sample of the folder, on which a fitted embedder is fitted.
    /// </summary>
    /// <param name="knowledge">The knowledge base that the workers fill.</param>
    /// <param name="collection">The collection's name, for the messages.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="options">Labels of the documents, or null for none.</param>
    /// <param name="sample">How many documents a new collection is begun with.</param>
    /// <param name="cancellationToken">Stops the work; what was published stays.</param>
    /// <exception cref="KotonohaException">The folder, the store or the queue cannot do its part.</exception>
    public async Task<PublishReport> PublishFolderAsync(
        KnowledgeBase knowledge, string collection, string folder, SyncOptions? options = null, int sample = DefaultSample,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(knowledge);
        ArgumentException.ThrowIfNullOrEmpty(collection);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sample);
        options ??= new SyncOptions();
        int began = await knowledge.CreateFromSampleAsync(folder, sample, options, cancellationToken).ConfigureAwait(false);
        var (written, removed, skipped) = await knowledge.PlanSharedAsync(folder, options, cancellationToken).ConfigureAwait(false);
        var messages = written.Select(file => new IngestionMessage
        {
            Collection = collection,
            Source = file.Source,
            Path = file.Source,
            Hash = file.Hash,
            Tags = file.Labels.Tags,
            Access = file.Labels.Access?.Keys ?? [],
        }).Concat(removed.Select(source => new IngestionMessage
        {
            Collection = collection,
            Source = source,
            Path = source,
            IsRemoved = true,
        }));
        await PublishAsync(messages, cancellationToken).ConfigureAwait(false);
        return new PublishReport(began, [.. written.Select(file => file.Source)], removed, skipped);
    }

    /// <summary>Says how much waits.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    public async Task<IngestionQueueStatus> GetStatusAsync(CancellationToken cancellationToken = default)
    {
        var queue = await QueueConnection.LookAsync(_connection, _options.Queue, cancellationToken).ConfigureAwait(false);
        var dead = await QueueConnection.LookAsync(_connection, _options.DeadLetters, cancellationToken).ConfigureAwait(false);
        return new IngestionQueueStatus(queue?.MessageCount ?? 0, queue?.ConsumerCount ?? 0, dead?.MessageCount ?? 0);
    }

    /// <summary>Reads the oldest dead letters; they stay where they are.</summary>
    /// <param name="limit">How many at most.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public async Task<IReadOnlyList<DeadLetter>> PeekDeadLettersAsync(int limit = 20, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        var letters = new List<DeadLetter>();
        if (await QueueConnection.LookAsync(_connection, _options.DeadLetters, cancellationToken).ConfigureAwait(false) is null)
            return letters;
        // What is not acknowledged goes back, in its order, when the channel closes.
        await using var channel = await _connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
        while (letters.Count < limit
            && await channel.BasicGetAsync(_options.DeadLetters, autoAck: false, cancellationToken).ConfigureAwait(false) is { } letter)
            letters.Add(new DeadLetter(SourceOf(letter.Body), Header(letter.BasicProperties, ReasonHeader) ?? "no reason given"));
        return letters;
    }

    /// <summary>Puts dead letters back into the queue: each is confirmed there before it is taken away here.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>How many were put back.</returns>
    /// <exception cref="IngestionQueueException">The server did not confirm a message; it stays a dead letter.</exception>
    public async Task<int> RetryDeadLettersAsync(CancellationToken cancellationToken = default)
    {
        var dead = await QueueConnection.LookAsync(_connection, _options.DeadLetters, cancellationToken).ConfigureAwait(false);
        await using var channel = await _connection.CreateChannelAsync(Confirmed, cancellationToken).ConfigureAwait(false);
        int moved = 0;
        // Those that fail again meanwhile are left for the next time.
        for (long left = dead?.MessageCount ?? 0; left > 0; left--)
        {
            var letter = await channel.BasicGetAsync(_options.DeadLetters, autoAck: false, cancellationToken).ConfigureAwait(false);
            if (letter is null)
                break;
            await PublishAsync(channel, [letter.Body.ToArray()], cancellationToken).ConfigureAwait(false);
            await channel.BasicAckAsync(letter.DeliveryTag, multiple: false, cancellationToken).ConfigureAwait(false);
            moved++;
        }

        return moved;
    }

    /// <summary>Disconnects; the queue stays.</summary>
    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    internal static async Task DeclareAsync(IConnection connection, IngestionQueueOptions options, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
        try
        {
            await channel.QueueDeclareAsync(
                options.Queue, durable: true, exclusive: false, autoDelete: false, IngestionQueueOptions.QueueArguments,
                cancellationToken: cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException exception)
        {
            throw QueueConnection.Refused(options, exception);
        }
    }

    private async Task PublishAsync(IChannel channel, IEnumerable<byte[]> bodies, CancellationToken cancellationToken)
    {
        try
        {
            var waiting = new List<Task>();
            foreach (var body in bodies)
                waiting.Add(channel.BasicPublishAsync(
                    exchange: "",
                    _options.Queue,
                    mandatory: true,
                    new BasicProperties { ContentType = "application/json", DeliveryMode = DeliveryModes.Persistent },
                    body,
                    cancellationToken).AsTask());
            await Task.WhenAll(waiting).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is PublishException or OperationInterruptedException or AlreadyClosedException)
        {
            throw new IngestionQueueException(
                $"The RabbitMQ server at {_options.Location} did not confirm a message ({exception.Message}). Publish again: what is there "
                + "twice is done once.",
                exception);
        }
    }

    private static string? SourceOf(ReadOnlyMemory<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize<IngestionMessage>(body.Span, IngestionMessage.Json)?.Source;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Header(IReadOnlyBasicProperties properties, string name)
        => properties.Headers?.TryGetValue(name, out var value) == true
            ? value as string ?? (value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : null)
            : null;
}
