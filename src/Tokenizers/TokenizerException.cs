using Kotonoha.Foundation;

namespace Kotonoha.Tokenizers;

/// <summary>A tokenizer file that is malformed or names a component that is not supported, or a text source that cannot be read.</summary>
public sealed class TokenizerException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What failed, on what input, and what to do next.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public TokenizerException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    internal TokenizerException(string message, string? unsupportedComponent, Exception? innerException)
        : base(message, innerException)
        => UnsupportedComponent = unsupportedComponent;

    /// <summary>The component of tokenizer.json that is not supported (for example <c>normalizer Precompiled</c>), or null.</summary>
    public string? UnsupportedComponent { get; }

    internal static TokenizerException Unsupported(string component)
        => new($"{component} is not supported. Use a tokenizer without it.", component, null);
}
