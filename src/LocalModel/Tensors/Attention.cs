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
