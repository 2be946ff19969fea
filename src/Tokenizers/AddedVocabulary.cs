using System.Buffers;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>The added tokens of a tokenizer and the search for them in text.</summary>
internal sealed class AddedVocabulary
{
    private readonly Dictionary<int, AddedToken> _byId = [];
    private readonly Dictionary<string, AddedToken> _byContent = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> _normalizedContents = [];
    private readonly Dictionary<string, AddedToken>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    public AddedVocabulary(IReadOnlyList<AddedToken> tokens, Func<string, string> normalize)
    {
        _bySpan = _byContent.GetAlternateLookup<ReadOnlySpan<char>>();
        Tokens = tokens;
        var raw = new List<(string, AddedToken)>();
        var normalized = new List<(string, AddedToken)>();
        foreach (var token in tokens)
        {
            if (!_byId.TryAdd(token.Id, token) || !_byContent.TryAdd(token.Content, token))
                throw new TokenizerException(
                    $"added_tokens: '{token.Content}' (id {token.Id}) repeats an id or a content. Remove one of the two.");
            if (token.Content.Length == 0)
                continue;
            if (!token.Normalized)
            {
                raw.Add((token.Content, token));
                continue;
            }

            var content = normalize(token.Content);
            normalized.Add((content, token));
            if (content != token.Content)
                _normalizedContents.Add(token.Id, content);
        }

        Raw = new AddedTokenMatcher(raw);
        Normalized = new AddedTokenMatcher(normalized);
    }

    /// <summary>The tokens in the order of the file.</summary>
    public IReadOnlyList<AddedToken> Tokens { get; }

    /// <summary>Searches the original text.</summary>
    public AddedTokenMatcher Raw { get; }

    /// <summary>Searches the normalised text.</summary>
    public AddedTokenMatcher Normalized { get; }

    public AddedToken? ById(int id) => _byId.GetValueOrDefault(id);

    /// <summary>
    /// What decoding writes for a token: a token that is searched in normalised text stands for normalised text. Null for a control token
    /// that is left out; one whose normalised form differs is not a control token to decoding, as in the reference.
    /// </summary>
    public string? Spelling(AddedToken token, bool skipSpecialTokens)
    {
        var spelling = _normalizedContents.GetValueOrDefault(token.Id, token.Content);
        return skipSpecialTokens && ByContent(spelling) is { IsSpecial: true } ? null : spelling;
    }

    public AddedToken? ByContent(ReadOnlySpan<char> content) => _bySpan.TryGetValue(content, out var token) ? token : null;
}

/// <summary>A token that is searched in the text before the model sees it, for example <c>&lt;|endoftext|&gt;</c>.</summary>
/// <param name="Id">The token's id.</param>
/// <param name="Content">The text that stands for it.</param>
public sealed record AddedToken(int Id, string Content)
{
    /// <summary>Whether it is a control token: left out by decoding on request, and recognised in a text only on request.</summary>
    public bool IsSpecial { get; init; }

    /// <summary>Whether it only matches where there is no letter, digit, mark or connector on either side.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether it swallows the white space to its left.</summary>
    public bool StripLeft { get; init; }

    /// <summary>Whether it swallows the white space to its right.</summary>
    public bool StripRight { get; init; }

    /// <summary>Whether it is searched in the normalised text (its content is then normalised too).</summary>
    public bool Normalized { get; init; }
}

/// <summary>An added token found in a text.</summary>
/// <param name="Token">The token.</param>
/// <param name="Start">The first unit, swallowed white space included.</param>
/// <param name="End">One after the last unit, swallowed white space included.</param>
internal readonly record struct AddedTokenMatch(AddedToken Token, int Start, int End);

/// <summary>Finds added tokens in a text: leftmost first, the longest of those that begin at one place. Immutable.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly SearchValues<char> _firstUnits;
    private readonly List<Node> _nodes = [new Node()];

    public AddedTokenMatcher(IReadOnlyList<(string Text, AddedToken Token)> tokens)
    {
        _firstUnits = SearchValues.Create([.. tokens.Where(t => t.Text.Length > 0).Select(t => t.Text[0]).Distinct()]);
        IsEmpty = true;
        foreach (var (text, token) in tokens)
        {
            if (text.Length == 0)
                continue;
            IsEmpty = false;
            int node = 0;
            foreach (char c in text)
            {
                if (!_nodes[node].Next.TryGetValue(c, out int child))
                {
                    child = _nodes.Count;
                    _nodes[node].Next[c] = child;
                    _nodes.Add(new Node());
                }

                node = child;
            }

            _nodes[node].Token ??= token;
        }
    }

    /// <summary>Whether there is nothing to find.</summary>
    public bool IsEmpty { get; }

    /// <summary>Finds the matches of a text, in order.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">False: special tokens are passed over, as text.</param>
    /// <param name="matches">Receives the matches with the white space they swallow; neighbours may then overlap.</param>
    public void Find(ReadOnlySpan<char> text, bool parseSpecialTokens, List<AddedTokenMatch> matches)
    {
        matches.Clear();
        if (IsEmpty)
            return;
        int covered = 0;
        for (int at = 0; at < text.Length;)
        {
            int skip = text[at..].IndexOfAny(_firstUnits);
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
        for (int i = 0; i < text.Length && _nodes[node].Next.TryGetValue(text[i], out node); i++)
            if (_nodes[node].Token is { } token)
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
