using Kotonoha.LocalModel.Tokenizers.Patterns;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Cuts a piece at the matches of a pattern. One per thread and run.</summary>
internal sealed class SplitCutter(IMatchFinder finder, SplitBehavior behavior, bool invert) : IPieceCutter
{
    private readonly List<RegexMatch> matches = [];
    private readonly List<(int End, bool Keep)> parts = [];
    private int next;

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        if (start == 0)
            Split(text);
        (end, keep) = (start, false);

        // An empty match only says where to cut; as a part of its own it would be nothing.
        while (next < parts.Count && parts[next].End == start)
            next++;
        if (start >= text.Length || next >= parts.Count)
            return false;
        (end, keep) = parts[next++];
        return true;
    }

    private void Split(ReadOnlySpan<char> text)
    {
        matches.Clear();
        parts.Clear();
        next = 0;
        finder.FindAll(text, matches);
        bool previous = false;
        int at = 0;
        foreach (var match in matches)
        {
            if (match.Start > at)
                Add(match.Start, invert, ref previous);
            Add(match.End, !invert, ref previous);
            at = match.End;
        }

        if (at < text.Length)
            Add(text.Length, invert, ref previous);
    }

    /// <summary>Adds the part up to an end, or lengthens the one before it.</summary>
    private void Add(int end, bool isMatch, ref bool previous)
    {
        bool joins = parts.Count > 0 && behavior switch
        {
            SplitBehavior.MergedWithPrevious => isMatch && !previous,
            SplitBehavior.MergedWithNext => !isMatch && previous,
            SplitBehavior.Contiguous => isMatch == previous,
            _ => false,
        };
        if (joins)
            parts[^1] = (end, true);
        else
            parts.Add((end, behavior != SplitBehavior.Removed || !isMatch));
        previous = isMatch;
    }
}
