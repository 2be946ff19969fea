using System.Globalization;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance;

/// <summary>
/// Each formula of the numerics fixtures, in the operations of a pass. Chosen by the formula and the name of a case; shapes come from its
/// arrays.
/// </summary>
internal static class NumericsFormulas
{
    public static Tensor Compute(NumericsCase c) => c.File switch
    {
        "matmul" => Product(c),
        "embedding" => Embedding(c),
        "norm" => Norm(c),
        "activation" => Activate(c),
        "softmax" => Softmax(c),
        "loss" => Loss(c),
        "rope" => Rotary(c),
        "attention" => Attention(c),
        "pooling" => Pool(c),
        "elementwise" => Elements(c),
        _ => throw Unknown(c),
    };

    private static Tensor Product(NumericsCase c)
    {
        if (c.Weight("x") is not null)
        {
            bool inOut = c.Says("[in,out]");
            return c.Pass.Linear(c.Tensor("x"), c.Need("weight"), c.Weight("bias"), inOut ? LinearLayout.InOut : LinearLayout.OutIn);
        }

        bool transposeA = c.Says("A^T"), transposeB = c.Says("B^T");
        int[] aShape = c.ShapeOf("a"), bShape = c.ShapeOf("b");
        Tensor a = c.Tensor("a"), b = c.Tensor("b");
        if (bShape.Length == 2 && (aShape.Length == 2 || !transposeA))
            return c.Pass.MatMul(a, b, transposeA, transposeB);

        // A batch of products: one after another, put together row by row.
        int aRows = aShape[^2], bRows = bShape[^2], batches = a.Rows / aRows;
        var parts = default(Tensor);
        for (int i = 0; i < batches; i++)
        {
            var left = c.Pass.SelectRows(a, Range(i * aRows, aRows));
            var right = bShape.Length == 2 ? b : c.Pass.SelectRows(b, Range(i * bRows, bRows));
            var product = c.Pass.MatMul(left, right, transposeA, transposeB);
            var row = c.Pass.Reshape(product, 1, (int)product.Length);
            parts = i == 0 ? row : c.Pass.ConcatColumns(parts, row);
        }

        return c.Pass.Reshape(parts, (int)parts.Length / c.OutputShape[^1], c.OutputShape[^1]);
    }

    private static Tensor Embedding(NumericsCase c)
    {
        var ids = c.Integers("ids");
        if (c.Weight("tok") is { } tokens)
        {
            int time = c.ConstantShape("ids")[^1];
            var positions = Enumerable.Range(0, ids.Length).Select(i => i % time).ToArray();
            var sum = c.Pass.Add(c.Pass.Embedding(tokens, ids), c.Pass.Embedding(c.Need("posw"), positions));
            return c.Pass.Add(sum, c.Pass.Embedding(c.Need("typ"), c.Integers("types")));
        }

        var rows = c.Pass.Embedding(c.Need("weight"), ids);
        return c.Says("E^T") ? c.Pass.Linear(rows, c.Need("weight")) : rows;
    }

    private static Tensor Norm(NumericsCase c)
    {
        float epsilon = c.Number("eps", 1e-5f);
        if (c.Is("layer_norm"))
            return c.Pass.LayerNorm(c.Tensor("x"), c.Weight("weight"), c.Weight("bias"), epsilon);
        if (c.Is("rms_norm"))
            return c.Pass.RmsNorm(c.Tensor("x"), c.Weight("weight"), epsilon, c.Says("(1 + weight)") ? 1 : 0);
        if (c.Is("l2_normalize"))
            return c.Pass.L2Normalize(c.Tensor("x"), epsilon);
        throw Unknown(c);
    }

