using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>
/// What the decoder of an encoder–decoder attends to: the encoder's hidden states in the pass that made them or, for decoding token by
/// token, the keys and values that each layer of the decoder makes of them, computed once and kept on the host between passes.
/// </summary>
internal sealed class EncodedSources
{
    private readonly Tensor _hidden;
    private readonly float[][] _keys;
    private readonly float[][] _values;

    /// <summary>Hidden states of the same pass.</summary>
    /// <param name="hidden">(source tokens, width).</param>
    /// <param name="sources">The sources, in the order of the decoder's sequences.</param>
    public EncodedSources(Tensor hidden, Batch sources)
        : this(sources, [], []) => _hidden = hidden;

    private EncodedSources(Batch sources, float[][] keys, float[][] values)
    {
        Sources = sources;
        _keys = keys;
        _values = values;
    }

    /// <summary>The sources.</summary>
    public Batch Sources { get; }

    /// <summary>Whether keys and values are kept, so that nothing of the encoder's pass is needed any more.</summary>
    public bool IsKept => _keys.Length > 0;

    /// <summary>Computes the keys and values of every layer and keeps them.</summary>
    /// <param name="pass">The pass of the hidden states.</param>
    /// <param name="hidden">(source tokens, width).</param>
    /// <param name="sources">The sources; must not change afterwards.</param>
    /// <param name="layers">The cross attention of each layer of the decoder.</param>
    public static EncodedSources Keep(Pass pass, Tensor hidden, Batch sources, IEnumerable<Attention> layers)
    {
        List<float[]> keys = [], values = [];
        foreach (var attention in layers)
        {
            keys.Add(pass.Read(attention.Key.Forward(pass, hidden)).ToArray());
            values.Add(pass.Read(attention.Value.Forward(pass, hidden)).ToArray());
        }

        return new EncodedSources(sources, [.. keys], [.. values]);
    }

    /// <summary>Some of the sources, in any order.</summary>
    /// <param name="chosen">The numbers of those that are wanted.</param>
    public EncodedSources Select(IReadOnlyList<int> chosen)
    {
        var batch = new Batch();
        foreach (int s in chosen)
            batch.Append(Sources.TokenIds[Sources.SequenceStarts[s]..Sources.SequenceStarts[s + 1]]);
        return new EncodedSources(batch, [.. _keys.Select(Rows)], [.. _values.Select(Rows)]);

        float[] Rows(float[] all)
        {
            int width = all.Length / Sources.Tokens;
            var rows = new float[batch.Tokens * width];
            for (int i = 0; i < chosen.Count; i++)
                all.AsSpan(Sources.SequenceStarts[chosen[i]] * width, (batch.SequenceStarts[i + 1] - batch.SequenceStarts[i]) * width)
                    .CopyTo(rows.AsSpan(batch.SequenceStarts[i] * width));
            return rows;
        }
    }

    /// <summary>
    /// The decoder's tokens with one sequence for each source: beams of the same source stand together and share its keys, since cross
    /// attention knows no order.
    /// </summary>
    /// <param name="targets">The decoder's batch: as many sequences for each source as for the others, source after source.</param>
    /// <exception cref="ArgumentException">The sequences cannot be shared out evenly.</exception>
    public Batch QueriesOf(Batch targets)
    {
        if (targets.Sequences == Sources.Sequences && !targets.HasCache)
            return targets;
        if (targets.Sequences == 0 || targets.Sequences % Sources.Sequences != 0)
            throw new ArgumentException($"{targets.Sequences} sequences cannot be shared out evenly among {Sources.Sequences} sources.",
                nameof(targets));
        int each = targets.Sequences / Sources.Sequences;
        var queries = new Batch(targets.Tokens);
        for (int s = 0; s < targets.Sequences; s += each)
            queries.Append(targets.TokenIds[targets.SequenceStarts[s]..targets.SequenceStarts[s + each]]);
        return queries;
    }

    /// <summary>The keys and values of a layer: (source tokens, heads · head width) each.</summary>
    public (Tensor Key, Tensor Value) KeysAndValues(Pass pass, int layer, Attention attention)
        => IsKept
            ? (Constant(pass, _keys[layer]), Constant(pass, _values[layer]))
            : (attention.Key.Forward(pass, _hidden), attention.Value.Forward(pass, _hidden));

    private Tensor Constant(Pass pass, float[] rows) => pass.Constant(rows, Sources.Tokens, rows.Length / Sources.Tokens);
}
