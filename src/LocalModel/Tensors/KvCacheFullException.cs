using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Tensors;

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
