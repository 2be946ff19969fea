using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Takes a character off the ends of every token.</summary>
/// <param name="Content">The character.</param>
/// <param name="Left">How often at most at the start.</param>
/// <param name="Right">How often at most at the end.</param>
internal sealed record StripDecoder(string Content, int Left, int Right) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new Stream(this, next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Strip"u8);
        writer.WriteString("content"u8, Content);
        writer.WriteNumber("start"u8, Left);
        writer.WriteNumber("stop"u8, Right);
        writer.WriteEndObject();
    }

    private sealed class Stream(StripDecoder decoder, IDecoderStream next) : IDecoderStream
    {
        private int stripped;
        private bool atStart = true;

        // Characters that go if the token ends behind them.
        private int held;

        public void Push(ReadOnlySpan<char> text, bool endsToken)
        {
            var content = decoder.Content;
            while (atStart && stripped < decoder.Left && text.StartsWith(content, StringComparison.Ordinal))
            {
                text = text[content.Length..];
                stripped++;
            }

            atStart &= text.IsEmpty;
            int trailing = 0;
            while (trailing < text.Length / content.Length && text[..^(trailing * content.Length)].EndsWith(content, StringComparison.Ordinal))
                trailing++;
            if (trailing * content.Length < text.Length)
            {
                Release(held);
                held = 0;
                next.Push(text[..^(trailing * content.Length)], endsToken: false);
            }

            held += trailing;
            if (!endsToken)
            {
                int certain = Math.Max(0, held - decoder.Right);
                Release(certain);
                held -= certain;
                return;
            }

            Release(Math.Max(0, held - decoder.Right));
            next.Push("", endsToken: true);
            (stripped, atStart, held) = (0, true, 0);
        }

        public void Finish() => next.Finish();

        private void Release(int count)
        {
            for (; count > 0; count--)
                next.Push(decoder.Content, endsToken: false);
        }
    }
}
