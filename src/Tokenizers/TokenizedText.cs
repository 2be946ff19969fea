using System.Runtime.InteropServices;

namespace Kotonoha.Tokenizers;

/// <summary>A text (or a pair) as tokens, with everything that is known about each. All lists have the same length.</summary>
public sealed class TokenizedText
{
    private readonly int[] _ids;
    private readonly string[] _tokens;
    private readonly TokenOffset[] _offsets;
    private readonly int[] _typeIds;
    private readonly bool[] _special;
    private readonly int[] _origins;
    private readonly bool[] _attention;

    // A pair has as many parts as the product of its texts' parts, so they cost nothing unless they are read.
    private readonly Lazy<IReadOnlyList<TokenizedText>>? _overflowing;

    internal TokenizedText(IReadOnlyList<TokenSequence> sequences, Lazy<IReadOnlyList<TokenizedText>>? overflowing)
        : this(sequences.Sum(s => s.Count), overflowing)
    {
        int at = 0;
        for (int number = 0; number < sequences.Count; number++)
        {
            var sequence = sequences[number];
            sequence.Ids.CopyTo(_ids, at);
            sequence.Tokens.CopyTo(_tokens, at);
            sequence.Offsets.CopyTo(_offsets, at);
            sequence.TypeIds.CopyTo(_typeIds, at);
            sequence.SpecialTokensMask.CopyTo(_special, at);
            sequence.SequenceIds.CopyTo(_origins, at);
            at += sequence.Count;
        }

        Array.Fill(_attention, true);
    }

    private TokenizedText(int count, Lazy<IReadOnlyList<TokenizedText>>? overflowing)
    {
        (_ids, _tokens, _offsets, _typeIds) = (new int[count], new string[count], new TokenOffset[count], new int[count]);
        (_special, _origins, _attention, _overflowing) = (new bool[count], new int[count], new bool[count], overflowing);
    }

    /// <summary>The token ids.</summary>
    public IReadOnlyList<int> Ids => _ids;

    /// <summary>The tokens as the vocabulary spells them; for an added token what it matched, swallowed white space included.</summary>
    public IReadOnlyList<string> Tokens => _tokens;

    /// <summary>Where each token stands in its own text, in UTF-16 units.</summary>
    public IReadOnlyList<TokenOffset> Offsets => _offsets;

    /// <summary>The segment of each token, as BERT-like models want it.</summary>
    public IReadOnlyList<int> TypeIds => _typeIds;

    /// <summary>True for the tokens that the post-processor or padding added.</summary>
    public IReadOnlyList<bool> SpecialTokensMask => _special;

    /// <summary>0 for tokens of the first text, 1 for the second, -1 for tokens that the post-processor or padding added.</summary>
    public IReadOnlyList<int> SequenceIds => _origins;

    /// <summary>False for padding.</summary>
    public IReadOnlyList<bool> AttentionMask => _attention;

    /// <summary>
    /// What truncation cut off: further parts, each with the tokens of the post-processor; empty when nothing was cut off.
    /// </summary>
    public IReadOnlyList<TokenizedText> Overflowing => _overflowing?.Value ?? [];

    /// <summary>Pads it, and its further parts, to a length.</summary>
    internal TokenizedText Pad(int length, PaddingOptions padding)
    {
        int missing = Math.Max(0, length - _ids.Length);
        int shift = padding.Direction == TokenSide.Left ? missing : 0;
        var parts = _overflowing is null
            ? null
            : new Lazy<IReadOnlyList<TokenizedText>>(() => [.. Overflowing.Select(o => o.Pad(length, padding))]);
        var padded = new TokenizedText(_ids.Length + missing, parts);
        Array.Fill(padded._ids, padding.PadId);
        Array.Fill(padded._tokens, padding.PadToken);
        Array.Fill(padded._typeIds, padding.PadTypeId);
        Array.Fill(padded._special, true);
        Array.Fill(padded._origins, -1);
        _ids.CopyTo(padded._ids, shift);
        _tokens.CopyTo(padded._tokens, shift);
        _offsets.CopyTo(padded._offsets, shift);
        _typeIds.CopyTo(padded._typeIds, shift);
        _special.CopyTo(padded._special, shift);
        _origins.CopyTo(padded._origins, shift);
        _attention.CopyTo(padded._attention, shift);
        return padded;
    }
}

