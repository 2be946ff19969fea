using System.Buffers;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>Finds added tokens in a text: leftmost first, the longest of those that begin at one place. Immutable.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly SearchValues<char> firstUnits;
    private readonly List<Node> nodes = [new Node()];

    public AddedTokenMatcher(IReadOnlyList<(string Text, AddedToken Token)> tokens)
    {
        firstUnits = SearchValues.Create([.. tokens.Where(t => t.Text.Length > 0).Select(t => t.Text[0]).Distinct()]);
        IsEmpty = true;
        foreach (var (text, token) in tokens)
        {
            if (text.Length == 0)
                continue;
            IsEmpty = false;
            int node = 0;
            foreach (char c in text)
            {
                if (!nodes[node].Next.TryGetValue(c, out int child))
                {
                    child = nodes.Count;
                    nodes[node].Next[c] = child;
                    nodes.Add(new Node());
                }

                node = child;
            }

            nodes[node].Token ??= token;
        }
    }

    /// <summary>Whether there is nothing to find.</summary>
    public bool IsEmpty { get; }

    /// <summary>Finds the matches of a text, in order.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">False: special tokens are passed over, as text.</param>
    /// <param name="matches">Gets the matches with the white space they swallow; neighbours may then overlap.</param>
    public void Find(ReadOnlySpan<char> text, bool parseSpecialTokens, List<AddedTokenMatch> matches)
    {
        matches.Clear();
        if (IsEmpty)
            return;
        int covered = 0;
        for (int at = 0; at < text.Length;)
        {
            int skip = text[at..].IndexOfAny(firstUnits);
            if (skip < 0)
                return;
            at += skip;
            var token = Longest(text[at..], out int length);
            if (token is null)
            {
                at++;
                continue;
            }

            int start = at, end = at + length;

            // A match that does not count still hides others that overlap it.
            at = end;
            if (token.IsSpecial && !parseSpecialTokens)
                continue;
            if (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])))
                continue;
            if (token.StripLeft)
            {
                while (start > 0 && UnicodeData.IsWhiteSpace(text[start - 1]))
                    start--;
                start = Math.Max(start, covered);
            }

            if (token.StripRight)
                while (end < text.Length && UnicodeData.IsWhiteSpace(text[end]))
                    end++;
            matches.Add(new AddedTokenMatch(token, start, end));
            covered = end;
        }
    }

    private AddedToken? Longest(ReadOnlySpan<char> text, out int length)
    {
        AddedToken? found = null;
        length = 0;
        int node = 0;
        for (int i = 0; i < text.Length && nodes[node].Next.TryGetValue(text[i], out node); i++)
            if (nodes[node].Token is { } token)
                (found, length) = (token, i + 1);
        return found;
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty)
            return false;
        int last = text.Length - 1;
        if (last > 0 && char.IsLowSurrogate(text[last]) && char.IsHighSurrogate(text[last - 1]))
            return CodePointClasses.IsWord(char.ConvertToUtf32(text[last - 1], text[last]));
        return CodePointClasses.IsWord(text[last]);
    }

    private static bool StartsWithWord(ReadOnlySpan<char> text)
    {
        int index = 0;
        return !text.IsEmpty && CodePointClasses.IsWord(CodePoints.Next(text, ref index));
    }

    private sealed class Node
    {
        public Dictionary<char, int> Next { get; } = [];

        public AddedToken? Token { get; set; }
    }
}
