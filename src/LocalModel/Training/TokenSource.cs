namespace Kotonoha.LocalModel.Training;

/// <summary>A long row of token ids that windows are read from; thread-safe.</summary>
public abstract class TokenSource : IDisposable
{
    /// <summary>The number of tokens.</summary>
    public abstract long Count { get; }

    /// <summary>All ids are below this number.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>A hash of the ids, by which a resumed run recognises its data.</summary>
    public abstract ulong Fingerprint { get; }

    /// <summary>Copies ids.</summary>
    /// <param name="start">The place of the first, from 0.</param>
    /// <param name="destination">Receives as many as it has room for.</param>
    /// <exception cref="ArgumentOutOfRangeException">The sequence ends before.</exception>
    public abstract void CopyTo(long start, Span<int> destination);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Lets go of files and memory.</summary>
    /// <param name="disposing">Whether it is called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
    }

    private protected void CheckRange(long start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Count - count);
    }
}
