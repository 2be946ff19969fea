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

    /// <summary>The file or collection was not made by Kotonoha, or by another version of it.</summary>
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
