using System.Text;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Makes text from runs of byte tokens like <c>&lt;0xE3&gt;</c>. When the text as a whole is decoded, a run that is not valid UTF-8 becomes
/// U+FFFD for every byte. While tokens come one by one, it cannot be known what a run will become: its characters are given as they become
/// whole.
/// </summary>
internal sealed record ByteFallbackDecoder : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new ByteFallbackStream(next, incremental);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "ByteFallback");
}

/// <summary>Joins the bytes of byte tokens into characters.</summary>
/// <param name="next">Receives the tokens.</param>
/// <param name="incremental">Whether characters are handed on before their run of bytes has ended.</param>
internal sealed class ByteFallbackStream(IDecoderStream next, bool incremental) : WholeTokenStream(next)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly List<byte> _run = [];
    private readonly Utf8Stream _utf8 = new();
    private readonly StringBuilder _certain = new();
    private bool _inRun;

    /// <inheritdoc/>
    protected override void Token(ReadOnlySpan<char> token)
    {
        int value = ByteTokens.ValueOf(token);
        if (value < 0)
        {
            End();
            Next.Push(token, endsToken: true);
            return;
        }

        _inRun = true;
        if (incremental)
        {
            _utf8.Push([(byte)value], _certain);
            HandOn();
        }
        else
        {
            _run.Add((byte)value);
        }
    }

    /// <inheritdoc/>
    protected override void End()
    {
        if (!_inRun)
            return;
        _inRun = false;
        if (incremental)
        {
            _utf8.Finish(_certain);
            HandOn();
            Next.Push("", endsToken: true);
            return;
        }

        try
        {
            Next.Push(Strict.GetString([.. _run]), endsToken: true);
        }
        catch (DecoderFallbackException)
        {
            foreach (byte _ in _run)
                Next.Push("\uFFFD", endsToken: true);
        }

        _run.Clear();
    }

    private void HandOn()
    {
        foreach (var part in _certain.GetChunks())
            Next.Push(part.Span, endsToken: false);
        _certain.Clear();
    }
}

/// <summary>
/// Reads tokens in the byte alphabet: the bytes of all tokens joined are read as UTF-8, U+FFFD for each maximal part that is broken. A
/// token with a character outside the alphabet stands for itself.
/// </summary>
/// <param name="AddPrefixSpace">Kept for the file; has no effect.</param>
/// <param name="TrimOffsets">Kept for the file; has no effect.</param>
/// <param name="UseRegex">Kept for the file; has no effect.</param>
internal sealed record ByteLevelDecoder(bool AddPrefixSpace, bool TrimOffsets, bool UseRegex) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental) => new ByteLevelDecoderStream(next);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => ByteLevelPreTokenizer.WriteByteLevel(writer, AddPrefixSpace, TrimOffsets, UseRegex);
}

/// <summary>Joins the bytes of tokens into characters; all of them make one token.</summary>
internal sealed class ByteLevelDecoderStream(IDecoderStream next) : WholeTokenStream(next)
{
    private readonly Utf8Stream _utf8 = new();
    private readonly StringBuilder _certain = new();
    private byte[] _bytes = new byte[64];

    /// <inheritdoc/>
    protected override void Token(ReadOnlySpan<char> token)
    {
        if (_bytes.Length < 3 * token.Length)
            _bytes = new byte[3 * token.Length];
        int count = 0;
        foreach (char c in token)
        {
            int value = ByteAlphabet.ToByte(c);
            if (value < 0)
            {
                count = Encoding.UTF8.GetBytes(token, _bytes);
                break;
            }

            _bytes[count++] = (byte)value;
        }

        _utf8.Push(_bytes.AsSpan(0, count), _certain);
        HandOn();
    }

    /// <inheritdoc/>
    protected override void End()
    {
        _utf8.Finish(_certain);
        HandOn();
        Next.Push("", endsToken: true);
    }

    private void HandOn()
    {
        foreach (var part in _certain.GetChunks())
            Next.Push(part.Span, endsToken: false);
        _certain.Clear();
    }
}
