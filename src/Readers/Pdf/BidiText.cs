using System.Globalization;
using System.Text;

namespace Kotonoha.Readers.Pdf;

/// <summary>How a document sets text from right to left.</summary>
/// <param name="LettersAsRead">Whether the letters of words stand from left to right in the order in which they are read, as faulty
/// programs set them.</param>
/// <param name="BracketsAsRead">Whether a bracket inside such text is the character that is read; otherwise it is the one that its shape
/// shows.</param>
internal readonly record struct BidiStyle(bool LettersAsRead, bool BracketsAsRead);

/// <summary>Brings glyphs that stand in visual order (from left to right on the page) into the order in which they are read.</summary>
/// <remarks>The inverse of the Unicode bidirectional algorithm (UAX #9) for one line, as far as it can be inverted.</remarks>
internal static class BidiText
{
    private const string Mirrored = "()[]{}<>«»‹›≤≥";

    private enum Direction
    {
        Neutral,
        Left,
        Right,
        Number,
    }

    /// <summary>Whether a text holds letters that are written from right to left.</summary>
    internal static bool HasRightToLeft(string text)
    {
        foreach (char c in text)
            if (IsRightToLeft(c))
                return true;
        return false;
    }

    /// <summary>Whether a line is read from right to left.</summary>
    /// <param name="visual">Its glyphs from left to right.</param>
    /// <param name="onPage">Whether most of its page is.</param>
    internal static bool IsRightToLeft(List<string> visual, bool onPage)
    {
        var (right, left) = CountLetters(visual);
        if (!onPage)
            return right > left;
        // A line in another script may be a paragraph of its own there: then its full stop is at the right.
        return right > 0.35 * (right + left) || (right > 0 && visual[0] is "." or "!" or ":" or ",");
    }

    /// <summary>How many letters are written from right to left, and how many from left to right.</summary>
    internal static (int Right, int Left) CountLetters(IEnumerable<string> texts)
    {
        int right = 0, left = 0;
        foreach (var text in texts)
        {
            foreach (char c in text)
            {
                if (IsRightToLeft(c))
                    right++;
                else if (char.IsLetter(c))
                    left++;
            }
        }

        return (right, left);
    }

    /// <summary>Orders the pieces of a line.</summary>
    /// <param name="visual">The text of each glyph or space, from left to right.</param>
    /// <param name="rightToLeft">Whether the line as a whole is read from right to left.</param>
    /// <param name="style">How the document sets such text.</param>
    internal static string Logical(List<string> visual, bool rightToLeft, BidiStyle style = default)
    {
        if (style.LettersAsRead || !visual.Exists(HasRightToLeft))
            return string.Concat(visual);
        var kinds = Kinds(visual);
        var text = new StringBuilder();
        if (rightToLeft)
            AppendReversed(visual, kinds, 0, visual.Count, style, text);
        else
            AppendLeftToRight(visual, kinds, style, text);
        return text.ToString();
    }

    /// <summary>Finds out how a document sets text from right to left.</summary>
    /// <param name="rows">The glyphs and spaces of the lines that hold such text, from left to right.</param>
    internal static BidiStyle StyleOf(IReadOnlyCollection<List<string>> rows)
    {
        if (AreLettersAsRead(rows.SelectMany(row => string.Concat(row).Split(' ')).Where(HasRightToLeft)))
            return new BidiStyle(true, true);
        // A bracket with a gap on the side of what comes before it, and none on the other, opens.
        int asRead = 0, asShown = 0;
        foreach (var row in rows)
        {
            var kinds = Kinds(row);
            for (int i = 0; i < row.Count; i++)
            {
                if (row[i].Length != 1 || Mirrored.IndexOf(row[i][0]) is not (>= 0 and var at)
                    || (Strong(kinds, i, -1) == Direction.Left && Strong(kinds, i, 1) == Direction.Left))
                    continue;
                bool gapBefore = i + 1 == row.Count || row[i + 1] == " ", gapAfter = i == 0 || row[i - 1] == " ";
                if (gapBefore == gapAfter)
                    continue;
                if (gapBefore == (at % 2 == 0))
                    asRead++;
                else
                    asShown++;
            }
        }

        return new BidiStyle(false, asRead > asShown);

        static Direction Strong(Direction[] kinds, int i, int step)
        {
            for (i += step; i >= 0 && i < kinds.Length; i += step)
                if (kinds[i] is Direction.Left or Direction.Right)
                    return kinds[i];
            return Direction.Neutral;
        }
    }

