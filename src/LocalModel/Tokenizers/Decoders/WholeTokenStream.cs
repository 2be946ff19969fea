namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>A step that can only work on whole tokens: collects parts.</summary>
internal abstract class WholeTokenStream(IDecoderStream next) : IDecoderStream
{
    private char[] held = [];
    private int heldCount;

    protected IDecoderStream Next { get; } = next;

    /// <summary>How many tokens came before.</summary>
    protected int Index { get; private set; }

    /// <inheritdoc/>
    public void Push(ReadOnlySpan<char> text, bool endsToken)
    {
        if (endsToken && heldCount == 0)
        {
            Token(text);
            Index++;
            return;
        }

        if (held.Length < heldCount + text.Length)
            Array.Resize(ref held, Math.Max(2 * held.Length, heldCount + text.Length));
        text.CopyTo(held.AsSpan(heldCount));
        heldCount += text.Length;
        if (!endsToken)
            return;
        Token(held.AsSpan(0, heldCount));
        heldCount = 0;
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