    private static Tensor Activate(NumericsCase c)
    {
        switch (c.Name)
        {
            case "swiglu":
                return c.Pass.Gated(c.Tensor("gate"), c.Tensor("up"), Activation.Silu);
            case "geglu_tanh":
                return c.Pass.Gated(c.Tensor("gate"), c.Tensor("up"), Activation.GeluTanh);
            case "swiglu_mlp":
                var x = c.Tensor("x");
                return c.Pass.Linear(c.Pass.Gated(c.Pass.Linear(x, c.Need("wg")), c.Pass.Linear(x, c.Need("wu")), Activation.Silu),
                    c.Need("wd"));
            case "softcap":
                return c.Pass.SoftCap(c.Tensor("x"), c.Number("cap", 0));
        }

        return c.Pass.Activate(c.Tensor("x"), c.Name switch
        {
            "gelu_erf" => Activation.Gelu,
            "gelu_tanh" => Activation.GeluTanh,
            "quick_gelu" => Activation.QuickGelu,
            "silu" => Activation.Silu,
            "relu" => Activation.Relu,
            "relu_squared" => Activation.ReluSquared,
            "tanh" => Activation.Tanh,
            "sigmoid" => Activation.Sigmoid,
            "softplus" => Activation.Softplus,
            _ => throw Unknown(c),
        });
    }

    private static Tensor Softmax(NumericsCase c)
    {
        var x = c.Tensor("x");
        if (c.HasConstant("mask"))
            x = c.Pass.Add(x, c.Pass.Constant(c.Floats("mask"), x.Rows, x.Columns));
        if (c.Number("temperature", 1) is var temperature && temperature != 1)
            x = c.Pass.Scale(x, 1 / temperature);
        if (c.Is("log_softmax"))
            return c.Pass.LogSoftmax(x);
        if (c.Is("logsumexp"))
            return c.Pass.LogSumExp(x);
        if (c.Is("entropy"))
            return c.Pass.Scale(c.Pass.RowSum(c.Pass.Multiply(c.Pass.Softmax(x), c.Pass.LogSoftmax(x))), -1);
        return c.Pass.Softmax(x);
    }

    private static Tensor Loss(NumericsCase c)
    {
        var pass = c.Pass;
        switch (c.Name)
        {
            case "cross_entropy_soft_targets":
                var scores = c.Tensor("logits");
                var products = pass.Multiply(pass.LogSoftmax(scores), pass.Constant(c.Floats("probs"), scores.Rows, scores.Columns));
                return pass.Scale(pass.Sum(products), -1f / scores.Rows);
            case "causal_lm":
                int time = c.ConstantShape("labels")[^1];
                var labels = c.Integers("labels");
                var shifted = labels.Select((_, i) => i % time == time - 1 ? CrossEntropyOptions.DefaultIgnoreIndex : labels[i + 1])
                    .ToArray();
                return pass.CrossEntropy(c.Tensor("logits"), shifted);
            case "z_loss":
                var lse = pass.LogSumExp(c.Tensor("logits"));
                return pass.Mean(pass.Multiply(lse, lse));
            case "mse":
                var difference = pass.Subtract(c.Tensor("x"), c.Tensor("y"));
                return pass.Mean(pass.Multiply(difference, difference));
            case "bce_with_logits":
                var x = c.Tensor("x");
                var target = pass.Constant(c.Floats("target"), x.Rows, x.Columns);
                return pass.Mean(pass.Subtract(pass.Activate(x, Activation.Softplus), pass.Multiply(x, target)));
            case "kl_temperature":
                float temperature = c.Number("temperature", 1);
                Tensor student = pass.Scale(c.Tensor("s"), 1 / temperature), teacher = pass.Scale(c.Tensor("t"), 1 / temperature);
                var gap = pass.Subtract(pass.LogSoftmax(teacher), pass.LogSoftmax(student));
                return pass.Scale(pass.Sum(pass.Multiply(pass.Softmax(teacher), gap)), temperature * temperature / student.Rows);
            case "infonce_in_batch":
                var cosines = pass.MatMul(pass.L2Normalize(c.Tensor("a")), pass.L2Normalize(c.Tensor("b")), transposeB: true);
                return pass.CrossEntropy(pass.Scale(cosines, c.Number("scale", 1)), Range(0, cosines.Rows));
        }

        if (!c.Is("cross_entropy"))
            throw Unknown(c);
        var logits = c.Tensor("logits");
        var reduction = c.Attributes.TryGetProperty("reduction", out var kind) ? kind.GetString() : "mean";
        var options = new CrossEntropyOptions
        {
            IgnoreIndex = (int)c.Number("ignore_index", CrossEntropyOptions.DefaultIgnoreIndex),
            LabelSmoothing = c.Number("label_smoothing", 0),
            Reduction =
                reduction switch { "mean" => Reduction.Mean, "sum" => Reduction.Sum, "none" => Reduction.None, _ => throw Unknown(c) },
        };
        var weights = c.HasConstant("weight") ? pass.Constant(c.Floats("weight"), 1, logits.Columns) : default;
        return pass.CrossEntropy(logits, c.Integers("target"), options, weights);
    }

