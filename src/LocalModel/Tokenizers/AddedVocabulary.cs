using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>The added tokens of a tokenizer and the search for them in text.</summary>
internal sealed class AddedVocabulary
{
    private readonly Dictionary<int, AddedToken> byId = [];
    private readonly Dictionary<string, AddedToken> byContent = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> normalizedContents = [];
    private readonly Dictionary<string, AddedToken>.AlternateLookup<ReadOnlySpan<char>> bySpan;

    public AddedVocabulary(IReadOnlyList<AddedToken> tokens, Func<string, string> normalize)
    {
        bySpan = byContent.GetAlternateLookup<ReadOnlySpan<char>>();
        Tokens = tokens;
        var raw = new List<(string, AddedToken)>();
        var normalized = new List<(string, AddedToken)>();
        foreach (var token in tokens)
        {
            if (!byId.TryAdd(token.Id, token) || !byContent.TryAdd(token.Content, token))
                throw new TokenizerException($"added_tokens: '{token.Content}' (id {token.Id}) repeats an id or a content. Remove one of the two.");
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
                normalizedContents.Add(token.Id, content);
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

    public AddedToken? ById(int id) => byId.GetValueOrDefault(id);

    /// <summary>
    /// What decoding writes for a token: a token that is searched in normalised text stands for normalised text. Null for a control token
    /// that is left out; one whose normalised form differs is no control token to decoding, as the reference has it.
    /// </summary>
    public string? Spelling(AddedToken token, bool skipSpecialTokens)
    {
        var spelling = normalizedContents.GetValueOrDefault(token.Id, token.Content);
        return skipSpecialTokens && ByContent(spelling) is { IsSpecial: true } ? null : spelling;
    }

    public AddedToken? ByContent(ReadOnlySpan<char> content) => bySpan.TryGetValue(content, out var token) ? token : null;
}
