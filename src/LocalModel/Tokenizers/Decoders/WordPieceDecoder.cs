using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Joins word pieces: a blank before every token but those with the prefix.</summary>
/// <param name="Prefix">What stands before a piece inside of a word; it is taken off.</param>
/// <param name="Cleanup">Whether blanks before punctuation and English contractions go.</param>
internal sealed record WordPieceDecoder(string Prefix, bool Cleanup) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new Stream(this, next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "WordPiece"u8);
        writer.WriteString("prefix"u8, Prefix);
        writer.WriteBoolean("cleanup"u8, Cleanup);
        writer.WriteEndObject();
    }

    /// <summary>Takes the blanks out of a token that only tokenization put there.</summary>
    internal static string CleanUp(string token)
        => token.Replace(" .", ".", StringComparison.Ordinal)
            .Replace(" ?", "?", StringComparison.Ordinal)
            .Replace(" !", "!", StringComparison.Ordinal)
            .Replace(" ,", ",", StringComparison.Ordinal)
            .Replace(" ' ", "'", StringComparison.Ordinal)
            .Replace(" n't", "n't", StringComparison.Ordinal)
            .Replace(" 'm", "'m", StringComparison.Ordinal)
            .Replace(" do not", " don't", StringComparison.Ordinal)
            .Replace(" 's", "'s", StringComparison.Ordinal)
            .Replace(" 've", "'ve", StringComparison.Ordinal)
            .Replace(" 're", "'re", StringComparison.Ordinal);

    private sealed class Stream(WordPieceDecoder decoder, IDecoderStream next) : WholeTokenStream(next)
    {
        protected override void Token(ReadOnlySpan<char> token)
        {
            var text = Index == 0 ? token.ToString()
                : token.StartsWith(decoder.Prefix, StringComparison.Ordinal) ? token[decoder.Prefix.Length..].ToString()
                : $" {token}";
            Next.Push(decoder.Cleanup ? CleanUp(text) : text, endsToken: true);
        }
    }
}
