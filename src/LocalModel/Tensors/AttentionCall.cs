namespace Kotonoha.LocalModel.Tensors;

/// <summary>One attention: queries of a batch on keys of the same or another batch, or on the cached past of each sequence.</summary>
internal readonly struct AttentionCall
{
    /// <summary>(tokens, heads · key width), possibly a part of wider rows; so are keys and values.</summary>
    public View Query { get; init; }

    public View Key { get; init; }

    public View Value { get; init; }

    /// <summary>Added to the scores: (heads · longest query sequence, longest key sequence), or without memory.</summary>
    public View Bias { get; init; }

    /// <summary>(tokens, heads · value width).</summary>
    public View Output { get; init; }

    public Batch Queries { get; init; }

    public Batch Keys { get; init; }

    public AttentionOptions Options { get; init; }

    public ulong DropoutKey { get; init; }

    public int KeyWidth => Query.Columns / Options.Heads;

    public int ValueWidth => Value.Columns / Options.KeyHeads;

    public float Scale => Options.Scale != 0 ? Options.Scale : 1f / MathF.Sqrt(KeyWidth);

    /// <summary>The keys that a query at a place may see: the first, and one past the last.</summary>
    public (int First, int End) Visible(int place, int keys)
    {
        if (!Options.Causal)
            return (0, keys);
        int end = Math.Min(keys, place + 1);
        int first = Options.Window > 0 ? Math.Max(0, place - Options.Window + 1) : 0;
        return (Math.Min(first, Math.Max(end, 0)), Math.Max(end, 0));
    }
}