    private static Tensor Rotary(NumericsCase c)
    {
        // [B, H, T, D]: every head of every token is a row of its own here.
        int[] shape = c.ShapeOf("x");
        var given = c.Integers("pos");
        bool perRow = c.ConstantShape("pos").Length == 2;
        var positions = new int[shape[0] * shape[1] * shape[2]];
        for (int i = 0; i < positions.Length; i++)
            positions[i] = given[(perRow ? i / (shape[1] * shape[2]) * shape[2] : 0) + i % shape[2]];
        var table = new RotaryTable(c.Number("theta", 10000), (int)c.Number("rotary_dim", shape[3]), interleaved: c.Is("interleaved"));
        return c.Pass.Rotary(c.Tensor("x"), table, positions, shape[3]);
    }

    private static Tensor Attention(NumericsCase c)
    {
        int[] q = c.ShapeOf("q"), k = c.ShapeOf("k");
        int batches = q[0], heads = q[1], queries = q[2], keys = k[2];
        Tensor query = ToTokens(c, "q"), key = ToTokens(c, "k"), value = ToTokens(c, "v");
        int offset = (int)c.Number("query_offset", 0);
        var mask = c.HasConstant("kv_mask") ? c.Integers("kv_mask") : Enumerable.Repeat(1, batches * keys).ToArray();

        // Hidden keys are left out of the ragged batch; those hidden on the left move the places of all that follow.
        var queryBatch = new Batch();
        var keyBatch = new Batch();
        var seen = Enumerable.Range(0, mask.Length).Where(i => mask[i] != 0).ToArray();
        for (int b = 0; b < batches; b++)
        {
            var row = mask.AsSpan(b * keys, keys);
            int first = Math.Max(row.IndexOf(1), 0), count = row.Count(1);
            if (c.Flag("causal") && row.Slice(first, count).Contains(0))
                throw new InvalidDataException("a mask with holes under causal attention");
            queryBatch.Append(new int[queries], offset - first, null);
            keyBatch.Append(new int[count]);
        }

        if (seen.Length < mask.Length)
        {
            key = c.Pass.SelectRows(key, seen);
            value = c.Pass.SelectRows(value, seen);
        }

        var options = new AttentionOptions(heads, k[1])
        {
            Causal = c.Flag("causal"),
            Window = (int)c.Number("window", 0),
            Scale = c.Number("scale", 0),
            SoftCap = c.Number("cap", 0),
        };
        var bias = c.Weight("bias") is null ? default : c.Tensor("bias");
        var output = c.Pass.Attention(query, key, value, queryBatch, options, keyBatch, bias);
        return FromTokens(c, output, batches, heads, queries);
    }

    // [B, H, T, D] -> (B · T, H · D)
    private static Tensor ToTokens(NumericsCase c, string name)
    {
        int[] s = c.ShapeOf(name);
        var order = new int[s[0] * s[1] * s[2]];
        for (int b = 0, i = 0; b < s[0]; b++)
            for (int t = 0; t < s[2]; t++)
                for (int h = 0; h < s[1]; h++)
                    order[i++] = (b * s[1] + h) * s[2] + t;
        return c.Pass.Reshape(c.Pass.SelectRows(c.Tensor(name), order), s[0] * s[2], s[1] * s[3]);
    }

    // (B · T, H · D) -> rows of [B, H, T, D]
    private static Tensor FromTokens(NumericsCase c, Tensor x, int batches, int heads, int time)
    {
        var order = new int[batches * heads * time];
        for (int b = 0, i = 0; b < batches; b++)
            for (int h = 0; h < heads; h++)
                for (int t = 0; t < time; t++)
                    order[i++] = (b * time + t) * heads + h;
        return c.Pass.SelectRows(c.Pass.Reshape(x, batches * time * heads, x.Columns / heads), order);
    }

