using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>Turns tokens back into text, or into other tokens for the decoder after it.</summary>
internal interface ITokenDecoder
{
    /// <summary>Starts decoding one text; a whole text is decoded through the same stream.</summary>
    /// <param name="next">Receives the tokens.</param>
    /// <param name="incremental">Whether the text is wanted while its tokens come; otherwise all of them come before anyone looks.</param>
    IDecoderStream Start(IDecoderStream next, bool incremental);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}

/// <summary>One step of a text on its way from tokens to characters. It hands what is certain to the step after it.</summary>
internal interface IDecoderStream
{
    /// <summary>Takes a token, or a part of one.</summary>
    /// <param name="text">The characters.</param>
    /// <param name="endsToken">Whether the token ends here.</param>
    void Push(ReadOnlySpan<char> text, bool endsToken);

    /// <summary>Hands on what is left, and ends the step after it.</summary>
    void Finish();
}

/// <summary>The end of the chain: joins all tokens.</summary>
internal sealed class TextStream(StringBuilder output) : IDecoderStream
{
    /// <inheritdoc/>
    public void Push(ReadOnlySpan<char> text, bool endsToken) => output.Append(text);

    /// <inheritdoc/>
    public void Finish()
    {
    }
}

/// <summary>A step that can only work on whole tokens: collects parts.</summary>
internal abstract class WholeTokenStream(IDecoderStream next) : IDecoderStream
{
    private char[] _held = [];
    private int _heldCount;

    protected IDecoderStream Next { get; } = next;

    /// <summary>How many tokens came before.</summary>
    protected int Index { get; private set; }

    /// <inheritdoc/>
    public void Push(ReadOnlySpan<char> text, bool endsToken)
    {
        if (endsToken && _heldCount == 0)
        {
            Token(text);
            Index++;
            return;
        }

        if (_held.Length < _heldCount + text.Length)
            Array.Resize(ref _held, Math.Max(2 * _held.Length, _heldCount + text.Length));
        text.CopyTo(_held.AsSpan(_heldCount));
        _heldCount += text.Length;
        if (!endsToken)
            return;
        Token(_held.AsSpan(0, _heldCount));
        _heldCount = 0;
        Index++;
    }

    /// <inheritdoc/>
    public void Finish()
    {
        End();
        Next.Finish();
    }

    /// <summary>Takes the next token.</summary>
    protected abstract void Token(ReadOnlySpan<char> token);

    /// <summary>Hands on what is left.</summary>
    protected virtual void End()
    {
    }
}

/// <summary>What a tokenizer without a decoder does: tokens joined by blanks.</summary>
internal sealed class BlankJoiningStream(IDecoderStream next) : WholeTokenStream(next)
{
    /// <inheritdoc/>
    protected override void Token(ReadOnlySpan<char> token)
    {
        if (Index > 0)
            Next.Push(" ", endsToken: false);
        Next.Push(token, endsToken: true);
    }
}

/// <summary>
/// Reads UTF-8 that comes in parts: whole characters only, U+FFFD for each maximal part that is certainly broken (Unicode 15, section 3.9).
/// </summary>
internal sealed class Utf8Stream
{
    private readonly byte[] _held = new byte[4];
    private int _heldCount;

    /// <summary>Takes the next bytes and appends the characters that are now certain.</summary>
    public void Push(ReadOnlySpan<byte> bytes, StringBuilder output)
    {
        // At most three bytes are held: finish their character one byte at a time.
        while (_heldCount > 0 && bytes.Length > 0)
        {
            _held[_heldCount++] = bytes[0];
            bytes = bytes[1..];
            int used = Decode(_held.AsSpan(0, _heldCount), output);
            _held.AsSpan(used, _heldCount - used).CopyTo(_held);
            _heldCount -= used;
        }

        int consumed = Decode(bytes, output);
        bytes[consumed..].CopyTo(_held.AsSpan(_heldCount));
        _heldCount += bytes.Length - consumed;
    }

    /// <summary>Appends U+FFFD for what is left unfinished.</summary>
    public void Finish(StringBuilder output)
    {
        var rest = _held.AsSpan(0, _heldCount);
        while (rest.Length > 0)
        {
            _ = Rune.DecodeFromUtf8(rest, out _, out int used);
            output.Append('\uFFFD');
            rest = rest[used..];
        }

        _heldCount = 0;
    }

    /// <summary>Appends what is certain and returns how many bytes that took.</summary>
    private static int Decode(ReadOnlySpan<byte> bytes, StringBuilder output)
    {
        Span<char> units = stackalloc char[2];
        int at = 0;
        while (at < bytes.Length)
        {
            byte first = bytes[at];
            if (first < 0x80)
            {
                output.Append((char)first);
                at++;
                continue;
            }

            var rest = bytes[at..];

            // The three bytes of an encoded surrogate are answered together, when the third is there.
            if (rest.Length == 2 && rest[0] == 0xED && rest[1] is >= 0xA0 and <= 0xBF)
                break;
            var status = Rune.DecodeFromUtf8(rest, out var rune, out int used);
            if (status == OperationStatus.NeedMoreData)
                break;
            output.Append(units[..rune.EncodeToUtf16(units)]);
            at += used;
        }

        return at;
    }
}

