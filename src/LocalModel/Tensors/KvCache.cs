using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>What a model keeps of each token.</summary>
/// <param name="Layers">The layers of the model.</param>
/// <param name="KeyHeads">The key and value heads of a layer.</param>
/// <param name="KeyWidth">The width of one key head.</param>
/// <param name="ValueWidth">The width of one value head.</param>
/// <param name="PositionKey">
/// Equal numbers for lengths of a sequence at which the model turns keys alike; null when the length does not matter.
/// </param>
internal sealed record KvShape(int Layers, int KeyHeads, int KeyWidth, int ValueWidth, Func<int, int>? PositionKey = null)
{
    /// <summary>The numbers that are kept of each token.</summary>
    public long ElementsPerToken => (long)Layers * KeyHeads * (KeyWidth + ValueWidth);
}

/// <summary>
/// The keys and values of past tokens, as sequences that grow, are cut and are forked; how they lie in memory is the device's business. Not
/// thread-safe: it belongs to the one thread that runs the model.
/// </summary>
internal abstract class KvCache : IDisposable
{
    /// <summary>Room is counted in blocks of this many positions.</summary>
    public const int BlockTokens = 32;

    private protected KvCache(KvShape shape, int capacityTokens)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape.Layers, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape.KeyHeads, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape.KeyWidth, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape.ValueWidth, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacityTokens);
        Shape = shape;
        CapacityTokens = ((capacityTokens - 1) / BlockTokens + 1) * BlockTokens;
    }

    /// <summary>What is kept of each token.</summary>
    public KvShape Shape { get; }

    /// <summary>The tokens that fit, over all sequences: whole blocks.</summary>
    public int CapacityTokens { get; }

    /// <summary>The tokens that still fit, in whole blocks; what is only kept for later sequences makes room for them.</summary>
    public abstract int FreeTokens { get; }

    /// <summary>
    /// Whether keys and values are kept after their sequence, while there is room, for those that begin alike
    /// (<see cref="KvSequence.Adopt"/>).
    /// </summary>
    public virtual bool KeepsPrefixes => false;

    /// <summary>A new, empty sequence.</summary>
    /// <param name="expectedTokens">The length that room is made for; the sequence may become longer.</param>
    /// <param name="promptLength">
    /// The tokens of a prompt that comes in chunks, so that scalings of rotary positions that depend on the sequence's length see the same
    /// length in every chunk as in one piece; 0 when the length is that of what has come.
    /// </param>
    public abstract KvSequence NewSequence(int expectedTokens = 0, int promptLength = 0);

    /// <summary>From now on <see cref="KeepsPrefixes"/>, where the device can.</summary>
    public virtual void KeepPrefixes()
    {
    }

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Equal for lengths of a sequence at which keys are turned alike.</summary>
    internal int PositionKey(int length) => Shape.PositionKey is { } key ? key(length) : 0;

    /// <summary>The error of a cache without room.</summary>
    private protected KvCacheFullException Full()
        => new($"The key/value cache is full ({CapacityTokens} tokens). Use fewer sequences at once or shorter ones, or create it with a "
            + "larger capacity.");
}

/// <summary>
/// One sequence of a <see cref="KvCache"/>. <see cref="Batch.Append(ReadOnlySpan{int}, KvSequence)"/> makes it longer; disposing it gives
/// its memory back.
/// </summary>
internal abstract class KvSequence : IDisposable
{
    private protected KvSequence(KvCache cache, int promptLength)
    {
        Cache = cache;
        PromptLength = promptLength;
    }

    /// <summary>The cache that the sequence lives in.</summary>
    public KvCache Cache { get; }

    /// <summary>The tokens whose keys and values are (or, in a batch that has not run yet, will be) in the cache.</summary>
    public int Length { get; private protected set; }

    /// <summary>
    /// The tokens of the prompt that the sequence begins with, however many chunks it comes in; 0 where that is not known.
    /// </summary>
    internal int PromptLength { get; }

    /// <summary>Equal for sequences whose prompts have their keys turned alike; only those can adopt from each other.</summary>
    internal int PositionKey => Cache.PositionKey(PromptLength);

    /// <summary>Forgets all tokens from a length on.</summary>
    /// <param name="length">The tokens to keep.</param>
    public abstract void Truncate(int length);

    /// <summary>A second sequence with the same past.</summary>
    public abstract KvSequence Fork();

    /// <summary>
    /// Begins an empty sequence with the keys and values that the cache still has of its first tokens. They have the bits that computing
    /// them again would give.
    /// </summary>
    /// <param name="tokenIds">The tokens that are wanted.</param>
    /// <returns>How many of them the sequence now has; 0 unless <see cref="KvCache.KeepsPrefixes"/>.</returns>
    public virtual int Adopt(ReadOnlySpan<int> tokenIds) => 0;

    /// <summary>
    /// Tells a cache that <see cref="KvCache.KeepsPrefixes"/> which tokens the sequence begins with: others can adopt them from now on.
    /// </summary>
    /// <param name="tokenIds">All tokens from the first on whose keys and values have been computed, no more.</param>
    public virtual void Publish(ReadOnlySpan<int> tokenIds)
    {
    }

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Makes room for more tokens; all of them or, when the cache is full, none.</summary>
    /// <exception cref="KvCacheFullException">The cache is full.</exception>
    internal abstract void Append(int tokens);
}

/// <summary>The key/value cache has no free block for another token.</summary>
public sealed class KvCacheFullException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What did not fit, and what to do.</param>
    public KvCacheFullException(string message)
        : base(message)
    {
    }
}
