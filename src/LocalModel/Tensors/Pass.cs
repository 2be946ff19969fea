using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// The operations that a model is written in. Each takes tensors of this pass and returns a new one; a <see cref="TrainingPass"/> records the calls,
/// an <see cref="InferencePass"/> does not. Not thread-safe.
/// </summary>
public abstract unsafe class Pass : IDisposable
{
    private float[] _hostCopy = [];
    private RotaryTable.Buffer?[] _rotary = [];

    private protected Pass(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        Backend = backend;
        Arena = new Arena(backend.ElementSize);
    }

    /// <summary>What computes.</summary>
    public Backend Backend { get; }

    /// <summary>Whether calls are recorded and dropout is active.</summary>
    public abstract bool IsTraining { get; }

    /// <summary>The native memory that the pass holds, in bytes.</summary>
    public long MemoryBytes => Arena.CapacityBytes;

    internal Arena Arena { get; }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        Arena.Dispose();
        GC.SuppressFinalize(this);
    }

    // ---- into and out of the pass

    /// <summary>A tensor of given values, without a gradient.</summary>
    /// <param name="values">rows × columns numbers, row after row.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The columns.</param>
    public Tensor Constant(ReadOnlySpan<float> values, int rows, int columns)
    {
        Require(values.Length == (long)rows * columns, "the number of values must be rows × columns");
        var output = Arena.Allocate(rows, columns, needsGradient: false);
        Backend.Write(values, Arena.View(output));
        return output;
    }

    /// <summary>A parameter as a tensor (last dimension, everything before it as rows); its gradient reaches the parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    public Tensor FromParameter(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        int columns = parameter.Shape.IsEmpty ? 1 : parameter.Shape[^1];
        var output = Arena.Allocate(parameter.Length / columns, columns, IsTraining);
        Backend.FromParameter(parameter, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.FromParameter, Output = output, Weight = parameter });
        return output;
    }

    /// <summary>The values of a tensor on the host, row after row. Valid until the pass goes on.</summary>
    /// <param name="tensor">The tensor.</param>
    public ReadOnlySpan<float> Read(Tensor tensor)
    {
        var view = Arena.View(tensor);
        if (Backend.TryGetSpan(view, out var span))
            return span;
        int length = checked((int)view.Length);
        if (_hostCopy.Length < length)
            _hostCopy = new float[length];
        Backend.Read(view, _hostCopy.AsSpan(0, length));
        return _hostCopy.AsSpan(0, length);
    }

    /// <summary>The value of a (1, 1) tensor, such as a loss.</summary>
    /// <param name="tensor">The tensor.</param>
    public double ReadScalar(Tensor tensor)
    {
        Require(tensor.Length == 1, "a single value is needed");
        return Backend.ReadScalar(Arena.View(tensor));
    }

    /// <summary>
    /// The border between two layers. An inference pass looks at cancellation here and takes back the memory of every tensor but the given one.
    /// </summary>
    /// <param name="hidden">What the next layer starts from.</param>
    /// <returns>The same values, to go on with.</returns>
    public virtual Tensor NextLayer(Tensor hidden) => hidden;

    // ---- operations with weights

    /// <summary>Rows of a table: (ids, width).</summary>
    /// <param name="table">[rows, width].</param>
    /// <param name="ids">The row of each output row.</param>
    public Tensor Embedding(Parameter table, ReadOnlySpan<int> ids)
    {
        ArgumentNullException.ThrowIfNull(table);
        Require(table.Shape.Length == 2, $"the embedding table '{table.Name}' must have two dimensions");
        RequireRange(ids, table.Shape[0], table.Name);
        int* kept = Arena.Integers(ids);
        var output = Arena.Allocate(ids.Length, table.Shape[1], IsTraining);
        Backend.Embedding(table, kept, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Embedding, Output = output, Weight = table, Integers = (nint)kept });
        return output;
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
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, columns, IsTraining);
        Backend.Linear(Arena.View(x), weight, bias, layout, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Linear, Kind = (int)layout, Output = output, A = x, Weight = weight, Bias = bias });
        return output;
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
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x) || (IsTraining && (weight ?? bias) is not null));
        Backend.LayerNorm(Arena.View(x), weight, bias, epsilon, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.LayerNorm, Output = output, A = x, Weight = weight, Bias = bias, Number = epsilon });
        return output;
    }

    /// <summary>Each row divided by its root mean square, times weight (arXiv:1910.07467).</summary>
    /// <param name="x">(rows, width).</param>
    /// <param name="weight">[width], or null for ones.</param>
    /// <param name="epsilon">What is added to the mean square.</param>
    /// <param name="weightOffset">What is added to the weight: 1 for Gemma, otherwise 0.</param>
    public Tensor RmsNorm(Tensor x, Parameter? weight, float epsilon, float weightOffset = 0)
    {
        RequireWidth(weight, x.Columns);
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x) || (IsTraining && weight is not null));
        Backend.RmsNorm(Arena.View(x), weight, epsilon, weightOffset, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.RmsNorm, Output = output, A = x, Weight = weight, Number = epsilon, SecondNumber = weightOffset });
        return output;
    }

    // ---- attention and positions

    /// <summary>
    /// softmax(q kᵀ · scale) v, head by head, sequence by sequence. In a batch with a cache the keys and values are put into it first, and the
    /// queries see the whole past. A query that may see no key gives zeros.
    /// </summary>
    /// <param name="query">(tokens, heads · key width).</param>
    /// <param name="key">(key tokens, key heads · key width).</param>
    /// <param name="value">(key tokens, key heads · value width).</param>
    /// <param name="batch">The sequences of the queries.</param>
    /// <param name="options">The kind of attention.</param>
    /// <param name="keys">The sequences of keys and values, if they are other ones (cross attention).</param>
    /// <param name="bias">Added to the scores: (heads · longest query sequence, longest key sequence); none by default.</param>
    /// <returns>(tokens, heads · value width).</returns>
    public Tensor Attention(Tensor query, Tensor key, Tensor value, Batch batch, in AttentionOptions options, Batch? keys = null, Tensor bias = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        keys ??= batch;
        Require(options.Heads > 0 && options.KeyHeads > 0 && options.Heads % options.KeyHeads == 0, "the key heads must divide the heads");
        Require(query.Columns % options.Heads == 0 && key.Columns % options.KeyHeads == 0 && value.Columns % options.KeyHeads == 0, "the heads must divide the width");
        Require(query.Columns / options.Heads == key.Columns / options.KeyHeads, "query and key heads must have the same width");
        Require(query.Rows == batch.Tokens && key.Rows == keys.Tokens && value.Rows == keys.Tokens, "queries, keys and values must have a row for each token of their batch");
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
        Require(headWidth > 0 && x.Columns % headWidth == 0 && table.RotaryWidth <= headWidth, "the head width must divide the columns and hold the rotary width");
        int* kept = Arena.Integers(positions);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Rotary(Arena.View(x), table, kept, headWidth, inverse: false, Arena.View(output), accumulate: false);
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Rotary, Output = output, A = x, Rotary = table, Integers = (nint)kept, Count = headWidth });
        return output;
    }

    /// <summary>As <see cref="Rotary(Tensor, RotaryTable, ReadOnlySpan{int}, int)"/> with a batch's positions; a table that depends on the length gets each sequence's.</summary>
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
        Require(headWidth > 0 && x.Columns % headWidth == 0 && table.RotaryWidth <= headWidth, "the head width must divide the columns and hold the rotary width");
        int* kept = Arena.Integers(batch.Positions);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        RotarySequences(Arena.View(x), table, batch, kept, headWidth, inverse: false, Arena.View(output), accumulate: false);
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Rotary, Output = output, A = x, Rotary = table, Queries = batch, Integers = (nint)kept, Count = headWidth });
        return output;
    }

    // ---- element by element

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

    /// <summary>factor · x.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="factor">The factor.</param>
    public Tensor Scale(Tensor x, float factor)
    {
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Copy(Arena.View(x), Arena.View(output), factor, accumulate: false);
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Copy, Output = output, A = x, Number = factor });
        return output;
    }

    /// <summary>An activation function of each element.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="activation">The function.</param>
    public Tensor Activate(Tensor x, Activation activation)
    {
        if (activation == Activation.None)
            return x;
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Activate(activation, Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Activate, Kind = (int)activation, Output = output, A = x });
        return output;
    }

    /// <summary>cap · tanh(x / cap).</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="cap">The bound.</param>
    public Tensor SoftCap(Tensor x, float cap)
    {
        Require(cap > 0, "the cap must be positive");
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.SoftCap(cap, Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.SoftCap, Output = output, A = x, Number = cap });
        return output;
    }

    /// <summary>activation(gate) · up (SwiGLU with <see cref="Activation.Silu"/>, GEGLU with a gelu; arXiv:2002.05202).</summary>
    /// <param name="gate">(rows, width).</param>
    /// <param name="up">(rows, width).</param>
    /// <param name="activation">The function.</param>
    public Tensor Gated(Tensor gate, Tensor up, Activation activation)
    {
        Require(gate.Rows == up.Rows && gate.Columns == up.Columns, $"gate {gate} and up {up} must have the same dimensions");
        var output = Arena.Allocate(gate.Rows, gate.Columns, Wants(gate) || Wants(up));
        Backend.Gated(activation, Arena.View(gate), Arena.View(up), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Gated, Kind = (int)activation, Output = output, A = gate, B = up });
        return output;
    }

    /// <summary>Drops elements with a probability and scales the others up, in a training pass; x itself otherwise.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="probability">From 0 to less than 1.</param>
    public Tensor Dropout(Tensor x, float probability)
    {
        Require(probability is >= 0 and < 1, "the probability must be at least 0 and less than 1");
        if (!IsTraining || probability == 0)
            return x;
        x = Dense(x);
        ulong key = NextKey();
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Dropout(Arena.View(x), probability, key, Arena.View(output), accumulate: false);
        Record(new TapeEntry { Operation = Operation.Dropout, Output = output, A = x, Number = probability, Key = key });
        return output;
    }

    // ---- row by row

    /// <summary>Softmax over each row.</summary>
    /// <param name="x">(rows, columns).</param>
    public Tensor Softmax(Tensor x)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Softmax(Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Softmax, Output = output, A = x });
        return output;
    }

    /// <summary>The logarithm of the softmax over each row.</summary>
    /// <param name="x">(rows, columns).</param>
    public Tensor LogSoftmax(Tensor x)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.LogSoftmax(Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.LogSoftmax, Output = output, A = x });
        return output;
    }

    /// <summary>log Σ exp over each row: (rows, 1).</summary>
    /// <param name="x">(rows, columns).</param>
    public Tensor LogSumExp(Tensor x)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, 1, Wants(x));
        Backend.LogSumExp(Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.LogSumExp, Output = output, A = x });
        return output;
    }

    /// <summary>The sum of each row: (rows, 1).</summary>
    /// <param name="x">(rows, columns).</param>
    public Tensor RowSum(Tensor x)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, 1, Wants(x));
        Backend.RowSum(Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.RowSum, Output = output, A = x });
        return output;
    }

    /// <summary>x / max(‖x‖, epsilon) for each row.</summary>
    /// <param name="x">(rows, width).</param>
    /// <param name="epsilon">The least length.</param>
    public Tensor L2Normalize(Tensor x, float epsilon = 1e-12f)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.L2Normalize(Arena.View(x), epsilon, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.L2Normalize, Output = output, A = x, Number = epsilon });
        return output;
    }

    /// <summary>The sum of all elements: (1, 1).</summary>
    /// <param name="x">Any tensor.</param>
    public Tensor Sum(Tensor x) => Sum(x, 1);

    /// <summary>The mean of all elements: (1, 1).</summary>
    /// <param name="x">Any tensor.</param>
    public Tensor Mean(Tensor x) => Sum(x, 1f / x.Length);

    /// <summary>One row a sequence: (sequences, width).</summary>
    /// <param name="x">(tokens, width).</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="pooling">How tokens become one row.</param>
    public Tensor Pool(Tensor x, Batch batch, Pooling pooling)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Require(x.Rows == batch.Tokens, "x must have a row for each token of the batch");
        x = Dense(x);
        var output = Arena.Allocate(batch.Sequences, x.Columns, Wants(x));
        Backend.Pool(pooling, Arena.View(x), batch, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Pool, Kind = (int)pooling, Output = output, A = x, Queries = batch });
        return output;
    }

    // ---- shapes

    /// <summary>The same elements with other dimensions; no copy.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="rows">The new rows.</param>
    /// <param name="columns">The new columns; rows × columns stays.</param>
    public Tensor Reshape(Tensor x, int rows, int columns)
    {
        Require((long)rows * columns == x.Length, $"{x} cannot become ({rows}, {columns})");
        return Arena.Reshape(Dense(x), rows, columns);
    }

    /// <summary>A range of columns, without a copy where the operation that takes it can do without one.</summary>
    /// <param name="x">(rows, columns).</param>
    /// <param name="start">The first column.</param>
    /// <param name="count">How many.</param>
    public Tensor Columns(Tensor x, int start, int count)
    {
        Require(start >= 0 && count > 0 && start + count <= x.Columns, $"columns {start}..{start + count} are not in {x}");
        return Arena.Columns(x, start, count);
    }

    /// <summary>Columns side by side: (rows, a.Columns + b.Columns).</summary>
    /// <param name="a">The left part.</param>
    /// <param name="b">The right part.</param>
    public Tensor ConcatColumns(Tensor a, Tensor b)
    {
        Require(a.Rows == b.Rows, $"{a} and {b} must have the same rows");
        var output = Arena.Allocate(a.Rows, a.Columns + b.Columns, Wants(a) || Wants(b));
        var view = Arena.View(output);
        Backend.Copy(Arena.View(a), Part(view, 0, a.Columns), 1, accumulate: false);
        Backend.Copy(Arena.View(b), Part(view, a.Columns, b.Columns), 1, accumulate: false);
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.ConcatColumns, Output = output, A = a, B = b });
        return output;
    }

    /// <summary>Rows in any order and number: (rows.Length, columns).</summary>
    /// <param name="x">(n, columns).</param>
    /// <param name="rows">The row of x of each output row.</param>
    public Tensor SelectRows(Tensor x, ReadOnlySpan<int> rows)
    {
        RequireRange(rows, x.Rows, "SelectRows");
        x = Dense(x);
        int* kept = Arena.Integers(rows);
        var output = Arena.Allocate(rows.Length, x.Columns, Wants(x));
        Backend.SelectRows(Arena.View(x), kept, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.SelectRows, Output = output, A = x, Integers = (nint)kept });
        return output;
    }

    /// <summary>One element of each row: (rows, 1).</summary>
    /// <param name="x">(rows, columns).</param>
    /// <param name="columns">The column of each row.</param>
    public Tensor PickColumns(Tensor x, ReadOnlySpan<int> columns)
    {
        Require(columns.Length == x.Rows, "a column is needed for each row");
        RequireRange(columns, x.Columns, "PickColumns");
        x = Dense(x);
        int* kept = Arena.Integers(columns);
        var output = Arena.Allocate(x.Rows, 1, Wants(x));
        Backend.PickColumns(Arena.View(x), kept, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.PickColumns, Output = output, A = x, Integers = (nint)kept });
        return output;
    }

    // ---- products of two tensors, losses

    /// <summary>op(a) · op(b), where op transposes if asked to.</summary>
    /// <param name="a">(m, k), or (k, m) to be transposed.</param>
    /// <param name="b">(k, n), or (n, k) to be transposed.</param>
    /// <param name="transposeA">Whether a is transposed.</param>
    /// <param name="transposeB">Whether b is transposed.</param>
    public Tensor MatMul(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false)
    {
        Require((transposeA ? a.Rows : a.Columns) == (transposeB ? b.Columns : b.Rows), $"inner dimensions of {a} and {b} differ");
        a = Dense(a);
        b = Dense(b);
        var output = Arena.Allocate(transposeA ? a.Columns : a.Rows, transposeB ? b.Rows : b.Columns, Wants(a) || Wants(b));
        Backend.MatMul(Arena.View(a), transposeA, Arena.View(b), transposeB, Arena.View(output), accumulate: false);
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.MatMul, Kind = (transposeA ? 1 : 0) | (transposeB ? 2 : 0), Output = output, A = a, B = b });
        return output;
    }

    /// <summary>The cross entropy of each row's softmax against a class: (1, 1), or (rows, 1) without reduction.</summary>
    /// <param name="logits">(rows, classes).</param>
    /// <param name="targets">The class of each row, or the ignore index.</param>
    public Tensor CrossEntropy(Tensor logits, ReadOnlySpan<int> targets) => CrossEntropy(logits, targets, new CrossEntropyOptions());

    /// <summary>The cross entropy of each row's softmax against a class: (1, 1), or (rows, 1) without reduction.</summary>
    /// <param name="logits">(rows, classes).</param>
    /// <param name="targets">The class of each row, or the ignore index.</param>
    /// <param name="options">Smoothing, reduction, ignore index.</param>
    /// <param name="classWeights">(1, classes), or none. With smoothing e: (1−e) w[target] nll + e Σ w[c] (−log p[c]) / C; the mean divides by Σ w[target].</param>
    /// <remarks>The mean over no row at all is 0, not NaN.</remarks>
    public Tensor CrossEntropy(Tensor logits, ReadOnlySpan<int> targets, in CrossEntropyOptions options, Tensor classWeights = default)
    {
        Require(targets.Length == logits.Rows, "a target is needed for each row");
        Require(!classWeights.Exists || classWeights.Length == logits.Columns, "a weight is needed for each class");
        foreach (int target in targets)
            if (target != options.IgnoreIndex && (uint)target >= (uint)logits.Columns)
                throw new ArgumentOutOfRangeException(nameof(targets), target, $"A target must be a class from 0 to {logits.Columns - 1} or the ignore index {options.IgnoreIndex}.");
        logits = Dense(logits);
        int* kept = Arena.Integers(targets);
        var output = Arena.Allocate(options.Reduction == Reduction.None ? logits.Rows : 1, 1, Wants(logits));
        Backend.CrossEntropy(Arena.View(logits), kept, Optional(classWeights), options, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.CrossEntropy, Output = output, A = logits, B = classWeights, Integers = (nint)kept, CrossEntropy = options });
        return output;
    }

    // ---- for the passes

    private protected AttentionCall Call(
        Tensor query, Tensor key, Tensor value, Tensor bias, Tensor output, Batch batch, Batch keys, AttentionOptions options, ulong dropoutKey)
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

    private protected void RotarySequences(View x, RotaryTable table, Batch batch, int* positions, int headWidth, bool inverse, View output, bool accumulate)
    {
        var starts = batch.SequenceStarts;
        if (_rotary.Length < batch.Sequences)
            Array.Resize(ref _rotary, batch.Sequences);
        for (int s = 0; s < batch.Sequences; s++)
            if (starts[s + 1] - starts[s] is > 0 and var rows)
                Backend.Rotary(Rows(x, starts[s], rows), table.ForLength(batch.RopeLength(s), ref _rotary[s]), positions + starts[s], headWidth, inverse, Rows(output, starts[s], rows), accumulate);
    }

    private View Rows(View view, int start, int count)
        => new((byte*)view.Data + (nint)start * view.Stride * Backend.ElementSize, count, view.Columns, view.Stride);

    private protected View Optional(Tensor tensor) => tensor.Exists ? Arena.View(tensor) : default;

    private protected View Part(View view, int start, int count)
        => new((byte*)view.Data + (nint)start * Backend.ElementSize, view.Rows, count, view.Stride);

    private protected abstract void Record(in TapeEntry entry);

    /// <summary>The key of the next operation that draws random numbers.</summary>
    private protected abstract ulong NextKey();

    private Tensor Binary(BinaryOperation operation, Tensor a, Tensor b)
    {
        Require((b.Rows == a.Rows || b.Rows == 1) && (b.Columns == a.Columns || b.Columns == 1), $"{b} cannot be spread over {a}");
        a = Dense(a);
        b = Dense(b);
        var output = Arena.Allocate(a.Rows, a.Columns, Wants(a) || Wants(b));
        Backend.Binary(operation, Arena.View(a), Arena.View(b), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Binary, Kind = (int)operation, Output = output, A = a, B = b });
        return output;
    }

    private Tensor Sum(Tensor x, float factor)
    {
        x = Dense(x);
        var output = Arena.Allocate(1, 1, Wants(x));
        Backend.Sum(Arena.View(x), factor, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Sum, Output = output, A = x, Number = factor });
        return output;
    }

    // Operations that take dense rows only get a copy of a part of wider rows.
    private Tensor Dense(Tensor x)
    {
        if (Arena.View(x).Dense)
            return x;
        return Scale(x, 1);
    }

    private bool Wants(Tensor x) => IsTraining && Arena.NeedsGradient(x);

    private static void Require([DoesNotReturnIf(false)] bool condition, string problem)
    {
        if (!condition)
            throw new ArgumentException(problem);
    }

    private static void Require([DoesNotReturnIf(false)] bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] CheckMessage problem)
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
