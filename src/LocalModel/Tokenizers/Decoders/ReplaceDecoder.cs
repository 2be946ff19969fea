using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Normalizers;
using Kotonoha.LocalModel.Tokenizers.Patterns;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Puts a text in the place of every match of a pattern in a token.</summary>
internal sealed record ReplaceDecoder(TextPattern Pattern, string Content) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental)
        => !Pattern.IsRegex && Pattern.Text.Length == 1 ? new CharacterStream(Pattern.Text[0], Content, next) : new Stream(this, next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => ReplaceNormalizer.WriteReplace(writer, Pattern, Content);

    private sealed class Stream(ReplaceDecoder decoder, IDecoderStream next) : WholeTokenStream(next)
    {
        private readonly List<RegexMatch> matches = [];

        protected override void Token(ReadOnlySpan<char> token)
        {
            matches.Clear();
            if (!token.IsEmpty)
                decoder.Pattern.FindAll(token, matches);
            int copied = 0;
            foreach (var match in matches)
            {
                Next.Push(token[copied..match.Start], endsToken: false);
                Next.Push(decoder.Content, endsToken: false);
                copied = match.End;
            }

            Next.Push(token[copied..], endsToken: true);
        }
    }

    /// <summary>One character never reaches across two parts of a token.</summary>
    private sealed class CharacterStream(char character, string content, IDecoderStream next) : IDecoderStream
    {
        public void Push(ReadOnlySpan<char> text, bool endsToken)
        {
            while (text.IndexOf(character) is int at and >= 0)
            {
                next.Push(text[..at], endsToken: false);
                next.Push(content, endsToken: false);
                text = text[(at + 1)..];
            }

            next.Push(text, endsToken);
        }

        public void Finish() => next.Finish();
    }
}
