namespace Kotonoha.LocalModel.Tensors;

/// <content>Attention and rotary positions.</content>
internal abstract unsafe partial class Pass
{
    /// <summary>
    /// softmax(q kᵀ · scale) v, head by head, sequence by sequence. In a batch with a cache the keys and values are put into it first, and
    /// the queries see the whole past. A query that may see no key gives zeros.
    /// </summary>
    /// <param name="query">(tokens, heads · key width).</param>
    /// <param name="key">(key tokens, key heads · key width).</param>
    /// <param name="value">(key tokens, key heads · value width).</param>
    /// <param name="batch">The sequences of the queries.</param>
    /// <param name="options">The kind of attention.</param>
    /// <param name="keys">The sequences of keys and values, if they are other ones (cross attention).</param>
    /// <param name="bias">Added to the scores: (heads · longest query sequence, longest key sequence); none by default.</param>
    /// <returns>(tokens, heads · value width).</returns>
    public Tensor Attention(
        Tensor query, Tensor key, Tensor value, Batch batch, in AttentionOptions options, Batch? keys = null, Tensor bias = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        keys ??= batch;
        Require(options.Heads > 0 && options.KeyHeads > 0 && options.Heads % options.KeyHeads == 0, "the key heads must divide the heads");
        Require(query.Columns % options.Heads == 0 && key.Columns % options.KeyHeads == 0 && value.Columns % options.KeyHeads == 0,
            "the heads must divide the width");
        Require(query.Columns / options.Heads == key.Columns / options.KeyHeads, "query and key heads must have the same width");
        Require(query.Rows == batch.Tokens && key.Rows == keys.Tokens && value.Rows == keys.Tokens,
            "queries, keys and values must have a row for each token of their batch");
        Require(keys.Sequences == batch.Sequences, "queries and keys must have the same number of sequences");
        Require(!IsTraining || !batch.HasCache, "a training pass does not take a batch with a cache");
        Require(!batch.HasCache || keys == batch, "cached sequences attend to themselves");
        Require(options.Window == 0 || options.Causal, "a window needs causal attention");
        if (bias.Exists)
            bias = Dense(bias);
        int valueWidth = value.Columns / options.KeyHeads;
        bool wanted = Wants(query) || Wants(key) || Wants(value) || (bias.Exists && Wants(bias));
        var output = Arena.Allocate(query.Rows, options.Heads * valueWidth, wanted);
        ulong dropoutKey = IsTraining && options.Dropout > 0 ? NextKey() : 0;
        var effective = IsTraining ? options : options with { Dropout = 0 };
        Backend.Attention(Call(query, key, value, bias, output, batch, keys, effective, dropoutKey));
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.Attention,
                Output = output,
                A = query,
                B = key,
                C = value,
                D = bias,
                Queries = batch,
                Keys = keys,
                Attention = effective,
                Key = dropoutKey,
            });
        return output;
    }

    /// <summary>Turns each head's pairs of features by an angle that grows with the position (RoPE).</summary>
    /// <param name="x">(tokens, heads · head width).</param>
    /// <param name="table">The angles.</param>
    /// <param name="positions">The position of each row.</param>
    /// <param name="headWidth">The width of one head; features past the table's rotary width stay as they are.</param>
    public Tensor Rotary(Tensor x, RotaryTable table, ReadOnlySpan<int> positions, int headWidth)
    {
        ArgumentNullException.ThrowIfNull(table);
        Require(positions.Length == x.Rows, "a position is needed for each row");
        Require(headWidth > 0 && x.Columns % headWidth == 0 && table.RotaryWidth <= headWidth,
            "the head width must divide the columns and hold the rotary width");
        int* kept = Arena.Integers(positions);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Rotary(Arena.View(x), table, kept, headWidth, inverse: false, Arena.View(output), accumulate: false);
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.Rotary,
                Output = output,
                A = x,
                Rotary = table,
                Integers = (nint)kept,
                Count = headWidth
            });
        return output;
    }

    /// <summary>
    /// As <see cref="Rotary(Tensor, RotaryTable, ReadOnlySpan{int}, int)"/> with a batch's positions; a table that depends on the length
    /// gets each sequence's.
    /// </summary>
    /// <param name="x">(tokens, heads · head width).</param>
    /// <param name="table">The angles.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="headWidth">The width of one head; features past the table's rotary width stay as they are.</param>
    public Tensor Rotary(Tensor x, RotaryTable table, Batch batch, int headWidth)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(batch);
        if (!table.DependsOnLength)
            return Rotary(x, table, batch.Positions, headWidth);
        Require(batch.Tokens == x.Rows, "x must have a row for each token of the batch");
        Require(headWidth > 0 && x.Columns % headWidth == 0 && table.RotaryWidth <= headWidth,
            "the head width must divide the columns and hold the rotary width");
        int* kept = Arena.Integers(batch.Positions);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        RotarySequences(Arena.View(x), table, batch, kept, headWidth, inverse: false, Arena.View(output), accumulate: false);
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.Rotary,
                Output = output,
                A = x,
                Rotary = table,
                Queries = batch,
                Integers = (nint)kept,
                Count = headWidth
            });
        return output;
    }

    private protected AttentionCall Call(
        Tensor query, Tensor key, Tensor value, Tensor bias, Tensor output, Batch batch, Batch keys, AttentionOptions options,
        ulong dropoutKey)
        => new()
        {
            Query = Arena.View(query),
            Key = Arena.View(key),
            Value = Arena.View(value),
            Bias = Optional(bias),
            Output = Arena.View(output),
            Queries = batch,
            Keys = keys,
            Options = options,
            DropoutKey = dropoutKey,
        };

    private protected void RotarySequences(
        View x, RotaryTable table, Batch batch, int* positions, int headWidth, bool inverse, View output, bool accumulate)
    {
        var starts = batch.SequenceStarts;
        if (_rotary.Length < batch.Sequences)
            Array.Resize(ref _rotary, batch.Sequences);
        for (int s = 0; s < batch.Sequences; s++)
            if (starts[s + 1] - starts[s] is > 0 and var rows)
                Backend.Rotary(Rows(x, starts[s], rows), table.ForLength(batch.RopeLength(s), ref _rotary[s]), positions + starts[s],
                    headWidth, inverse, Rows(output, starts[s], rows), accumulate);
    }

    private View Rows(View view, int start, int count)
        => new((byte*)view.Data + (nint)start * view.Stride * Backend.ElementSize, count, view.Columns, view.Stride);
}
