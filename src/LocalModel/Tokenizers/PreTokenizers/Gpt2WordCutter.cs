namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>
/// GPT-2's word pattern by hand: <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>. Every character belongs
/// to a word.
/// </summary>
internal readonly struct Gpt2WordCutter : IPieceCutter
{
    /// <summary>The spellings of the pattern that are in use; the second is tiktoken's.</summary>
    public static readonly string[] Patterns =
    [
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        @"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
        @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    ];

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start < text.Length ? Next(text, start) : start;
        return start < text.Length;
    }

    private static int Next(ReadOnlySpan<char> text, int start)
    {
        char first = text[start];
        if (first == '\'')
        {
            int suffix = Contraction(text[(start + 1)..]);
            if (suffix > 0)
                return start + 1 + suffix;
        }

        int word = first == ' ' && start + 1 < text.Length ? start + 1 : start;
        var found = CodePointClasses.At(text, word, out int width);
        if (!CodePointClasses.IsSpace(found))
            return CodePointClasses.RunEnd(text, word + width, found);

        // \s+(?!\S): all of the white space but what comes right before the next word.
        int end = CodePointClasses.SpaceEnd(text, start);
        return end < text.Length && end > start + 1 ? end - 1 : end;
    }

    private static int Contraction(ReadOnlySpan<char> rest)
    {
        if (rest.IsEmpty)
            return 0;
        if (rest[0] is 's' or 't' or 'm' or 'd')
            return 1;
        return rest.Length > 1 && (rest[0], rest[1]) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 2 : 0;
    }
}
