namespace Kotonoha.LocalModel.Tensors;

/// <summary>The kind of an attention. Head h of the queries reads key head h / (<see cref="Heads"/> / <see cref="KeyHeads"/>).</summary>
internal readonly record struct AttentionOptions
{
    /// <summary>Creates the options.</summary>
    /// <param name="heads">The query heads.</param>
    /// <param name="keyHeads">The key and value heads; 0 for as many as there are query heads.</param>
    public AttentionOptions(int heads, int keyHeads = 0)
    {
        Heads = heads;
        KeyHeads = keyHeads == 0 ? heads : keyHeads;
    }

    /// <summary>The query heads.</summary>
    public int Heads { get; init; }

    /// <summary>The key and value heads; a divisor of <see cref="Heads"/>.</summary>
    public int KeyHeads { get; init; }

    /// <summary>Whether a token sees only itself and what comes before it.</summary>
    public bool Causal { get; init; }

    /// <summary>With <see cref="Causal"/>: a query at place i sees keys j with i − Window &lt; j ≤ i; 0 for all.</summary>
    public int Window { get; init; }

    /// <summary>What the scores are multiplied by; 0 for 1/√(width of a query head).</summary>
    public float Scale { get; init; }

    /// <summary>Scores s become SoftCap·tanh(s / SoftCap); 0 for none.</summary>
    public float SoftCap { get; init; }

    /// <summary>The probability with which a training pass drops an attention weight.</summary>
    public float Dropout { get; init; }

    /// <summary>The layer, for the key/value cache, from 0.</summary>
    public int Layer { get; init; }
}

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

/// <summary>The gradients of one attention; what is not wanted has no memory.</summary>
internal readonly struct AttentionGradients
{
    public View Output { get; init; }

    public View Query { get; init; }

    public View Key { get; init; }

    public View Value { get; init; }

    public View Bias { get; init; }

    public bool AccumulateQuery { get; init; }

    public bool AccumulateKey { get; init; }

    public bool AccumulateValue { get; init; }

    public bool AccumulateBias { get; init; }
}