/// <summary>Where a token stands in the original text, in UTF-16 units; (0, 0) for a token that the post-processor added.</summary>
/// <param name="Start">The first unit.</param>
/// <param name="End">One after the last unit.</param>
public readonly record struct TokenOffset(int Start, int End);

/// <summary>The tokens of one text while they are post-processed; only <see cref="Ids"/> is filled when no more was asked for.</summary>
internal sealed class TokenSequence
{
    private readonly string? _text;

    /// <summary>A sequence that holds ids alone.</summary>
    public TokenSequence()
    {
    }

    /// <summary>A sequence that holds everything.</summary>
    public TokenSequence(string text) => _text = text;

    /// <summary>Whether the lists besides <see cref="Ids"/> are filled.</summary>
    public bool Detailed => _text is not null;

    /// <summary>The original text, where there are details.</summary>
    public string Text => _text ?? throw new InvalidOperationException("The sequence holds ids alone.");

    public int Count => Ids.Count;

    public List<int> Ids { get; } = [];

    public List<string> Tokens { get; } = [];

    public List<TokenOffset> Offsets { get; } = [];

    public List<int> TypeIds { get; } = [];

    public List<bool> SpecialTokensMask { get; } = [];

    public List<int> SequenceIds { get; } = [];

    /// <summary>Whether these are tokens that truncation cut off.</summary>
    public bool IsOverflow { get; init; }

    public void Add(int id, string token, TokenOffset offset, int typeId, bool special, int sequenceId)
    {
        Ids.Add(id);
        if (!Detailed)
            return;
        Tokens.Add(token);
        Offsets.Add(offset);
        TypeIds.Add(typeId);
        SpecialTokensMask.Add(special);
        SequenceIds.Add(sequenceId);
    }

    /// <summary>An empty sequence with the same detail.</summary>
    public TokenSequence Like() => _text is null ? new TokenSequence() : new TokenSequence(_text);

    /// <summary>A sequence with the same detail that holds one token that stands for no text.</summary>
    public TokenSequence LikeWith((string Token, int Id) special, int typeId)
    {
        var sequence = Like();
        sequence.Add(special.Id, special.Token, default, typeId, true, -1);
        return sequence;
    }

    /// <summary>A part of the tokens.</summary>
    public TokenSequence Slice(int start, int end, bool overflow)
    {
        var slice = _text is null ? new TokenSequence { IsOverflow = overflow } : new TokenSequence(_text) { IsOverflow = overflow };
        Copy(Ids, slice.Ids);
        if (!Detailed)
            return slice;
        Copy(Tokens, slice.Tokens);
        Copy(Offsets, slice.Offsets);
        Copy(TypeIds, slice.TypeIds);
        Copy(SpecialTokensMask, slice.SpecialTokensMask);
        Copy(SequenceIds, slice.SequenceIds);
        return slice;

        void Copy<T>(List<T> from, List<T> to) => to.AddRange(CollectionsMarshal.AsSpan(from)[start..end]);
    }

    /// <summary>The same tokens with another segment.</summary>
    /// <param name="typeId">The segment.</param>
    /// <param name="keepOverflowTypes">
    /// Whether tokens that truncation cut off keep the segment of their text instead, as in the reference.
    /// </param>
    public TokenSequence Retyped(int typeId, bool keepOverflowTypes = true)
    {
        var copy = Slice(0, Count, IsOverflow);
        if (Detailed && !(IsOverflow && keepOverflowTypes))
            CollectionsMarshal.AsSpan(copy.TypeIds).Fill(typeId);
        return copy;
    }
}