    private static Tensor Pool(NumericsCase c)
    {
        var pass = c.Pass;
        if (c.Is("cosine_pairwise"))
            return pass.MatMul(pass.L2Normalize(c.Tensor("a")), pass.L2Normalize(c.Tensor("b")), transposeB: true);
        if (c.Is("cosine_rows"))
            return pass.RowSum(pass.Multiply(pass.L2Normalize(c.Tensor("a")), pass.L2Normalize(c.Tensor("b"))));
        int[] shape = c.ShapeOf("x");
        var mask = c.HasConstant("mask") ? c.Integers("mask") : Enumerable.Repeat(1, shape[0] * shape[1]).ToArray();
        var batch = new Batch();
        for (int b = 0; b < shape[0]; b++)
            batch.Append(new int[mask.AsSpan(b * shape[1], shape[1]).Count(1)]);
        var tokens = pass.SelectRows(c.Tensor("x"), Enumerable.Range(0, mask.Length).Where(i => mask[i] != 0).ToArray());
        var pooling = c.Is("mean") ? Pooling.Mean
            : c.Is("max") ? Pooling.Max
            : c.Is("cls") ? Pooling.First
            : c.Is("last") ? Pooling.Last
            : throw Unknown(c);
        var pooled = pass.Pool(tokens, batch, pooling);
        return c.Name.EndsWith("_l2", StringComparison.Ordinal) ? pass.L2Normalize(pooled) : pooled;
    }

    private static Tensor Elements(NumericsCase c)
    {
        var pass = c.Pass;
        if (c.Weight("a") is not null)
        {
            Tensor a = c.Tensor("a"), b = Spread(c);
            return c.Name.Split('_')[0] switch
            {
                "add" => pass.Add(a, b),
                "sub" => pass.Subtract(a, b),
                "mul" => pass.Multiply(a, b),
                "div" => pass.Divide(a, b),
                _ => throw Unknown(c),
            };
        }

        var x = c.Tensor("x");
        int[] shape = c.ShapeOf("x");
        switch (c.Name)
        {
            case "sum_dim":
                var batch = new Batch();
                for (int b = 0; b < shape[0]; b++)
                    batch.Append(new int[shape[1]]);
                return pass.Pool(x, batch, Pooling.Sum);
            case "mean_all":
                return pass.Mean(x);
            case "variance_biased":
                var centred = pass.Subtract(x, pass.Scale(pass.RowSum(x), 1f / x.Columns));
                return pass.Scale(pass.RowSum(pass.Multiply(centred, centred)), 1f / x.Columns);
            case "reshape_transpose":
                int heads = c.OutputShape[1];
                return FromTokens(c, x, shape[0], heads, shape[1]);
            case "split_cat":
                var order = c.Formula[(c.Formula.LastIndexOf(' ') + 1)..].Split(',').Select(p => int.Parse(p, CultureInfo.InvariantCulture))
                    .ToArray();
                int width = x.Columns / order.Length;
                var joined = pass.Columns(x, order[0] * width, width);
                foreach (int part in order.Skip(1))
                    joined = pass.ConcatColumns(joined, pass.Columns(x, part * width, width));
                return joined;
            case "gather_logprob":
                return pass.PickColumns(pass.LogSoftmax(x), c.Integers("ids"));
            case "residual_reuse":
                return pass.Add(x, pass.Multiply(pass.Activate(x, Activation.Tanh), x));
            default:
                throw Unknown(c);
        }
    }

    // The second operand as rows that fit the first: a row, a column or a single value as they are, anything else row by row.
    private static Tensor Spread(NumericsCase c)
    {
        int[] a = c.ShapeOf("a"), b = c.ShapeOf("b");
        var tensor = c.Tensor("b");
        int aRows = a.Take(a.Length - 1).Aggregate(1, (p, d) => p * d);
        if (tensor.Rows == 1 || tensor.Rows == aRows)
            return tensor;
        var padded = Enumerable.Repeat(1, a.Length - b.Length).Concat(b).ToArray();
        var rows = new int[aRows];
        for (int r = 0; r < aRows; r++)
        {
            int rest = r, stride = 1;
            for (int d = a.Length - 2; d >= 0; d--)
            {
                rows[r] += padded[d] == 1 ? 0 : rest % a[d] * stride;
                rest /= a[d];
                stride *= padded[d];
            }
        }

        return c.Pass.SelectRows(tensor, rows);
    }

    private static int[] Range(int start, int count) => Enumerable.Range(start, count).ToArray();

    private static InvalidDataException Unknown(NumericsCase c) => new($"no formula is known for '{c.Formula}'");
}
