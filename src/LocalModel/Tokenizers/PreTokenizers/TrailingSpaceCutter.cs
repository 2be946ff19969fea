namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary><c>\s+$</c> by hand, where <c>$</c> holds before every line feed: the white space at the end of a line.</summary>
internal readonly struct TrailingSpaceCutter : IPieceCutter
{
    public const string Pattern = @"\s+$";

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start;
        if (start >= text.Length)
            return false;
        end = MatchEnd(text, start);
        if (end > start)
            return true;
        for (int at = CodePointClasses.SpaceEnd(text, start); ;)
        {
            while (at < text.Length && !CodePointClasses.IsSpace(CodePointClasses.At(text, at, out int width)))
                at += width;
            end = at;
            if (at == text.Length || MatchEnd(text, at) > at)
                return true;
            at = CodePointClasses.SpaceEnd(text, at);
        }
    }

    /// <summary>The end of the match that starts at an index, or the index.</summary>
    private static int MatchEnd(ReadOnlySpan<char> text, int start)
    {
        int end = CodePointClasses.SpaceEnd(text, start);
        if (end == start || end == text.Length)
            return end;
        int lineEnd = text[(start + 1)..end].LastIndexOf('\n');
        return lineEnd < 0 ? start : start + 1 + lineEnd;
    }
}
