namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>
/// Finds the repeated substrings of some words that cannot be lengthened to the right without becoming rarer: the inner nodes of the suffix tree of all
/// words behind each other, by way of a suffix array that is sorted as far as the longest substring wanted. What occurs at the ends of words only is
/// therefore not found (the boundary behind it lengthens it), as in Hugging Face tokenizers.
/// </summary>
internal sealed class SubstringFinder
{
    private const int Boundary = 0;

    private readonly int[] text;
    private readonly int maxLength;

    /// <summary>Takes the words.</summary>
    /// <param name="words">The words; each counts once.</param>
    /// <param name="maxLength">The longest substring, in code points.</param>
    public SubstringFinder(IEnumerable<string> words, int maxLength)
    {
        this.maxLength = maxLength;
        var all = new List<int>();
        foreach (var word in words)
        {
            foreach (var rune in word.EnumerateRunes())
                all.Add(rune.Value);
            all.Add(Boundary);
        }

        text = [.. all];
    }

    /// <summary>The substrings of two code points and more with the number of their places.</summary>
    public IEnumerable<(int[] CodePoints, int Count)> Find(CancellationToken cancellationToken)
    {
        var order = Enumerable.Range(0, text.Length).ToArray();
        Array.Sort(order, Compare);
        cancellationToken.ThrowIfCancellationRequested();
        var open = new Stack<(int Depth, int From)>();
        for (int i = 1; i <= order.Length; i++)
        {
            int common = i < order.Length ? Common(order[i - 1], order[i]) : 0, from = i - 1;
            while (open.Count > 0 && open.Peek().Depth > common)
            {
                (int depth, from) = open.Pop();
                if (depth >= 2 && depth <= maxLength && !text.AsSpan(order[from], depth).Contains(Boundary))
                    yield return (text[order[from]..(order[from] + depth)], i - from);
            }

            if (common > 0 && (open.Count == 0 || open.Peek().Depth < common))
                open.Push((common, from));
        }
    }

    /// <summary>Compares suffixes as far as it matters.</summary>
    private int Compare(int a, int b)
    {
        int common = Common(a, b);
        if (common > maxLength)
            return a.CompareTo(b);
        return Math.Max(a, b) + common == text.Length ? b.CompareTo(a) : text[a + common].CompareTo(text[b + common]);
    }

    private int Common(int a, int b)
    {
        int limit = Math.Min(maxLength + 1, text.Length - Math.Max(a, b));
        return text.AsSpan(a, limit).CommonPrefixLength(text.AsSpan(b, limit));
    }
}
