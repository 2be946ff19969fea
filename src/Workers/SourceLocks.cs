using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Kotonoha.Workers;

/// <summary>
/// Keeps two workers from the same document: whoever has it holds an exclusive queue of its name, which the server takes away with the
/// worker's connection, however the worker ends.
/// </summary>
internal sealed class SourceLocks(IConnection connection, string queue)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    // Within one connection an exclusive queue may be declared again.
    private readonly ConcurrentDictionary<string, bool> _here = new(StringComparer.Ordinal);

    /// <summary>Waits until the document is free and takes it.</summary>
    /// <returns>What gives it back when it is disposed.</returns>
    /// <exception cref="TimeoutException">Another worker has had the document for minutes.</exception>
    public async Task<IAsyncDisposable> TakeAsync(string source, CancellationToken cancellationToken)
    {
        var name = $"{queue}.lock.{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(source)))[..32]}";
        var end = DateTime.UtcNow + Patience;
        while (true)
        {
            if (_here.TryAdd(name, true))
            {
                bool isTaken = false;
                try
                {
                    if (await DeclareAsync(name, cancellationToken).ConfigureAwait(false) is { } channel)
                    {
                        isTaken = true;
                        return new Held(this, channel, name);
                    }
                }
                finally
                {
                    if (!isTaken)
                        _here.TryRemove(name, out _);
                }
            }

            if (DateTime.UtcNow > end)
                throw new TimeoutException($"Another worker has had '{source}' for {Patience.TotalMinutes:F0} minutes.");
            await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<IChannel?> DeclareAsync(string name, CancellationToken cancellationToken)
    {
        var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
        try
        {
            await channel.QueueDeclareAsync(name, durable: false, exclusive: true, autoDelete: false, cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            return channel;
        }
        catch (OperationInterruptedException exception) when (exception.ShutdownReason?.ReplyCode == Constants.ResourceLocked)
        {
            await channel.DisposeAsync().ConfigureAwait(false);
            return null;
        }
        catch
        {
            await channel.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private sealed class Held(SourceLocks locks, IChannel channel, string name) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            try
            {
                await channel.QueueDeleteAsync(name).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is AlreadyClosedException or OperationInterruptedException)
            {
                // The connection broke, and the lock went with it.
            }
            finally
            {
                await channel.DisposeAsync().ConfigureAwait(false);
                locks._here.TryRemove(name, out _);
            }
        }
    }
}
