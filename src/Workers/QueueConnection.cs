using Kotonoha.Foundation;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Kotonoha.Workers;

/// <summary>The queue cannot be reached, or refuses what was asked.</summary>
public sealed class IngestionQueueException : KotonohaException
{
    internal IngestionQueueException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>Opens connections to the queue's server and turns their failures into <see cref="IngestionQueueException"/>.</summary>
internal static class QueueConnection
{
    public static async Task<IConnection> OpenAsync(IngestionQueueOptions options, string name, CancellationToken cancellationToken)
    {
        options.Check();
        try
        {
            return await options.Factory(name).CreateConnectionAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (BrokerUnreachableException exception)
        {
            var cause = exception.GetBaseException();
            bool isRefused = exception.InnerException is AuthenticationFailureException || cause is AuthenticationFailureException;
            throw new IngestionQueueException(
                isRefused
                    ? $"The RabbitMQ server at {options.Location} does not let this user in. Give user and password in the address "
                        + "(amqp://USER:PASSWORD@HOST)."
                    : $"The RabbitMQ server at {options.Location} does not answer ({cause.Message}). Check that it is running and that the "
                        + "address is its AMQP port, by default 5672.",
                exception);
        }
        catch (OperationInterruptedException exception)
        {
            throw Refused(options, exception);
        }
    }

    public static IngestionQueueException Refused(IngestionQueueOptions options, Exception exception)
        => new($"The RabbitMQ server at {options.Location} refuses a request: {exception.Message}", exception);

    /// <summary>How many messages wait in a queue and how many consumers it has; null where there is no such queue.</summary>
    public static async Task<QueueDeclareOk?> LookAsync(IConnection connection, string queue, CancellationToken cancellationToken)
    {
        // The server closes the channel over a queue that is not there.
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
        try
        {
            return await channel.QueueDeclarePassiveAsync(queue, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException exception) when (exception.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return null;
        }
    }
}
