namespace Kotonoha.Foundation.Text;

/// <summary>
/// How much text a model takes at once. A view of a model (<c>IEmbeddingGenerator</c>, <c>IChatClient</c>) may give one from its <c>GetService</c>, so that whoever
/// cuts text for it need not guess.
/// </summary>
/// <remarks>Implementations are thread-safe.</remarks>
public interface ITokenLimit
{
    /// <summary>The tokens of the longest text, special tokens included.</summary>
    int MaxTokens { get; }

    /// <summary>Counts the tokens of a text, those included that the model puts around every text.</summary>
    /// <param name="text">The text.</param>
    int CountTokens(string text);
}
