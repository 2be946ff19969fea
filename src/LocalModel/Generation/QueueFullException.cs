using System.Globalization;
using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Generation;

/// <summary>The engine has as many waiting requests as it may; this one was not accepted.</summary>
public sealed class QueueFullException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="queueLength">The requests that may wait.</param>
    public QueueFullException(int queueLength)
        : base(string.Create(CultureInfo.InvariantCulture,
            $"The model already has {queueLength} requests waiting, as many as QueueLength among its options allows. Try again later, or raise the limit."))
        => QueueLength = queueLength;

    /// <summary>The requests that may wait.</summary>
    public int QueueLength { get; }
}
