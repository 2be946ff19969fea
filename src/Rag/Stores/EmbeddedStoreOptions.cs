namespace Kotonoha.Rag.Stores;

/// <summary>How an <see cref="EmbeddedStore"/> is opened.</summary>
public sealed record EmbeddedStoreOptions
{
    /// <summary>How long a write waits for another process that is writing, in seconds.</summary>
    public int BusyTimeoutSeconds { get; init; } = 30;

    /// <summary>Whether a missing file is created; otherwise opening it is an error.</summary>
    public bool CreateIfMissing { get; init; } = true;
}
