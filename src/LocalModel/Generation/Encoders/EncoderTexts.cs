using Kotonoha.Foundation;
using Kotonoha.LocalModel.Models;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// Turns texts into what an encoder reads, as sentence-transformers does: without the white space around them, with special tokens, cut at
/// a length.
/// </summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="maximumTokens">The tokens of the longest text, special tokens included.</param>
/// <param name="lowerCase">Whether texts are turned to lower case first.</param>
/// <param name="model">The model, which says what ids and types it knows.</param>
/// <param name="source">The checkpoint's folder or file, for messages.</param>
internal sealed class EncoderTexts(Tokenizer tokenizer, int maximumTokens, bool lowerCase, EncoderModel model, string source)
{
    private const string Probe = "a";
    private readonly Tokenizer _cutting = tokenizer.WithTruncation(new TruncationOptions { MaxLength = maximumTokens });

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text, prompt included.</param>
    /// <param name="promptTokens">The leading tokens that pooling leaves out.</param>
    /// <param name="truncate">Whether a long text is cut; otherwise it is refused.</param>
    /// <exception cref="ContextOverflowException">The text is too long.</exception>
    public EncoderInput Encode(string text, int promptTokens, bool truncate)
    {
        var input = Input(_cutting.EncodeWithOffsets(Prepare(text), parseSpecialTokens: true), promptTokens);
        if (input.Truncated && !truncate)
            throw new ContextOverflowException(CountTokens(text), maximumTokens, "text");
        return input;
    }

    /// <summary>Encodes a text with the white space around it, so that offsets are of the text as it is; a long one is cut.</summary>
    public EncoderInput EncodeAsItIs(string text, out TokenizedText tokens)
    {
        tokens = _cutting.EncodeWithOffsets(text);
        return Input(tokens, 0);
    }

    /// <summary>The tokens of a text, prompt included, before it is cut.</summary>
    public int CountTokens(string text) => tokenizer.CountTokens(Prepare(text), parseSpecialTokens: true);

    /// <summary>Encodes a pair; the longer text is cut first.</summary>
    public EncoderInput EncodePair(string first, string second)
        => Input(_cutting.EncodePair(Prepare(first), Prepare(second), parseSpecialTokens: true), 0);

    /// <summary>The tokens of a prompt before a text: those of the prompt alone, without the special token after it.</summary>
    public int PromptTokens(string prompt)
    {
        if (prompt.Length == 0)
            return 0;
        var encoded = _cutting.EncodeWithOffsets(Prepare(prompt), parseSpecialTokens: true);
        return encoded.Ids.Count > 0 && encoded.SpecialTokensMask[^1] ? encoded.Ids.Count - 1 : encoded.Ids.Count;
    }

    /// <summary>
    /// Checks that the model knows the ids and types of the special tokens and texts that the tokenizer's post-processor puts together.
    /// </summary>
    /// <param name="pairs">Whether pairs are encoded too.</param>
    /// <exception cref="CheckpointException">It does not.</exception>
    public void RequireFitting(bool pairs)
    {
        RequireKnown(tokenizer.EncodeWithOffsets(Probe));
        if (pairs)
            RequireKnown(tokenizer.EncodePair(Probe, Probe));
    }

    // One text with an id of no row would end all texts of its batch.
    private void RequireKnown(TokenizedText text)
    {
        foreach (int id in text.Ids)
            if (id < 0 || id >= model.VocabularySize)
                throw new CheckpointException(source,
                    $"the tokenizer gives the id {id}, but the model knows {model.VocabularySize} tokens; they do not belong together.");
        if (model.TextTypes == 1)
            return;
        foreach (int type in text.TypeIds)
            if (type < 0 || type >= model.TextTypes)
                throw new CheckpointException(source, $"the tokenizer gives tokens the type {type}, but the model knows "
                    + $"{model.TextTypes} types; they do not belong together.");
    }

    private EncoderInput Input(TokenizedText text, int promptTokens)
    {
        RequireKnown(text);
        int[] ids = [.. text.Ids];
        if (ids.Length == 0)
            throw new ArgumentException("The text has no tokens, and the tokenizer adds none of its own; give it at least one character.");
        if (ids.Length > maximumTokens)
            throw new ContextOverflowException(ids.Length, maximumTokens, "text");

        // XLM-RoBERTa's tokenizer gives types that its model does not know.
        return new EncoderInput(ids, model.TextTypes > 1 ? [.. text.TypeIds] : new int[ids.Length], promptTokens,
            ids.Length == maximumTokens && text.Overflowing.Count > 0);
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
