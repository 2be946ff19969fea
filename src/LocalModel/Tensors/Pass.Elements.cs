namespace Kotonoha.LocalModel.Tensors;

/// <content>Element by element, and row by row.</content>
internal abstract unsafe partial class Pass
{
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
}
