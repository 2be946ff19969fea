using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Tensors;

/// <summary>Every operation of a pass on small inputs of odd shapes, for the gradient check and for fast against reference.</summary>
internal static class OperationCases
{
    public static IReadOnlyDictionary<string, Func<Inputs, Tensor>> All { get; } = new Dictionary<string, Func<Inputs, Tensor>>
    {
        ["embedding with repeated ids"] = p => p.Pass.Embedding(p.Of("table", 7, 5), [3, 0, 3, 6]),
        ["linear out-in with bias"] = p => p.Pass.Linear(p.Tensor("x", 5, 7), p.Of("w", 9, 7), p.Of("b", 9)),
        ["linear in-out with bias"] = p => p.Pass.Linear(p.Tensor("x", 5, 7), p.Of("w", 7, 9), p.Of("b", 9), LinearLayout.InOut),
        ["linear in-out without bias, one row"] = p => p.Pass.Linear(p.Tensor("x", 1, 19), p.Of("w", 19, 3), null, LinearLayout.InOut),
        ["linear of larger odd shapes"] = p => p.Pass.Linear(p.Tensor("x", 13, 35), p.Of("w", 35, 67), p.Of("b", 67), LinearLayout.InOut),
        ["linear out-in of larger odd shapes"] = p => p.Pass.Linear(p.Tensor("x", 13, 35), p.Of("w", 67, 35), p.Of("b", 67)),
        ["linear, two uses of one weight"] = p =>
            p.Pass.Linear(p.Pass.Linear(p.Tensor("x", 4, 6), p.Of("w", 6, 6)), p.Of("w", 6, 6), null, LinearLayout.InOut),
        ["matmul"] = p => p.Pass.MatMul(p.Tensor("a", 4, 3), p.Tensor("b", 3, 5)),
        ["matmul transposed left"] = p => p.Pass.MatMul(p.Tensor("a", 3, 4), p.Tensor("b", 3, 5), transposeA: true),
        ["matmul transposed right"] = p => p.Pass.MatMul(p.Tensor("a", 4, 3), p.Tensor("b", 5, 3), transposeB: true),
        ["matmul transposed both"] = p => p.Pass.MatMul(p.Tensor("a", 3, 4), p.Tensor("b", 5, 3), transposeA: true, transposeB: true),
        ["matmul of a tensor with itself"] = p => p.Pass.MatMul(p.Tensor("a", 4, 3), p.Tensor("a", 4, 3), transposeB: true),
        ["layer norm"] = p => p.Pass.LayerNorm(p.Tensor("x", 5, 37), p.Of("w", 37), p.Of("b", 37), 1e-5f),
        ["layer norm without weights"] = p => p.Pass.LayerNorm(p.Tensor("x", 3, 6), null, null, 1e-5f),
        ["rms norm"] = p => p.Pass.RmsNorm(p.Tensor("x", 5, 37), p.Of("w", 37), 1e-5f),
        ["rms norm, weights as offsets from one"] = p => p.Pass.RmsNorm(p.Tensor("x", 3, 6), p.Of("w", 6), 1e-6f, 1),
        ["add"] = p => p.Pass.Add(p.Tensor("a", 5, 37), p.Tensor("b", 5, 37)),
        ["add to itself"] = p => p.Twice(p.Tensor("a", 3, 5), p.Pass.Add),
        ["add a row"] = p => p.Pass.Add(p.Tensor("a", 4, 19), p.Tensor("b", 1, 19)),
        ["subtract a column"] = p => p.Pass.Subtract(p.Tensor("a", 4, 19), p.Tensor("b", 4, 1)),
        ["multiply"] = p => p.Pass.Multiply(p.Tensor("a", 4, 19), p.Tensor("b", 4, 19)),
        ["multiply by itself"] = p => p.Twice(p.Tensor("a", 3, 5), p.Pass.Multiply),
        ["multiply by one value"] = p => p.Pass.Multiply(p.Tensor("a", 4, 3), p.Tensor("b", 1, 1)),
        ["divide"] = p => p.Pass.Divide(p.Tensor("a", 4, 3), p.Pass.Activate(p.Tensor("b", 4, 3), Activation.Softplus)),
        ["minimum"] = p => p.Pass.Minimum(p.Tensor("a", 4, 19), p.Tensor("b", 4, 19)),
        ["minimum with a row"] = p => p.Pass.Minimum(p.Tensor("a", 3, 5), p.Tensor("b", 1, 5)),
        ["minimum of a tensor with itself"] = p => p.Twice(p.Tensor("a", 3, 5), p.Pass.Minimum),
        ["maximum"] = p => p.Pass.Maximum(p.Tensor("a", 4, 19), p.Tensor("b", 4, 19)),
        ["maximum with a column"] = p => p.Pass.Maximum(p.Tensor("a", 3, 5), p.Tensor("b", 3, 1)),
        ["exp"] = p => p.Pass.Exp(p.Tensor("x", 4, 35)),
        ["exp of columns"] = p => p.Pass.Exp(p.Pass.Columns(p.Tensor("x", 4, 35), 3, 7)),
        ["log"] = p => p.Pass.Log(p.Pass.Activate(p.Tensor("x", 4, 35), Activation.Softplus)),
        ["clamp"] = p => p.Pass.Clamp(p.Tensor("x", 4, 35), -0.55f, 0.75f),
        ["clamp from above"] = p => p.Pass.Clamp(p.Tensor("x", 4, 35), float.NegativeInfinity, 0.5f),
        ["scale"] = p => p.Pass.Scale(p.Tensor("a", 4, 35), -1.5f),
        ["gelu"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.Gelu),
        ["gelu tanh"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.GeluTanh),
        ["quick gelu"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.QuickGelu),
        ["silu"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.Silu),
        ["relu"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.Relu),
        ["relu squared"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.ReluSquared),
        ["tanh"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.Tanh),
        ["sigmoid"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.Sigmoid),
        ["softplus"] = p => p.Pass.Activate(p.Tensor("x", 4, 35), Activation.Softplus),
        ["soft cap"] = p => p.Pass.SoftCap(p.Tensor("x", 4, 35), 2.5f),
        ["swiglu"] = p => p.Pass.Gated(p.Tensor("gate", 4, 35), p.Tensor("up", 4, 35), Activation.Silu),
        ["geglu of two halves"] = p =>
            p.Pass.Gated(p.Pass.Columns(p.Tensor("x", 4, 38), 0, 19), p.Pass.Columns(p.Tensor("x", 4, 38), 19, 19), Activation.GeluTanh),
        ["dropout"] = p => p.Pass.Dropout(p.Tensor("x", 6, 35), 0.4f),
        ["softmax"] = p => p.Pass.Softmax(p.Tensor("x", 4, 35)),
        ["log softmax"] = p => p.Pass.LogSoftmax(p.Tensor("x", 4, 35)),
        ["log sum exp"] = p => p.Pass.LogSumExp(p.Tensor("x", 4, 35)),
        ["row sum"] = p => p.Pass.RowSum(p.Tensor("x", 4, 35)),
        ["sum"] = p => p.Pass.Sum(p.Tensor("x", 4, 35)),
        ["mean"] = p => p.Pass.Mean(p.Tensor("x", 4, 35)),
        ["l2 normalize"] = p => p.Pass.L2Normalize(p.Tensor("x", 4, 35)),
        ["select rows"] = p => p.Pass.SelectRows(p.Tensor("x", 4, 5), [2, 2, 0]),
        ["pick columns"] = p => p.Pass.PickColumns(p.Tensor("x", 3, 5), [4, 0, 4]),
        ["reshape"] = p => p.Pass.Activate(p.Pass.Reshape(p.Tensor("x", 3, 10), 6, 5), Activation.Tanh),
        ["columns of columns"] = p => p.Pass.Activate(p.Pass.Columns(p.Pass.Columns(p.Tensor("x", 3, 10), 2, 7), 1, 3), Activation.Tanh),
        ["concat columns"] = p => p.Pass.ConcatColumns(p.Tensor("a", 3, 4), p.Pass.Columns(p.Tensor("b", 3, 7), 2, 3)),
        ["rotary half"] = p => p.Pass.Rotary(p.Tensor("x", 5, 16), new RotaryTable(10000, 8), [0, 1, 2, 9, 700], 8),
        ["rotary interleaved, partial"] = p =>
            p.Pass.Rotary(p.Tensor("x", 5, 16), new RotaryTable(10000, 6, interleaved: true), [0, 1, 2, 9, 700], 8),
        ["pool mean"] = p => p.Pass.Pool(p.Tensor("x", 7, 5), Ragged(3, 0, 4), Pooling.Mean),
        ["pool sum"] = p => p.Pass.Pool(p.Tensor("x", 7, 5), Ragged(3, 0, 4), Pooling.Sum),
        ["pool max"] = p => p.Pass.Pool(p.Tensor("x", 7, 5), Ragged(3, 4), Pooling.Max),
        ["pool first"] = p => p.Pass.Pool(p.Tensor("x", 7, 5), Ragged(3, 4), Pooling.First),
        ["pool last"] = p => p.Pass.Pool(p.Tensor("x", 7, 5), Ragged(3, 4), Pooling.Last),
        ["cross entropy"] = p => p.Pass.CrossEntropy(p.Tensor("x", 5, 35), [3, -100, 0, 34, 1]),
        ["cross entropy, smoothed, summed"] = p => p.Pass.CrossEntropy(
            p.Tensor("x", 5, 35), [3, -100, 0, 34, 1], new CrossEntropyOptions { LabelSmoothing = 0.2f, Reduction = Reduction.Sum }),
        ["cross entropy, one value a row"] = p =>
            p.Pass.CrossEntropy(p.Tensor("x", 4, 7), [3, -100, 0, 6], new CrossEntropyOptions { Reduction = Reduction.None }),
        ["cross entropy, smoothed with class weights"] = p => p.Pass.CrossEntropy(
            p.Tensor("x", 4, 5), [3, -100, 0, 4], new CrossEntropyOptions { LabelSmoothing = 0.2f },
            p.Pass.Constant([1, 2, 0.5f, 3, 0.25f], 1, 5)),
        ["attention, full"] = p => Attend(p, Ragged(3, 5), new AttentionOptions(2)),
        ["attention, causal"] = p => Attend(p, Ragged(3, 5), new AttentionOptions(2) { Causal = true }),
        ["attention, causal over blocks"] = p => Attend(p, Ragged(39, 1, 17), new AttentionOptions(2) { Causal = true }),
        ["attention, causal with a window"] = p => Attend(p, Ragged(21, 5), new AttentionOptions(2) { Causal = true, Window = 3 }),
        ["attention, grouped, own scale, capped"] = p =>
            Attend(p, Ragged(3, 5), new AttentionOptions(6, 2) { Causal = true, Scale = 0.7f, SoftCap = 1.5f }),
        ["attention, dropped"] = p => Attend(p, Ragged(9, 5), new AttentionOptions(2) { Causal = true, Dropout = 0.3f }),
        ["attention, wide values"] = p => Attend(p, Ragged(3, 5), new AttentionOptions(3) { Causal = true }, keyWidth: 4, valueWidth: 19),
        ["attention, other keys"] = p => p.Pass.Attention(
            p.Tensor("q", 8, 10), p.Tensor("k", 6, 10), p.Tensor("v", 6, 10), Ragged(3, 5), new AttentionOptions(2), Ragged(2, 4)),
        ["attention, biased"] = p => p.Pass.Attention(
            p.Tensor("q", 8, 10), p.Tensor("k", 8, 10), p.Tensor("v", 8, 10), Ragged(3, 5), new AttentionOptions(2), null,
            p.Tensor("bias", 2 * 5, 5)),
        ["attention, parts of one tensor"] = p =>
        {
            var qkv = p.Tensor("qkv", 8, 30);
            return p.Pass.Attention(p.Pass.Columns(qkv, 0, 10), p.Pass.Columns(qkv, 10, 10), p.Pass.Columns(qkv, 20, 10), Ragged(3, 5),
                new AttentionOptions(2) { Causal = true });
        },
    };

    public static Batch Ragged(params int[] lengths)
    {
        var batch = new Batch();
        foreach (int length in lengths)
            batch.Append(new int[length]);
        return batch;
    }

    private static Tensor Attend(Inputs p, Batch batch, AttentionOptions options, int keyWidth = 5, int valueWidth = 5)
        => p.Pass.Attention(
            p.Tensor("q", batch.Tokens, options.Heads * keyWidth),
            p.Tensor("k", batch.Tokens, options.KeyHeads * keyWidth),
            p.Tensor("v", batch.Tokens, options.KeyHeads * valueWidth),
            batch,
            options);
}
