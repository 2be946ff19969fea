using RabbitMQ.Client;

namespace Kotonoha.Workers;

/// <summary>Which queue of which RabbitMQ server.</summary>
public sealed record IngestionQueueOptions
{
    /// <summary>What the name of the dead letters' queue adds to the queue's.</summary>
    public const string DeadLetterSuffix = "_error";

    /// <summary>The server: <c>amqp://USER:PASSWORD@HOST:PORT/VHOST</c>, or <c>amqps</c> for TLS.</summary>
    public required Uri Address { get; init; }

    /// <summary>The queue's name. One queue serves one collection.</summary>
    public required string Queue { get; init; }

    /// <summary>Where the queue is, for messages: without user and password.</summary>
    public string Location => $"{Address.Scheme}://{Address.Host}{(Address.IsDefaultPort ? "" : $":{Address.Port}")}{Address.AbsolutePath}";

    internal string DeadLetters => Queue + DeadLetterSuffix;

    /// <summary>A quorum queue survives a node of the broker; a durable queue of any kind survives its restart.</summary>
    internal static Dictionary<string, object?> QueueArguments => new() { ["x-queue-type"] = "quorum" };

    internal ConnectionFactory Factory(string name) => new()
    {
        Uri = Address,
        ClientProvidedName = name,
        AutomaticRecoveryEnabled = true,
        // An exclusive queue that is a lock must not come back by itself.
        TopologyRecoveryEnabled = false,
    };

    /// <summary>Refuses an address or a name that no queue can have.</summary>
    internal void Check()
    {
        if (Address is not { IsAbsoluteUri: true, Scheme: "amqp" or "amqps", Host.Length: > 0 })
            throw new ArgumentException("The address of the queue is amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps).", nameof(Address));
        if (Queue.Length is 0 or > 200 || !Queue.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new ArgumentException(
                $"'{Queue}' cannot be a queue's name: letters, digits, '-', '_' and '.' can be used.", nameof(Queue));
    }
}
