using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Makes blanks of the suffix that ends words; in the last token it goes.</summary>
internal sealed record BpeDecoder(string Suffix) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new Stream(Suffix, next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "BPEDecoder"u8);
        writer.WriteString("suffix"u8, Suffix);
        writer.WriteEndObject();
    }

    private sealed class Stream(string suffix, IDecoderStream next) : WholeTokenStream(next)
    {
        // What comes from the first suffix of a token on waits until it is known whether the token is the last.
        private string? held;

        protected override void Token(ReadOnlySpan<char> token)
        {
            Release(" ");
            int at = suffix.Length == 0 ? -1 : token.IndexOf(suffix, StringComparison.Ordinal);
            if (at < 0)
            {
                Next.Push(token, endsToken: true);
                return;
            }

            Next.Push(token[..at], endsToken: false);
            held = token[at..].ToString();
        }

        protected override void End() => Release("");

        private void Release(string replacement)
        {
            if (held is not null)
                Next.Push(held.Replace(suffix, replacement, StringComparison.Ordinal), endsToken: true);
            held = null;
        }
    }
}
