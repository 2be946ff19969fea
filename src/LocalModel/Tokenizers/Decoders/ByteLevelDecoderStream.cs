using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Joins the bytes of tokens into characters; all of them make one token.</summary>
internal sealed class ByteLevelDecoderStream(IDecoderStream next) : WholeTokenStream(next)
{
    private readonly Utf8Stream utf8 = new();
    private readonly StringBuilder certain = new();
    private byte[] bytes = new byte[64];

    /// <inheritdoc/>
    protected override void Token(ReadOnlySpan<char> token)
    {
        if (bytes.Length < 3 * token.Length)
            bytes = new byte[3 * token.Length];
        int count = 0;
        foreach (char c in token)
        {
            int value = ByteAlphabet.ToByte(c);
            if (value < 0)
            {
                count = Encoding.UTF8.GetBytes(token, bytes);
                break;
            }

            bytes[count++] = (byte)value;
        }

        utf8.Push(bytes.AsSpan(0, count), certain);
        HandOn();
    }

    /// <inheritdoc/>
    protected override void End()
    {
        utf8.Finish(certain);
        HandOn();
        Next.Push("", endsToken: true);
    }

    private void HandOn()
    {
        foreach (var part in certain.GetChunks())
            Next.Push(part.Span, endsToken: false);
        certain.Clear();
    }
}
