using Kotonoha.Foundation;

namespace Kotonoha.Rag.Stores;

/// <summary>The kinds of failure of a knowledge store.</summary>
public enum StoreError
{
    /// <summary>The server does not answer.</summary>
    Unreachable,

    /// <summary>The server refuses the API key, or wants one.</summary>
    Unauthorized,

    /// <summary>The file or collection is damaged.</summary>
    Corrupt,

    /// <summary>The file, collection or server is not one that Kotonoha made or can use, or another version of Kotonoha made it.</summary>
    Foreign,

    /// <summary>Another process writes to the store.</summary>
    Busy,

    /// <summary>A vector's width, an analyzer, a chunker or an embedder is not the one that the collection was made with.</summary>
    Mismatch,

    /// <summary>The collection has not been created.</summary>
    Missing,

    /// <summary>The server refuses the request, for example by its limits (strict mode).</summary>
    Refused,

    /// <summary>The disk is full or cannot be written.</summary>
    Storage,
}

/// <summary>A knowledge store cannot do what was asked.</summary>
public sealed class StoreException : KotonohaException
{
    /// <summary>How to re-index a collection, for messages.</summary>
    internal const string HowToReindex = "re-index ('kotonoha ingest --rebuild', SyncOptions.Rebuild)";

    /// <summary>How documents get into a collection, for messages.</summary>
    internal const string HowToIngest = "Ingest documents first ('kotonoha ingest', KnowledgeBase.SyncFolderAsync).";

    /// <summary>Creates the error.</summary>
    /// <param name="error">What kind of failure it is.</param>
    /// <param name="message">What failed, on what input, and what to do next.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public StoreException(StoreError error, string message, Exception? innerException = null)
        : base(message, innerException)
        => Error = error;

    /// <summary>What kind of failure it is.</summary>
    public StoreError Error { get; }

    /// <summary>A vector, of a chunk or a query, is not as wide as the collection's.</summary>
    internal static StoreException WrongWidth(int width, CollectionInfo info) => new(
        StoreError.Mismatch,
        $"A vector of {width} dimensions does not fit the collection, which has {info.DenseDimension}: another embedder made it. "
        + $"Use that embedder, or {HowToReindex}.");
}
