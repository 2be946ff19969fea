using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// The operations that a model is written in, whatever the device. Each takes tensors of this pass and returns a new one. This class checks
/// the arguments; a device's pass computes. A training pass remembers the calls, so that a loss can be differentiated. Not thread-safe.
/// </summary>
internal abstract class Pass : IDisposable
{
    private protected Pass()
    {
    }

    /// <summary>Whether calls are remembered and dropout is active.</summary>
    public abstract bool IsTraining { get; }

    /// <summary>The memory of the device that the pass holds, in bytes.</summary>
    public abstract long MemoryBytes { get; }

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>A tensor of given values, without a gradient.</summary>
    /// <param name="values">rows × columns numbers, row after row.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The columns.</param>
    public Tensor Constant(ReadOnlySpan<float> values, int rows, int columns)
    {
        Require(values.Length == (long)rows * columns, "the number of values must be rows × columns");
        return ConstantCore(values, rows, columns);
    }

    /// <summary>A parameter as a tensor (last dimension, everything before it as rows); its gradient reaches the parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    public Tensor FromParameter(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return FromParameterCore(parameter);
    }

    /// <summary>The values of a tensor on the host, row after row. Valid until the pass goes on.</summary>
    /// <param name="tensor">The tensor.</param>
    public abstract ReadOnlySpan<float> Read(Tensor tensor);

    /// <summary>The value of a (1, 1) tensor, such as a loss.</summary>
    /// <param name="tensor">The tensor.</param>
    public double ReadScalar(Tensor tensor)
    {
        Require(tensor.Length == 1, "a single value is needed");
        return ReadScalarCore(tensor);
    }

    /// <summary>
    /// The border between two layers. An inference pass looks at cancellation here and takes back the memory of every tensor but the given
    /// one.
    /// </summary>
    /// <param name="hidden">What the next layer starts from.</param>
    /// <returns>The same values, to go on with.</returns>
    public Tensor NextLayer(Tensor hidden)
    {
        Observer?.Layer(this, hidden);
        return NextLayerCore(hidden);
    }

    /// <summary>
    /// A layer of a model. A training pass that recomputes forgets the layer's tensors but its result, and runs it once more when it is
    /// differentiated: less memory for a forward pass more. The gradients are the same, to the last bit.
    /// </summary>
    /// <param name="hidden">What the layer starts from.</param>
    /// <param name="state">What the layer is told.</param>
    /// <param name="layer">
    /// Runs the layer, best a static function. It gives the same result each time, and no tensor of its own to anything else.
    /// </param>
    /// <returns>The layer's result.</returns>
    public Tensor Layer<TState>(Tensor hidden, TState state, Func<Pass, Tensor, TState, Tensor> layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return Recomputes ? LayerCore(hidden, Bind(state, layer)) : layer(this, hidden, state);
    }

    /// <summary>The same elements with other dimensions; no copy.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="rows">The new rows.</param>
    /// <param name="columns">The new columns; rows × columns stays.</param>
    public Tensor Reshape(Tensor x, int rows, int columns)
    {
        Require((long)rows * columns == x.Length, $"{x} cannot become ({rows}, {columns})");
        return ReshapeCore(x, rows, columns);
    }

    /// <summary>A range of columns, without a copy where the operation that takes it can do without one.</summary>
    /// <param name="x">(rows, columns).</param>
    /// <param name="start">The first column.</param>
    /// <param name="count">How many.</param>
    public Tensor Columns(Tensor x, int start, int count)
    {
        Require(start >= 0 && count > 0 && start + count <= x.Columns, $"columns {start}..{start + count} are not in {x}");
        return ColumnsCore(x, start, count);
    }

    /// <summary>Columns side by side: (rows, a.Columns + b.Columns).</summary>
    /// <param name="a">The left part.</param>
    /// <param name="b">The right part.</param>
    public Tensor ConcatColumns(Tensor a, Tensor b)
    {
        Require(a.Rows == b.Rows, $"{a} and {b} must have the same rows");
        return ConcatColumnsCore(a, b);
    }

    /// <summary>Rows in any order and number: (rows.Length, columns).</summary>
    /// <param name="x">(n, columns).</param>
    /// <param name="rows">The row of x of each output row.</param>
    public Tensor SelectRows(Tensor x, ReadOnlySpan<int> rows)
    {
        RequireRange(rows, x.Rows, "SelectRows");
        return SelectRowsCore(x, rows);
    }

    /// <summary>One element of each row: (rows, 1).</summary>
    /// <param name="x">(rows, columns).</param>
    /// <param name="columns">The column of each row.</param>
    public Tensor PickColumns(Tensor x, ReadOnlySpan<int> columns)
    {
        Require(columns.Length == x.Rows, "a column is needed for each row");
        RequireRange(columns, x.Columns, "PickColumns");
        return PickColumnsCore(x, columns);
    }

    /// <summary>a + b; b may have a single row or column, which then counts for all.</summary>
    /// <param name="a">(rows, columns).</param>
    /// <param name="b">(rows or 1, columns or 1).</param>
    public Tensor Add(Tensor a, Tensor b) => Binary(BinaryOperation.Add, a, b);

    /// <summary>a − b; b may have a single row or column, which then counts for all.</summary>
    /// <param name="a">(rows, columns).</param>
    /// <param name="b">(rows or 1, columns or 1).</param>
    public Tensor Subtract(Tensor a, Tensor b) => Binary(BinaryOperation.Subtract, a, b);

    /// <summary>a · b, element by element; b may have a single row or column, which then counts for all.</summary>
    /// <param name="a">(rows, columns).</param>
    /// <param name="b">(rows or 1, columns or 1).</param>
    public Tensor Multiply(Tensor a, Tensor b) => Binary(BinaryOperation.Multiply, a, b);

    /// <summary>a / b, element by element; b may have a single row or column, which then counts for all.</summary>
    /// <param name="a">(rows, columns).</param>
    /// <param name="b">(rows or 1, columns or 1).</param>
    public Tensor Divide(Tensor a, Tensor b) => Binary(BinaryOperation.Divide, a, b);

    /// <summary>
    /// The smaller of a and b, element by element; b may have a single row or column, which then counts for all. Where both are equal, each
    /// gets half of the gradient.
    /// </summary>
    /// <param name="a">(rows, columns).</param>
    /// <param name="b">(rows or 1, columns or 1).</param>
    public Tensor Minimum(Tensor a, Tensor b) => Binary(BinaryOperation.Minimum, a, b);

    /// <summary>
    /// The larger of a and b, element by element; b may have a single row or column, which then counts for all. Where both are equal, each
    /// gets half of the gradient.
    /// </summary>
    /// <param name="a">(rows, columns).</param>
    /// <param name="b">(rows or 1, columns or 1).</param>
    public Tensor Maximum(Tensor a, Tensor b) => Binary(BinaryOperation.Maximum, a, b);

    /// <summary>exp x, element by element.</summary>
    /// <param name="x">Any tensor.</param>
    public Tensor Exp(Tensor x) => ApplyCore(ElementFunction.Exp, x, 0, 0);

    /// <summary>The natural logarithm of each element: −∞ of 0, NaN of less.</summary>
    /// <param name="x">Any tensor.</param>
    public Tensor Log(Tensor x) => ApplyCore(ElementFunction.Log, x, 0, 0);

    /// <summary>
    /// Each element, but at least one bound and at most the other; the gradient passes where x lies between them or on one.
    /// </summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="least">The lower bound; may be −∞.</param>
    /// <param name="most">The upper bound; may be ∞.</param>
    public Tensor Clamp(Tensor x, float least, float most)
    {
        Require(least <= most, "the lower bound must not exceed the upper one");
        return ApplyCore(ElementFunction.Clamp, x, least, most);
    }

    /// <summary>The same values as a constant: no gradient passes.</summary>
    /// <param name="x">Any tensor.</param>
    public Tensor Detach(Tensor x) => IsTraining ? DetachCore(x) : x;

    /// <summary>factor · x.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="factor">The factor.</param>
    public Tensor Scale(Tensor x, float factor) => ScaleCore(x, factor);

    /// <summary>An activation function of each element.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="activation">The function.</param>
    public Tensor Activate(Tensor x, Activation activation) => activation == Activation.None ? x : ActivateCore(x, activation);

    /// <summary>cap · tanh(x / cap).</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="cap">The bound.</param>
    public Tensor SoftCap(Tensor x, float cap)
    {
        Require(cap > 0, "the cap must be positive");
        return SoftCapCore(x, cap);
    }

    /// <summary>activation(gate) · up (SwiGLU with <see cref="Activation.Silu"/>, GEGLU with a gelu; arXiv:2002.05202).</summary>
    /// <param name="gate">(rows, width).</param>
    /// <param name="up">(rows, width).</param>
    /// <param name="activation">The function.</param>
    public Tensor Gated(Tensor gate, Tensor up, Activation activation)
    {
        Require(gate.Rows == up.Rows && gate.Columns == up.Columns, $"gate {gate} and up {up} must have the same dimensions");
        return GatedCore(gate, up, activation);
    }

    /// <summary>Drops elements with a probability and scales the others up, in a training pass; x itself otherwise.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="probability">From 0 to less than 1.</param>
    public Tensor Dropout(Tensor x, float probability)
    {
        Require(probability is >= 0 and < 1, "the probability must be at least 0 and less than 1");
        return IsTraining && probability > 0 ? DropoutCore(x, probability) : x;
    }

    /// <summary>Softmax over each row.</summary>
    /// <param name="x">(rows, columns).</param>
    public Tensor Softmax(Tensor x) => SoftmaxCore(x);

    /// <summary>The logarithm of the softmax over each row.</summary>
    /// <param name="x">(rows, columns).</param>
    public Tensor LogSoftmax(Tensor x) => LogSoftmaxCore(x);

    /// <summary>log Σ exp over each row: (rows, 1).</summary>
    /// <param name="x">(rows, columns).</param>
    public Tensor LogSumExp(Tensor x) => LogSumExpCore(x);

    /// <summary>The sum of each row: (rows, 1).</summary>
    /// <param name="x">(rows, columns).</param>
    public Tensor RowSum(Tensor x) => RowSumCore(x);

    /// <summary>x / max(‖x‖, epsilon) for each row.</summary>
    /// <param name="x">(rows, width).</param>
    /// <param name="epsilon">The least length.</param>
    public Tensor L2Normalize(Tensor x, float epsilon = 1e-12f) => L2NormalizeCore(x, epsilon);

    /// <summary>The sum of all elements: (1, 1).</summary>
    /// <param name="x">Any tensor.</param>
    public Tensor Sum(Tensor x) => SumCore(x, 1);

    /// <summary>The mean of all elements: (1, 1).</summary>
    /// <param name="x">Any tensor.</param>
    public Tensor Mean(Tensor x) => SumCore(x, 1f / x.Length);

    /// <summary>One row a sequence: (sequences, width).</summary>
    /// <param name="x">(tokens, width).</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="pooling">How tokens become one row.</param>
    public Tensor Pool(Tensor x, Batch batch, Pooling pooling)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Require(x.Rows == batch.Tokens, "x must have a row for each token of the batch");
        return PoolCore(x, batch, pooling);
    }

    /// <summary>Rows of a table: (ids, width).</summary>
    /// <param name="table">[rows, width].</param>
    /// <param name="ids">The row of each output row.</param>
    public Tensor Embedding(Parameter table, ReadOnlySpan<int> ids)
    {
        ArgumentNullException.ThrowIfNull(table);
        Require(table.Shape.Length == 2, $"the embedding table '{table.Name}' must have two dimensions");
        RequireRange(ids, table.Shape[0], table.Name);
        return EmbeddingCore(table, ids);
    }

    /// <summary>x · W + b: (rows, out). The weight's format decides the kernel.</summary>
    /// <param name="x">(rows, in).</param>
    /// <param name="weight">[out, in] or [in, out].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="layout">How the weight lies in memory.</param>
    public Tensor Linear(Tensor x, Parameter weight, Parameter? bias = null, LinearLayout layout = LinearLayout.OutIn)
    {
        ArgumentNullException.ThrowIfNull(weight);
        Require(weight.Shape.Length == 2, $"the weight '{weight.Name}' must have two dimensions");
        int columns = layout == LinearLayout.OutIn ? weight.Shape[0] : weight.Shape[1];
        int inner = layout == LinearLayout.OutIn ? weight.Shape[1] : weight.Shape[0];
        Require(x.Columns == inner, $"the weight '{weight.Name}' takes rows of {inner}, not of {x.Columns}");
        Require(bias is null || bias.Length == columns, $"the bias of '{weight.Name}' must have {columns} elements");
        return LinearCore(x, weight, bias, layout, columns);
    }

    /// <summary>Each row minus its mean, divided by its standard deviation (biased), times weight plus bias.</summary>
    /// <param name="x">(rows, width).</param>
    /// <param name="weight">[width], or null for ones.</param>
    /// <param name="bias">[width], or null for zeros.</param>
    /// <param name="epsilon">What is added to the variance.</param>
    public Tensor LayerNorm(Tensor x, Parameter? weight, Parameter? bias, float epsilon)
    {
        RequireWidth(weight, x.Columns);
        RequireWidth(bias, x.Columns);
        return LayerNormCore(x, weight, bias, epsilon);
    }

    /// <summary>Each row divided by its root mean square, times weight (arXiv:1910.07467).</summary>
    /// <param name="x">(rows, width).</param>
    /// <param name="weight">[width], or null for ones.</param>
    /// <param name="epsilon">What is added to the mean square.</param>
    /// <param name="weightOffset">What is added to the weight: 1 for Gemma, otherwise 0.</param>
    public Tensor RmsNorm(Tensor x, Parameter? weight, float epsilon, float weightOffset = 0)
    {
        RequireWidth(weight, x.Columns);
        return RmsNormCore(x, weight, epsilon, weightOffset);
    }

    /// <summary>op(a) · op(b), where op transposes if asked to.</summary>
    /// <param name="a">(m, k), or (k, m) to be transposed.</param>
    /// <param name="b">(k, n), or (n, k) to be transposed.</param>
    /// <param name="transposeA">Whether a is transposed.</param>
    /// <param name="transposeB">Whether b is transposed.</param>
    public Tensor MatMul(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false)
    {
        Require((transposeA ? a.Rows : a.Columns) == (transposeB ? b.Columns : b.Rows), $"inner dimensions of {a} and {b} differ");
        return MatMulCore(a, b, transposeA, transposeB);
    }

    /// <summary>The cross entropy of each row's softmax against a class: (1, 1), or (rows, 1) without reduction.</summary>
    /// <param name="logits">(rows, classes).</param>
    /// <param name="targets">The class of each row, or the ignore index.</param>
    public Tensor CrossEntropy(Tensor logits, ReadOnlySpan<int> targets) => CrossEntropy(logits, targets, new CrossEntropyOptions());

    /// <summary>The cross entropy of each row's softmax against a class: (1, 1), or (rows, 1) without reduction.</summary>
    /// <param name="logits">(rows, classes).</param>
    /// <param name="targets">The class of each row, or the ignore index.</param>
    /// <param name="options">Smoothing, reduction, ignore index.</param>
    /// <param name="classWeights">(1, classes), or none. With smoothing e: (1−e) w[target] nll + e Σ w[c] (−log p[c]) / C; the mean divides
    /// by Σ w[target].</param>
    /// <remarks>The mean over no row at all is 0, not NaN.</remarks>
    public Tensor CrossEntropy(Tensor logits, ReadOnlySpan<int> targets, in CrossEntropyOptions options, Tensor classWeights = default)
    {
        Require(targets.Length == logits.Rows, "a target is needed for each row");
        Require(!classWeights.Exists || classWeights.Length == logits.Columns, "a weight is needed for each class");
        foreach (int target in targets)
            if (target != options.IgnoreIndex && (uint)target >= (uint)logits.Columns)
                throw new ArgumentOutOfRangeException(nameof(targets), target,
                    $"A target must be a class from 0 to {logits.Columns - 1} or the ignore index {options.IgnoreIndex}.");
        return CrossEntropyCore(logits, targets, in options, classWeights);
    }

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
        for (int s = 0; batch.HasCache && s < batch.Sequences; s++)
            if (batch.Cached(s)?.Cache.Shape is { } shape)
                Require(shape.KeyHeads == options.KeyHeads && shape.KeyWidth == key.Columns / options.KeyHeads
                    && shape.ValueWidth == value.Columns / options.KeyHeads && (uint)options.Layer < (uint)shape.Layers,
                    "the key/value cache was made for another model: layers, heads or widths differ");
        Observer?.Attention(this, query, key, batch, options);
        return AttentionCore(query, key, value, batch, keys, IsTraining ? options : options with { Dropout = 0 }, bias);
    }

    /// <summary>Turns each head's pairs of features by an angle that grows with the position (RoPE).</summary>
    /// <param name="x">(tokens, heads · head width).</param>
    /// <param name="table">The angles.</param>
    /// <param name="positions">The position of each row.</param>
    /// <param name="headWidth">The width of one head; features past the table's rotary width stay as they are.</param>
    public Tensor Rotary(Tensor x, RotaryTable table, ReadOnlySpan<int> positions, int headWidth)
    {
        Require(positions.Length == x.Rows, "a position is needed for each row");
        RequireRotary(x, table, headWidth);
        return RotaryCore(x, table, positions, null, headWidth);
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
        ArgumentNullException.ThrowIfNull(batch);
        Require(batch.Tokens == x.Rows, "x must have a row for each token of the batch");
        RequireRotary(x, table, headWidth);
        return RotaryCore(x, table, batch.Positions, batch, headWidth);
    }

    /// <summary>What looks on while a model runs; null most often.</summary>
    public PassObserver? Observer { get; set; }

    private protected virtual Tensor NextLayerCore(Tensor hidden) => hidden;

    /// <summary>Whether layers are run once more when they are differentiated.</summary>
    private protected virtual bool Recomputes => false;

    private protected virtual Tensor LayerCore(Tensor hidden, Func<Tensor, Tensor> layer) => layer(hidden);

    // Apart, so that a layer that is not kept allocates nothing.
    private Func<Tensor, Tensor> Bind<TState>(TState state, Func<Pass, Tensor, TState, Tensor> layer)
        => hidden => layer(this, hidden, state);

    private protected abstract Tensor ConstantCore(ReadOnlySpan<float> values, int rows, int columns);

    private protected abstract Tensor FromParameterCore(Parameter parameter);

    private protected abstract double ReadScalarCore(Tensor tensor);

    private protected abstract Tensor ReshapeCore(Tensor x, int rows, int columns);

    private protected abstract Tensor ColumnsCore(Tensor x, int start, int count);

    private protected abstract Tensor ConcatColumnsCore(Tensor a, Tensor b);

    private protected abstract Tensor SelectRowsCore(Tensor x, ReadOnlySpan<int> rows);

    private protected abstract Tensor PickColumnsCore(Tensor x, ReadOnlySpan<int> columns);

    private protected abstract Tensor BinaryCore(BinaryOperation operation, Tensor a, Tensor b);

    /// <summary>A function of each element; the numbers are the bounds of a clamp.</summary>
    private protected abstract Tensor ApplyCore(ElementFunction function, Tensor x, float least, float most);

    private protected abstract Tensor DetachCore(Tensor x);

    private protected abstract Tensor ScaleCore(Tensor x, float factor);

    private protected abstract Tensor ActivateCore(Tensor x, Activation activation);

    private protected abstract Tensor SoftCapCore(Tensor x, float cap);

    private protected abstract Tensor GatedCore(Tensor gate, Tensor up, Activation activation);

    private protected abstract Tensor DropoutCore(Tensor x, float probability);

    private protected abstract Tensor SoftmaxCore(Tensor x);

    private protected abstract Tensor LogSoftmaxCore(Tensor x);

    private protected abstract Tensor LogSumExpCore(Tensor x);

    private protected abstract Tensor RowSumCore(Tensor x);

    private protected abstract Tensor L2NormalizeCore(Tensor x, float epsilon);

    /// <summary>The sum of all elements times a factor: (1, 1).</summary>
    private protected abstract Tensor SumCore(Tensor x, float factor);

    private protected abstract Tensor PoolCore(Tensor x, Batch batch, Pooling pooling);

    private protected abstract Tensor EmbeddingCore(Parameter table, ReadOnlySpan<int> ids);

    private protected abstract Tensor LinearCore(Tensor x, Parameter weight, Parameter? bias, LinearLayout layout, int columns);

    private protected abstract Tensor LayerNormCore(Tensor x, Parameter? weight, Parameter? bias, float epsilon);

    private protected abstract Tensor RmsNormCore(Tensor x, Parameter? weight, float epsilon, float weightOffset);

    private protected abstract Tensor MatMulCore(Tensor a, Tensor b, bool transposeA, bool transposeB);

    private protected abstract Tensor CrossEntropyCore(
        Tensor logits, ReadOnlySpan<int> targets, in CrossEntropyOptions options, Tensor classWeights);

    /// <summary>Attention; the options have dropout in a training pass only.</summary>
    private protected abstract Tensor AttentionCore(
        Tensor query, Tensor key, Tensor value, Batch batch, Batch keys, in AttentionOptions options, Tensor bias);

    /// <summary>Rotary positions; with a batch, a table that depends on the length gets the length of each of its sequences.</summary>
    private protected abstract Tensor RotaryCore(Tensor x, RotaryTable table, ReadOnlySpan<int> positions, Batch? batch, int headWidth);

    private Tensor Binary(BinaryOperation operation, Tensor a, Tensor b)
    {
        Require((b.Rows == a.Rows || b.Rows == 1) && (b.Columns == a.Columns || b.Columns == 1), $"{b} cannot be spread over {a}");
        return BinaryCore(operation, a, b);
    }

    private static void RequireRotary(Tensor x, RotaryTable table, int headWidth)
    {
        ArgumentNullException.ThrowIfNull(table);
        Require(headWidth > 0 && x.Columns % headWidth == 0 && table.RotaryWidth <= headWidth,
            "the head width must divide the columns and hold the rotary width");
    }

    private static void Require([DoesNotReturnIf(false)] bool condition, string problem)
    {
        if (!condition)
            throw new ArgumentException(problem);
    }

    private static void Require(
        [DoesNotReturnIf(false)] bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] CheckMessage problem)
    {
        if (!condition)
            throw new ArgumentException(problem.ToString());
    }

    private static void RequireWidth(Parameter? parameter, int width)
    {
        if (parameter is not null && parameter.Length != width)
            throw new ArgumentException($"'{parameter.Name}' has {parameter.Length} elements, but rows have {width}.");
    }

    private static void RequireRange(ReadOnlySpan<int> ids, int count, string name)
    {
        foreach (int id in ids)
            if ((uint)id >= (uint)count)
                throw new ArgumentOutOfRangeException(nameof(ids), id, $"An id for '{name}' must be from 0 to {count - 1}.");
    }
}

/// <summary>Looks on while a model runs, to show what happens inside it. It may read tensors, and makes none.</summary>
internal abstract class PassObserver
{
    /// <summary>Told what a layer starts from: (tokens, width).</summary>
    public abstract void Layer(Pass pass, Tensor hidden);

    /// <summary>Told of an attention before it is computed.</summary>
    public abstract void Attention(Pass pass, Tensor query, Tensor key, Batch batch, in AttentionOptions options);
}
