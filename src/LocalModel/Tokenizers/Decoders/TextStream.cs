using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>The end of the way: joins all tokens.</summary>
internal sealed class TextStream(StringBuilder output) : IDecoderStream
{
    /// <inheritdoc/>
    public void Push(ReadOnlySpan<char> text, bool endsToken) => output.Append(text);

    /// <inheritdoc/>
    public void Finish()
    {
    }
}
