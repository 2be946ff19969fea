using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Makes blanks of the character that stood for them; in the first token it goes when a text was given one at its start.</summary>
/// <param name="Replacement">The character that stands for a blank.</param>
/// <param name="Scheme">Where it was put although there was no blank.</param>
/// <param name="Split">Kept for the file; has no effect.</param>
internal sealed record MetaspaceDecoder(char Replacement, PrependScheme Scheme, bool Split) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new Stream(this, next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => MetaspacePreTokenizer.WriteMetaspace(writer, Replacement, Scheme, Split);

    private sealed class Stream(MetaspaceDecoder decoder, IDecoderStream next) : IDecoderStream
    {
        private bool first = true;

        public void Push(ReadOnlySpan<char> text, bool endsToken)
        {
            while (text.IndexOf(decoder.Replacement) is int at and >= 0)
            {
                next.Push(text[..at], endsToken: false);
                if (!first || decoder.Scheme == PrependScheme.Never)
                    next.Push(" ", endsToken: false);
                text = text[(at + 1)..];
            }

            next.Push(text, endsToken);
            first &= !endsToken;
        }

        public void Finish() => next.Finish();
    }
}
