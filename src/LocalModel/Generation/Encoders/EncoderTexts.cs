using Kotonoha.LocalModel.Tokenizers;
using Kotonoha.LocalModel.Tokenizers.Normalizers;

namespace Kotonoha.LocalModel.Generation.Encoders;

/// <summary>Turns texts into what an encoder reads, as sentence-transformers does: without the white space around them, with special tokens, cut at a length.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="maximumTokens">The tokens of the longest text, special tokens included.</param>
/// <param name="lowerCase">Whether texts are turned to lower case first.</param>
/// <param name="hasTypes">Whether the model takes the types that the tokenizer gives; XLM-RoBERTa's gives some that its model does not know.</param>
internal sealed class EncoderTexts(Tokenizer tokenizer, int maximumTokens, bool lowerCase, bool hasTypes)
{
    private readonly Tokenizer cutting = tokenizer.WithTruncation(new TruncationOptions { MaxLength = maximumTokens });

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text, prompt included.</param>
    /// <param name="promptTokens">The leading tokens that pooling leaves out.</param>
    /// <param name="truncate">Whether a long text is cut; otherwise it is refused.</param>
    /// <exception cref="ContextOverflowException">The text is too long.</exception>
    public EncoderInput Encode(string text, int promptTokens, bool truncate)
    {
        var prepared = Prepare(text);
        var input = Input(cutting.EncodeWithOffsets(prepared, parseSpecialTokens: true), promptTokens);
        if (input.Truncated && !truncate)
            throw new ContextOverflowException(tokenizer.CountTokens(prepared, parseSpecialTokens: true), maximumTokens, "text");
        return input;
    }

    /// <summary>Encodes a pair; the longer text is cut first.</summary>
    public EncoderInput EncodePair(string first, string second)
        => Input(cutting.EncodePair(Prepare(first), Prepare(second), parseSpecialTokens: true), 0);

    /// <summary>The tokens of a prompt before a text: those of the prompt alone, without the special token after it.</summary>
    public int PromptTokens(string prompt)
    {
        if (prompt.Length == 0)
            return 0;
        var encoded = cutting.EncodeWithOffsets(Prepare(prompt), parseSpecialTokens: true);
        return encoded.Ids.Count > 0 && encoded.SpecialTokensMask[^1] ? encoded.Ids.Count - 1 : encoded.Ids.Count;
    }

    private EncoderInput Input(TokenizedText text, int promptTokens)
    {
        int[] ids = [.. text.Ids];
        if (ids.Length == 0)
            throw new ArgumentException("The text has no tokens, and the tokenizer adds none of its own; give it at least one character.");
        if (ids.Length > maximumTokens)
            throw new ContextOverflowException(ids.Length, maximumTokens, "text");
        return new EncoderInput(ids, hasTypes ? [.. text.TypeIds] : new int[ids.Length], promptTokens, ids.Length == maximumTokens && text.Overflowing.Count > 0);
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
        if (!lowerCase)
            return stripped;
        var buffer = new PieceBuffer();
        buffer.Load(stripped, 0, trackOffsets: false);
        LowercaseNormalizer.Lower(buffer);
        return buffer.Text.ToString();
    }

    private static bool IsBlank(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';
}
