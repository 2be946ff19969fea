using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>What a tokenizer without a decoder does: tokens joined by blanks.</summary>
internal sealed class BlankJoiningStream : IDecoderStream
{
    private bool started;

    /// <inheritdoc/>
    public void Push(string token, StringBuilder output)
    {
        if (started)
            output.Append(' ');
        started = true;
        output.Append(token);
    }

    /// <inheritdoc/>
    public void Finish(StringBuilder output)
    {
    }
}
