using System.Text;
using Kotonoha.LocalModel.Tokenizers.Models;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Joins the bytes of byte tokens into characters.</summary>
/// <param name="next">Gets the tokens.</param>
/// <param name="incremental">Whether characters are handed on before their run of bytes has ended.</param>
internal sealed class ByteFallbackStream(IDecoderStream next, bool incremental) : WholeTokenStream(next)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly List<byte> run = [];
    private readonly Utf8Stream utf8 = new();
    private readonly StringBuilder certain = new();
    private bool inRun;

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

        inRun = true;
        if (incremental)
        {
            utf8.Push([(byte)value], certain);
            HandOn();
        }
        else
        {
            run.Add((byte)value);
        }
    }

    /// <inheritdoc/>
    protected override void End()
    {
        if (!inRun)
            return;
        inRun = false;
        if (incremental)
        {
            utf8.Finish(certain);
            HandOn();
            Next.Push("", endsToken: true);
            return;
        }

        try
        {
            Next.Push(Strict.GetString([.. run]), endsToken: true);
        }
        catch (DecoderFallbackException)
        {
            foreach (byte _ in run)
                Next.Push("\uFFFD", endsToken: true);
        }

        run.Clear();
    }

    private void HandOn()
    {
        foreach (var part in certain.GetChunks())
            Next.Push(part.Span, endsToken: false);
        certain.Clear();
    }
}
