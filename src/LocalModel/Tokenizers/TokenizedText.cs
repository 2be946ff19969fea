namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>A text (or a pair) as tokens, with everything that is known of each. All lists have the same length.</summary>
public sealed class TokenizedText
{
    internal TokenizedText(IReadOnlyList<TokenSequence> sequences)
    {
        int count = 0;
        foreach (var sequence in sequences)
            count += sequence.Count;
        var (ids, tokens, offsets) = (new int[count], new string[count], new TokenOffset[count]);
        var (typeIds, special, origins) = (new int[count], new bool[count], new int[count]);
        int at = 0;
        foreach (var sequence in sequences)
            for (int i = 0; i < sequence.Count; i++, at++)
            {
                ids[at] = sequence.Ids[i];
                tokens[at] = sequence.Tokens[i];
                offsets[at] = sequence.Offsets[i];
                typeIds[at] = sequence.TypeIds[i];
                special[at] = sequence.SpecialTokensMask[i];
                origins[at] = sequence.SequenceIds[i];
            }

        (Ids, Tokens, Offsets, TypeIds, SpecialTokensMask, SequenceIds) = (ids, tokens, offsets, typeIds, special, origins);
    }

    /// <summary>The token ids.</summary>
    public IReadOnlyList<int> Ids { get; }

    /// <summary>The tokens as the vocabulary spells them; for an added token what it matched, swallowed white space included.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>Where each token stands in its own text, in UTF-16 units.</summary>
    public IReadOnlyList<TokenOffset> Offsets { get; }

    /// <summary>The segment of each token, as BERT-like models want it.</summary>
    public IReadOnlyList<int> TypeIds { get; }

    /// <summary>True for the tokens that the post-processor added.</summary>
    public IReadOnlyList<bool> SpecialTokensMask { get; }

    /// <summary>0 for tokens of the first text, 1 for the second, -1 for tokens that the post-processor added.</summary>
    public IReadOnlyList<int> SequenceIds { get; }
}
