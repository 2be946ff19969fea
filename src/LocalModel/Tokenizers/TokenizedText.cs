namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>A text (or a pair) as tokens, with everything that is known of each. All lists have the same length.</summary>
public sealed class TokenizedText
{
    private readonly int[] ids;
    private readonly string[] tokens;
    private readonly TokenOffset[] offsets;
    private readonly int[] typeIds;
    private readonly bool[] special;
    private readonly int[] origins;
    private readonly bool[] attention;

    // A pair has as many parts as the product of its texts' parts, so nobody pays for them who does not look.
    private readonly Lazy<IReadOnlyList<TokenizedText>>? overflowing;

    internal TokenizedText(IReadOnlyList<TokenSequence> sequences, Lazy<IReadOnlyList<TokenizedText>>? overflowing)
        : this(sequences.Sum(s => s.Count), overflowing)
    {
        int at = 0;
        for (int number = 0; number < sequences.Count; number++)
        {
            var sequence = sequences[number];
            sequence.Ids.CopyTo(ids, at);
            sequence.Tokens.CopyTo(tokens, at);
            sequence.Offsets.CopyTo(offsets, at);
            sequence.TypeIds.CopyTo(typeIds, at);
            sequence.SpecialTokensMask.CopyTo(special, at);
            sequence.SequenceIds.CopyTo(origins, at);
            at += sequence.Count;
        }

        Array.Fill(attention, true);
    }

    private TokenizedText(int count, Lazy<IReadOnlyList<TokenizedText>>? overflowing)
    {
        (ids, tokens, offsets, typeIds) = (new int[count], new string[count], new TokenOffset[count], new int[count]);
        (special, origins, attention, this.overflowing) = (new bool[count], new int[count], new bool[count], overflowing);
    }

    /// <summary>The token ids.</summary>
    public IReadOnlyList<int> Ids => ids;

    /// <summary>The tokens as the vocabulary spells them; for an added token what it matched, swallowed white space included.</summary>
    public IReadOnlyList<string> Tokens => tokens;

    /// <summary>Where each token stands in its own text, in UTF-16 units.</summary>
    public IReadOnlyList<TokenOffset> Offsets => offsets;

    /// <summary>The segment of each token, as BERT-like models want it.</summary>
    public IReadOnlyList<int> TypeIds => typeIds;

    /// <summary>True for the tokens that the post-processor or padding added.</summary>
    public IReadOnlyList<bool> SpecialTokensMask => special;

    /// <summary>0 for tokens of the first text, 1 for the second, -1 for tokens that the post-processor or padding added.</summary>
    public IReadOnlyList<int> SequenceIds => origins;

    /// <summary>False for padding.</summary>
    public IReadOnlyList<bool> AttentionMask => attention;

    /// <summary>What truncation cut off: further parts, each with the tokens of the post-processor; empty when nothing was cut off.</summary>
    public IReadOnlyList<TokenizedText> Overflowing => overflowing?.Value ?? [];

    /// <summary>Fills it up to a length, its further parts too.</summary>
    internal TokenizedText Pad(int length, PaddingOptions padding)
    {
        int missing = Math.Max(0, length - ids.Length);
        int shift = padding.Direction == TokenSide.Left ? missing : 0;
        var parts = overflowing is null ? null : new Lazy<IReadOnlyList<TokenizedText>>(() => [.. Overflowing.Select(o => o.Pad(length, padding))]);
        var padded = new TokenizedText(ids.Length + missing, parts);
        Array.Fill(padded.ids, padding.PadId);
        Array.Fill(padded.tokens, padding.PadToken);
        Array.Fill(padded.typeIds, padding.PadTypeId);
        Array.Fill(padded.special, true);
        Array.Fill(padded.origins, -1);
        ids.CopyTo(padded.ids, shift);
        tokens.CopyTo(padded.tokens, shift);
        offsets.CopyTo(padded.offsets, shift);
        typeIds.CopyTo(padded.typeIds, shift);
        special.CopyTo(padded.special, shift);
        origins.CopyTo(padded.origins, shift);
        attention.CopyTo(padded.attention, shift);
        return padded;
    }
}
