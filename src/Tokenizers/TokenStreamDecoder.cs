using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Decodes tokens as they are generated: each call returns the characters that are now whole, never half of one. All texts joined equal the
/// decoding of all ids at once. Not thread-safe; one per text.
/// </summary>
public sealed class TokenStreamDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly StringBuilder _output = new();
    private readonly IDecoderStream _stream;

    internal TokenStreamDecoder(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
        _stream = tokenizer.StartDecoding(_output, incremental: true);
    }

    /// <summary>Takes the next token.</summary>
    /// <param name="id">The token's id; an id without a token stands for no text.</param>
    /// <returns>The text that is now certain; often empty in the middle of a character.</returns>
    public string Push(int id)
    {
        if (_tokenizer.TokenForDecoding(id, _skipSpecialTokens) is { } token)
            _stream.Push(token, endsToken: true);
        return Take();
    }

    /// <summary>Ends the text.</summary>
    /// <returns>What is left: U+FFFD for an unfinished character, usually nothing.</returns>
    public string Finish()
    {
        _stream.Finish();
        return Take();
    }

    private string Take()
    {
        if (_output.Length == 0)
            return "";
        var text = _output.ToString();
        _output.Clear();
        return text;
    }
}
