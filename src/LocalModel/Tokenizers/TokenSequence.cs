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

    /// <summary>Adds a token that stands for no text.</summary>
    public void AddSpecial(int id, string token, int typeId) => Add(id, token, default, typeId, true, -1);

    /// <summary>A part of the tokens.</summary>
    public TokenSequence Slice(int start, int end, bool overflow)
    {
        var slice = text is null ? new TokenSequence { IsOverflow = overflow } : new TokenSequence(text) { IsOverflow = overflow };
        slice.Ids.AddRange(Ids[start..end]);
        if (!Detailed)
            return slice;
        slice.Tokens.AddRange(Tokens[start..end]);
        slice.Offsets.AddRange(Offsets[start..end]);
        slice.TypeIds.AddRange(TypeIds[start..end]);
        slice.SpecialTokensMask.AddRange(SpecialTokensMask[start..end]);
        slice.SequenceIds.AddRange(SequenceIds[start..end]);
        return slice;
    }

    /// <summary>Appends another sequence.</summary>
    /// <param name="other">The sequence.</param>
    /// <param name="typeId">The segment that its tokens get.</param>
    /// <param name="keepOverflowTypes">Whether tokens that truncation cut off keep the segment of their text instead, as the reference has it.</param>
    public void Append(TokenSequence other, int typeId, bool keepOverflowTypes = true)
    {
        Ids.AddRange(other.Ids);
        if (!Detailed)
            return;
        Tokens.AddRange(other.Tokens);
        Offsets.AddRange(other.Offsets);
        if (other.IsOverflow && keepOverflowTypes)
            TypeIds.AddRange(other.TypeIds);
        else
            TypeIds.AddRange(Enumerable.Repeat(typeId, other.Count));
        SpecialTokensMask.AddRange(other.SpecialTokensMask);
        SequenceIds.AddRange(other.SequenceIds);
    }
}
