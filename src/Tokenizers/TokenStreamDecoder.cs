using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Decodes tokens as they are generated: each call gives the characters that are now whole, never half of one. All texts joined equal the
/// decoding of all ids at once. Not thread-safe; one per text.
/// </summary>
public sealed class TokenStreamDecoder
{
    private readonly Tokenizer tokenizer;
    private readonly bool skipSpecialTokens;
    private readonly StringBuilder output = new();
    private readonly IDecoderStream stream;

    internal TokenStreamDecoder(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        this.tokenizer = tokenizer;
        this.skipSpecialTokens = skipSpecialTokens;
        stream = tokenizer.StartDecoding(output, incremental: true);
    }

    /// <summary>Takes the next token.</summary>
    /// <param name="id">The token's id; an id without a token stands for no text.</param>
    /// <returns>The text that is now certain; often empty in the middle of a character.</returns>
    public string Push(int id)
    {
        if (tokenizer.TokenForDecoding(id, skipSpecialTokens) is { } token)
            stream.Push(token, endsToken: true);
        return Take();
    }

    /// <summary>Ends the text.</summary>
    /// <returns>What is left: U+FFFD for an unfinished character, usually nothing.</returns>
    public string Finish()
    {
        stream.Finish();
        return Take();
    }

    private string Take()
    {
        if (output.Length == 0)
            return "";
        var text = output.ToString();
        output.Clear();
        return text;
    }
}
