namespace Kotonoha.Foundation.Unicode;

/// <summary>Extended grapheme clusters: what a reader takes for one character (Unicode Standard Annex 29 of the tables' version).</summary>
public static class GraphemeClusters
{
    /// <summary>Finds the end of the cluster that starts at an index.</summary>
    /// <param name="text">The text.</param>
    /// <param name="start">Where a cluster starts.</param>
    /// <returns>Where the next one starts, or the end of the text.</returns>
    public static int Next(ReadOnlySpan<char> text, int start)
    {
        int at = start;
        if (at >= text.Length)
            return text.Length;
        var left = UnicodeData.GetGraphemeBreakClass(CodePoints.Next(text, ref at));
        bool pictograph = left == GraphemeBreakClass.Pictographic;
        bool joinedPictograph = false, oddFlags = left == GraphemeBreakClass.RegionalIndicator;
        while (at < text.Length)
        {
            int next = at;
            var right = UnicodeData.GetGraphemeBreakClass(CodePoints.Next(text, ref next));
            if (Breaks(left, right, joinedPictograph, oddFlags))
                break;

            // A pictograph, any number of Extend and then a joiner joins another pictograph.
            joinedPictograph = pictograph && right == GraphemeBreakClass.ZeroWidthJoiner;
            pictograph = right == GraphemeBreakClass.Pictographic || (pictograph && right == GraphemeBreakClass.Extend);
            oddFlags = right == GraphemeBreakClass.RegionalIndicator && !oddFlags;
            left = right;
            at = next;
        }

        return at;
    }

    private static bool Breaks(GraphemeBreakClass left, GraphemeBreakClass right, bool joinedPictograph, bool oddFlags)
    {
        if (left == GraphemeBreakClass.CarriageReturn && right == GraphemeBreakClass.LineFeed)
            return false;
        if (IsControl(left) || IsControl(right))
            return true;
        return (left, right) switch
        {
            (_, GraphemeBreakClass.Extend or GraphemeBreakClass.ZeroWidthJoiner or GraphemeBreakClass.SpacingMark) => false,
            (GraphemeBreakClass.Prepend, _) => false,
            (GraphemeBreakClass.HangulLeading, GraphemeBreakClass.HangulLeading or GraphemeBreakClass.HangulVowel
                or GraphemeBreakClass.HangulSyllable or GraphemeBreakClass.HangulClosedSyllable) => false,
            (GraphemeBreakClass.HangulSyllable or GraphemeBreakClass.HangulVowel, GraphemeBreakClass.HangulVowel
                or GraphemeBreakClass.HangulTrailing) => false,
            (GraphemeBreakClass.HangulClosedSyllable or GraphemeBreakClass.HangulTrailing, GraphemeBreakClass.HangulTrailing) => false,
            (GraphemeBreakClass.ZeroWidthJoiner, GraphemeBreakClass.Pictographic) => !joinedPictograph,
            (GraphemeBreakClass.RegionalIndicator, GraphemeBreakClass.RegionalIndicator) => !oddFlags,
            _ => true,
        };
    }

    private static bool IsControl(GraphemeBreakClass value)
        => value is GraphemeBreakClass.Control or GraphemeBreakClass.CarriageReturn or GraphemeBreakClass.LineFeed;
}
