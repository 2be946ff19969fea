using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>The tokens of one text while they are post-processed; only <see cref="Ids"/> is filled when nobody asked for more.</summary>
internal sealed class TokenSequence
{
    private readonly string? text;

    /// <summary>A sequence that holds ids alone.</summary>
    public TokenSequence()
    {
    }

    /// <summary>A sequence that holds everything.</summary>
    public TokenSequence(string text) => this.text = text;

    /// <summary>Whether the lists besides <see cref="Ids"/> are filled.</summary>
    public bool Detailed => text is not null;

    /// <summary>The original text, where there are details.</summary>
    public string Text => text ?? throw new InvalidOperationException("The sequence holds ids alone.");

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
    public TokenSequence Like() => text is null ? new TokenSequence() : new TokenSequence(text);

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
        var slice = text is null ? new TokenSequence { IsOverflow = overflow } : new TokenSequence(text) { IsOverflow = overflow };
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
    /// <param name="keepOverflowTypes">Whether tokens that truncation cut off keep the segment of their text instead, as the reference has it.</param>
    public TokenSequence Retyped(int typeId, bool keepOverflowTypes = true)
    {
        var copy = Slice(0, Count, IsOverflow);
        if (Detailed && !(IsOverflow && keepOverflowTypes))
            CollectionsMarshal.AsSpan(copy.TypeIds).Fill(typeId);
        return copy;
    }
}
