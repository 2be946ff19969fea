using Kotonoha.LocalModel.Tokenizers;

namespace Kotonoha.LocalModel.Generation.Encoders;

/// <summary>Turns texts into what an encoder reads, as sentence-transformers does: without the white space around them, with special tokens, cut at a length.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="maximumTokens">The tokens of the longest text, special tokens included.</param>
/// <param name="lowerCase">Whether texts are turned to lower case first.</param>
internal sealed class EncoderTexts(Tokenizer tokenizer, int maximumTokens, bool lowerCase)
{
    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text, prompt included.</param>
    /// <param name="promptTokens">The leading tokens that pooling leaves out.</param>
    /// <param name="truncate">Whether a long text is cut; otherwise it is refused.</param>
    /// <exception cref="ContextOverflowException">The text is too long.</exception>
    public EncoderInput Encode(string text, int promptTokens, bool truncate)
        => Input(tokenizer.EncodeWithOffsets(Prepare(text), parseSpecialTokens: true), promptTokens, truncate);

    /// <summary>Encodes a pair; the longer text is cut first.</summary>
    public EncoderInput EncodePair(string first, string second)
        => Input(tokenizer.EncodePair(Prepare(first), Prepare(second), parseSpecialTokens: true), 0, truncate: true);

    /// <summary>The tokens of a prompt before a text: those of the prompt alone, without the special tokens after it.</summary>
    public int PromptTokens(string prompt)
    {
        if (prompt.Length == 0)
            return 0;
        var encoded = tokenizer.EncodeWithOffsets(Prepare(prompt), parseSpecialTokens: true);
        int count = Math.Min(encoded.Ids.Count, maximumTokens);
        return count > 0 && encoded.SpecialTokensMask[^1] ? count - 1 : count;
    }

    private static EncoderInput Input(TokenizedText text, int promptTokens, bool truncate)
    {
        _ = truncate;
        return new EncoderInput([.. text.Ids], [.. text.TypeIds], promptTokens, false);
    }

    private string Prepare(string text)
    {
        // Python's strip also takes the four separators of ASCII.
        int start = 0, end = text.Length;
        while (start < end && IsBlank(text[start]))
            start++;
        while (end > start && IsBlank(text[end - 1]))
            end--;
        var stripped = text[start..end];
        return lowerCase ? stripped.ToLowerInvariant() : stripped;
    }

    private static bool IsBlank(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';
}
