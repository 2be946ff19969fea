using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Joins the bytes of tokens into characters.</summary>
internal sealed class ByteLevelDecoderStream : IDecoderStream
{
    private readonly Utf8Stream utf8 = new();
    private byte[] bytes = new byte[64];

    /// <inheritdoc/>
    public void Push(string token, StringBuilder output)
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

        utf8.Push(bytes.AsSpan(0, count), output);
    }

    /// <inheritdoc/>
    public void Finish(StringBuilder output) => utf8.Finish(output);
}