    /// <summary>
    /// Whether the letters of right-to-left words stand in the order of reading from left to right. This shows in what can only end a word
    /// (Hebrew final letters, Arabic teh marbuta and alef maksura) and what often begins one (the Arabic article).
    /// </summary>
    /// <param name="visualWords">Words with right-to-left letters, their letters from left to right as they stand on the page.</param>
    private static bool AreLettersAsRead(IEnumerable<string> visualWords)
    {
        int asRead = 0, reversed = 0;
        foreach (var word in visualWords)
        {
            var letters = word.Where(IsRightToLeft).ToArray();
            if (letters.Length < 2)
                continue;
            if (IsFinal(letters[^1]))
                asRead++;
            if (IsFinal(letters[0]))
                reversed++;
            if (letters.Length > 3 && letters[0] == '\u0627' && letters[1] == '\u0644')
                asRead++;
            if (letters.Length > 3 && letters[^1] == '\u0627' && letters[^2] == '\u0644')
                reversed++;
        }

        return asRead > 2 * reversed;

        static bool IsFinal(char c) => c is '\u05DA' or '\u05DD' or '\u05DF' or '\u05E3' or '\u05E5' or '\u0629' or '\u0649';
    }

    private static bool IsRightToLeft(char c)
        => c is (>= '\u0590' and <= '\u08FF') or (>= '\uFB1D' and <= '\uFDFF') or (>= '\uFE70' and <= '\uFEFC')
            && char.GetUnicodeCategory(c)
                is UnicodeCategory.OtherLetter or UnicodeCategory.NonSpacingMark or UnicodeCategory.ModifierLetter;

    private static Direction[] Kinds(List<string> pieces)
    {
        var kinds = new Direction[pieces.Count];
        for (int i = 0; i < kinds.Length; i++)
        {
            var piece = pieces[i];
            kinds[i] = HasRightToLeft(piece) ? Direction.Right
                : piece.Length > 0 && char.IsDigit(piece, 0) ? Direction.Number
                : piece.Length > 0 && char.IsLetter(piece, 0) ? Direction.Left
                : Direction.Neutral;
        }

        // A separator between digits belongs to the number; so does a sign at it, but not after Arabic letters.
        bool arabic = pieces.Sum(piece => piece.Count(c => c is >= '\u0600' and <= '\u08FF' or >= '\uFB50')) > pieces.Sum(piece
            => piece.Count(c => c is >= '\u0590' and <= '\u05FF'));
        for (int i = 1; i + 1 < kinds.Length; i++)
            if (kinds[i] == Direction.Neutral && (pieces[i] is "." or "," or ":" or "/" or "٫" or "٬" || (pieces[i] == "-" && !arabic))
                && kinds[i - 1] == Direction.Number && IsDigit(pieces[i + 1]))
                kinds[i] = Direction.Number;
        for (int i = 0; i < kinds.Length && !arabic; i++)
        {
            bool sign = kinds[i] == Direction.Neutral && pieces[i] is "%" or "$" or "€" or "£" or "¥" or "₪" or "°" or "+" or "#" or "٪";
            if (sign && ((i > 0 && kinds[i - 1] == Direction.Number) || (i + 1 < kinds.Length && kinds[i + 1] == Direction.Number)))
                kinds[i] = Direction.Number;
        }

        return kinds;

        static bool IsDigit(string piece) => piece.Length > 0 && char.IsDigit(piece, 0);
    }

    /// <summary>Reads a range from right to left; what is written from left to right inside it keeps its order.</summary>
    private static void AppendReversed(List<string> pieces, Direction[] kinds, int start, int end, BidiStyle style, StringBuilder text)
    {
        for (int i = end - 1; i >= start; i--)
        {
            if (kinds[i] is not (Direction.Left or Direction.Number))
            {
                text.Append(style.BracketsAsRead ? pieces[i] : Mirror(pieces[i]));
                continue;
            }

            int first = i;
            if (kinds[i] == Direction.Left || ReachesLeft(kinds, start, i))
            {
                // From a left-to-right letter, across neutral pieces and numbers, to the last one before right-to-left text.
                for (int j = i; j >= start && kinds[j] != Direction.Right; j--)
                    if (kinds[j] == Direction.Left)
                        first = j;
            }

            while (first > start && kinds[first - 1] == kinds[first] && kinds[first] == Direction.Number)
                first--;
            for (int j = first; j <= i; j++)
                text.Append(pieces[j]);
            i = first;
        }
    }

    /// <summary>Whether a number is the end of a left-to-right run: a letter stands to its left with nothing from right to left
    /// between.</summary>
    private static bool ReachesLeft(Direction[] kinds, int start, int number)
    {
        int j = number;
        while (j >= start && kinds[j] is Direction.Number or Direction.Neutral)
            j--;
        return j >= start && kinds[j] == Direction.Left;
    }

    private static void AppendLeftToRight(List<string> pieces, Direction[] kinds, BidiStyle style, StringBuilder text)
    {
        for (int i = 0; i < pieces.Count; i++)
        {
            if (kinds[i] != Direction.Right)
            {
                text.Append(pieces[i]);
                continue;
            }

            int end = i + 1;
            for (int j = i + 1; j < pieces.Count && kinds[j] != Direction.Left; j++)
                if (kinds[j] == Direction.Right)
                    end = j + 1;
            AppendReversed(pieces, kinds, i, end, style, text);
            i = end - 1;
        }
    }

    private static string Mirror(string piece)
        => piece.Length == 1 && Mirrored.IndexOf(piece[0]) is >= 0 and var at ? Mirrored[at ^ 1].ToString() : piece;
}
