using Kotonoha.Foundation.Gguf;

namespace Kotonoha.Tokenizers;

/// <content>Reading tokenizers of other kinds than tokenizer.json.</content>
public sealed partial class Tokenizer
{
    /// <summary>Makes a tokenizer from the vocabulary in a GGUF file (<c>tokenizer.ggml.*</c>).</summary>
    /// <param name="metadata">The metadata of the file.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="TokenizerException">The file has no vocabulary, a broken one, or one of a kind that is not known.</exception>
    public static Tokenizer FromGguf(GgufMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return new Tokenizer(GgufTokenizer.Read(metadata));
    }

    /// <summary>Reads the content of a SentencePiece <c>.model</c> file.</summary>
    /// <param name="content">The content.</param>
    /// <param name="addBeginToken">Whether every text gets the begin token, as Llama's models want it.</param>
    /// <param name="addEndToken">Whether every text gets the end token, as T5's models want it.</param>
    /// <param name="source">The name that errors give it.</param>
    /// <returns>The tokenizer; written as tokenizer.json it becomes what transformers makes of such a model.</returns>
    /// <exception cref="TokenizerException">The content is malformed, or lacks a token that is to be added.</exception>
    public static Tokenizer ParseSentencePiece(
        ReadOnlySpan<byte> content, bool addBeginToken = false, bool addEndToken = false, string source = "tokenizer.model")
    {
        try
        {
            return new Tokenizer(SentencePieceTokenizer.Build(SentencePieceFile.Read(content), addBeginToken, addEndToken));
        }
        catch (TokenizerException exception)
        {
            throw new TokenizerException($"{source}: {exception.Message}", exception.UnsupportedComponent, exception);
        }
    }

    /// <summary>Reads the content of a tiktoken rank file.</summary>
    /// <param name="content">Lines of base64, a blank and a rank.</param>
    /// <param name="encoding">The pattern and the control tokens that belong to the ranks.</param>
    /// <param name="source">The name that errors give the content.</param>
    /// <returns>The tokenizer; control tokens in a text are recognised on request, as by <c>encode(allowed_special="all")</c>.</returns>
    /// <exception cref="TokenizerException">The content is malformed, or the pattern cannot be run.</exception>
    public static Tokenizer ParseTiktoken(ReadOnlySpan<byte> content, TiktokenEncoding encoding, string source = "ranks.tiktoken")
    {
        ArgumentNullException.ThrowIfNull(encoding);
        try
        {
            return new Tokenizer(TiktokenFile.Read(content, encoding));
        }
        catch (TokenizerException exception)
        {
            throw new TokenizerException($"{source}: {exception.Message}", exception.UnsupportedComponent, exception);
        }
    }
}
