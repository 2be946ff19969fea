using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Joins the output of connectionist temporal classification: equal neighbours are one token, padding goes.</summary>
/// <param name="PadToken">The padding.</param>
/// <param name="WordDelimiterToken">What stands for a blank.</param>
/// <param name="Cleanup">Whether delimiters become blanks, and blanks before punctuation and English contractions go.</param>
internal sealed record CtcDecoder(string PadToken, string WordDelimiterToken, bool Cleanup) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new Stream(this, next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "CTC"u8);
        writer.WriteString("pad_token"u8, PadToken);
        writer.WriteString("word_delimiter_token"u8, WordDelimiterToken);
        writer.WriteBoolean("cleanup"u8, Cleanup);
        writer.WriteEndObject();
    }

    private sealed class Stream(CtcDecoder decoder, IDecoderStream next) : WholeTokenStream(next)
    {
        private string? last;

        protected override void Token(ReadOnlySpan<char> token)
        {
            if (last is not null && token.SequenceEqual(last))
                return;
            last = token.ToString();
            var text = Without(last, decoder.PadToken, "");
            if (decoder.Cleanup)
                text = Without(WordPieceDecoder.CleanUp(text), decoder.WordDelimiterToken, " ");
            if (text.Length > 0)
                Next.Push(text, endsToken: true);
        }

        private static string Without(string text, string part, string replacement)
            => part.Length == 0 ? text : text.Replace(part, replacement, StringComparison.Ordinal);
    }
}
