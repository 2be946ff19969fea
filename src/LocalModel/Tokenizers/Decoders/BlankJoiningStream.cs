namespace Kotonoha.LocalModel.Tokenizers.Decoders;

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