/// <summary>Several decoders, one after the other.</summary>
internal sealed record SequenceDecoder(ITokenDecoder[] Parts) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental)
    {
        for (int i = Parts.Length - 1; i >= 0; i--)
            next = Parts[i].Start(next, incremental);
        return next;
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Sequence"u8);
        writer.WriteStartArray("decoders"u8);
        foreach (var part in Parts)
            part.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}

/// <summary>Makes one token of all, for the decoders after it.</summary>
internal sealed record FuseDecoder : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new Stream(next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "Fuse");

    private sealed class Stream(IDecoderStream next) : IDecoderStream
    {
        public void Push(ReadOnlySpan<char> text, bool endsToken) => next.Push(text, endsToken: false);

        public void Finish()
        {
            next.Push("", endsToken: true);
            next.Finish();
        }
    }
}

/// <summary>Replaces every match of a pattern in a token by a text.</summary>
internal sealed record ReplaceDecoder(TextPattern Pattern, string Content) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental)
        => !Pattern.IsRegex && Pattern.Text.Length == 1 ? new CharacterStream(Pattern.Text[0], Content, next) : new Stream(this, next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => ReplaceNormalizer.WriteReplace(writer, Pattern, Content);

    private sealed class Stream(ReplaceDecoder decoder, IDecoderStream next) : WholeTokenStream(next)
    {
        private readonly List<RegexMatch> _matches = [];

        protected override void Token(ReadOnlySpan<char> token)
        {
            _matches.Clear();
            if (!token.IsEmpty)
                decoder.Pattern.FindAll(token, _matches);
            int copied = 0;
            foreach (var match in _matches)
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
        private int _stripped;
        private bool _atStart = true;

        // Characters that are dropped if the token ends after them.
        private int _held;

        public void Push(ReadOnlySpan<char> text, bool endsToken)
        {
            var content = decoder.Content;
            while (_atStart && _stripped < decoder.Left && text.StartsWith(content, StringComparison.Ordinal))
            {
                text = text[content.Length..];
                _stripped++;
            }

            _atStart &= text.IsEmpty;
            int trailing = 0;
            while (trailing < text.Length / content.Length
                && text[..^(trailing * content.Length)].EndsWith(content, StringComparison.Ordinal))
                trailing++;
            if (trailing * content.Length < text.Length)
            {
                Release(_held);
                _held = 0;
                next.Push(text[..^(trailing * content.Length)], endsToken: false);
            }

            _held += trailing;
            if (!endsToken)
            {
                int certain = Math.Max(0, _held - decoder.Right);
                Release(certain);
                _held -= certain;
                return;
            }

            Release(Math.Max(0, _held - decoder.Right));
            next.Push("", endsToken: true);
            (_stripped, _atStart, _held) = (0, true, 0);
        }

        public void Finish() => next.Finish();

        private void Release(int count)
        {
            for (; count > 0; count--)
                next.Push(decoder.Content, endsToken: false);
        }
    }
}

/// <summary>Turns the suffix that ends words into blanks; in the last token it is dropped.</summary>
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
        // What comes from the first suffix of a token onwards waits until it is known whether the token is the last.
        private string? _held;

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
            _held = token[at..].ToString();
        }

        protected override void End() => Release("");

        private void Release(string replacement)
        {
            if (_held is not null)
                Next.Push(_held.Replace(suffix, replacement, StringComparison.Ordinal), endsToken: true);
            _held = null;
        }
    }
}

/// <summary>Joins word pieces: a blank before every token but those with the prefix.</summary>
/// <param name="Prefix">What stands before a piece inside of a word; it is taken off.</param>
/// <param name="Cleanup">Whether blanks before punctuation and English contractions are dropped.</param>
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

    /// <summary>Removes the blanks that only tokenization put into a token.</summary>
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

/// <summary>
/// Turns the character that stands for blanks back into blanks; in the first token it is dropped when a text was given one at its start.
/// </summary>
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
        private bool _first = true;

        public void Push(ReadOnlySpan<char> text, bool endsToken)
        {
            while (text.IndexOf(decoder.Replacement) is int at and >= 0)
            {
                next.Push(text[..at], endsToken: false);
                if (!_first || decoder.Scheme == PrependScheme.Never)
                    next.Push(" ", endsToken: false);
                text = text[(at + 1)..];
            }

            next.Push(text, endsToken);
            _first &= !endsToken;
        }

        public void Finish() => next.Finish();
    }
}

/// <summary>Joins the output of connectionist temporal classification: equal neighbours are one token, padding is dropped.</summary>
/// <param name="PadToken">The padding.</param>
/// <param name="WordDelimiterToken">What stands for a blank.</param>
/// <param name="Cleanup">Whether delimiters become blanks, and blanks before punctuation and English contractions are dropped.</param>
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
        private string? _last;

        protected override void Token(ReadOnlySpan<char> token)
        {
            if (_last is not null && token.SequenceEqual(_last))
                return;
            _last = token.ToString();
            var text = Without(_last, decoder.PadToken, "");
            if (decoder.Cleanup)
                text = Without(WordPieceDecoder.CleanUp(text), decoder.WordDelimiterToken, " ");
            if (text.Length > 0)
                Next.Push(text, endsToken: true);
        }

        private static string Without(string text, string part, string replacement)
            => part.Length == 0 ? text : text.Replace(part, replacement, StringComparison.Ordinal);
    }
}
