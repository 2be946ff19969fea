namespace Kotonoha.Foundation.Text;

/// <summary>
/// How much text a model reads at once. A view of a model (<c>IEmbeddingGenerator</c>, <c>IChatClient</c>) may return one from its
/// <c>GetService</c>, so that code that cuts text for it need not guess.
/// </summary>
/// <remarks>Implementations are thread-safe.</remarks>
public interface ITokenLimit
{
    /// <summary>The tokens of the longest text, special tokens included.</summary>
    int MaxTokens { get; }

    /// <summary>Counts the tokens of a text, including those that the model puts around every text.</summary>
    /// <param name="text">The text.</param>
    int CountTokens(string text);
}

/// <summary>A limit from a number and a way of counting.</summary>
/// <param name="maxTokens">The tokens of the longest text, special tokens included.</param>
/// <param name="countTokens">Counts the tokens of a text, special tokens included; thread-safe.</param>
public sealed class TokenLimit(int maxTokens, Func<string, int> countTokens) : ITokenLimit
{
    /// <inheritdoc/>
    public int MaxTokens => maxTokens;

    /// <inheritdoc/>
    public int CountTokens(string text) => countTokens(text);
}
