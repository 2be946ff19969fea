namespace Kotonoha.LocalModel.Tensors;

/// <content>Products with weights, norms, embeddings, products of two tensors, losses.</content>
internal abstract unsafe partial class Pass
{
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
            Record(new TapeEntry
            {
                Operation = Operation.Linear,
                Kind = (int)layout,
                Output = output,
                A = x,
                Weight = weight,
                Bias = bias
            });
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
            Record(new TapeEntry
            {
                Operation = Operation.LayerNorm,
                Output = output,
                A = x,
                Weight = weight,
                Bias = bias,
                Number = epsilon
            });
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
            Record(new TapeEntry
            {
                Operation = Operation.RmsNorm,
                Output = output,
                A = x,
                Weight = weight,
                Number = epsilon,
                SecondNumber = weightOffset
            });
        return output;
    }

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
            Record(new TapeEntry
            {
                Operation = Operation.MatMul,
                Kind = (transposeA ? 1 : 0) | (transposeB ? 2 : 0),
                Output = output,
                A = a,
                B = b
            });
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
        logits = Dense(logits);
        int* kept = Arena.Integers(targets);
        var output = Arena.Allocate(options.Reduction == Reduction.None ? logits.Rows : 1, 1, Wants(logits));
        Backend.CrossEntropy(Arena.View(logits), kept, Optional(classWeights), options, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.CrossEntropy,
                Output = output,
                A = logits,
                B = classWeights,
                Integers = (nint)kept,
                CrossEntropy = options
            });
        return output;
    }
}
