using Kotonoha.Foundation.Unicode;
using Kotonoha.LocalModel.Tokenizers.Patterns;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Patterns like <c>\p{N}{1,3}</c> or <c>\s?[A-Za-z]+</c> by hand: runs of one set, each with one character of another before it.</summary>
/// <param name="Lead">What may stand before a run; null for nothing.</param>
/// <param name="Members">What a run is made of.</param>
/// <param name="Max">How many code points a run has at most.</param>
internal readonly record struct SetRunCutter(CodePointSet? Lead, CodePointSet Members, int Max) : IPieceCutter
{
    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start;
        if (start >= text.Length)
            return false;
        end = RunEnd(text, start);
        if (end > start)
            return true;

        // What lies between runs is one piece, up to where the next run starts.
        do
            _ = CodePoints.Next(text, ref end);
        while (end < text.Length && !StartsRun(text, end));
        return true;
    }

    private bool StartsRun(ReadOnlySpan<char> text, int at)
    {
        int codePoint = CodePoints.Next(text, ref at);
        return Members.Contains(codePoint) || (Lead is not null && Lead.Contains(codePoint) && at < text.Length && Members.Contains(CodePoints.Next(text, ref at)));
    }

    private int RunEnd(ReadOnlySpan<char> text, int start)
    {
        int at = start, next = start;
        int first = CodePoints.Next(text, ref next);
        if (Lead is not null && Lead.Contains(first) && next < text.Length)
        {
            int second = next;
            if (Members.Contains(CodePoints.Next(text, ref second)))
                at = next;
        }

        int count = 0;
        for (next = at; count < Max && next < text.Length && Members.Contains(CodePoints.Next(text, ref next)); count++)
            at = next;
        return count == 0 ? start : at;
    }
}
