using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>The losses by which sentence embeddings are trained; the formulas are those of sentence-transformers. All are (1, 1).</summary>
internal static class EmbeddingLosses
{
    /// <summary>
    /// In-batch negatives (InfoNCE, arXiv:1705.00652): the cross entropy of scale · cos(anchor i, candidate j) with the target i; the
    /// candidates are all positives and, behind them, all hard negatives.
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="anchors">(rows, width).</param>
    /// <param name="candidates">(rows or more, width): candidate i belongs to anchor i.</param>
    /// <param name="scale">The inverse of the temperature.</param>
    /// <param name="symmetric">Whether the anchors are candidates of the positives too, and the mean of both is taken.</param>
    public static Tensor MultipleNegatives(Pass pass, Tensor anchors, Tensor candidates, float scale = 20, bool symmetric = false)
    {
        var a = pass.L2Normalize(anchors);
        var c = pass.L2Normalize(candidates);
        int[] targets = [.. Enumerable.Range(0, anchors.Rows)];
        var scores = pass.Scale(pass.MatMul(a, c, transposeB: true), scale); // (rows, candidates)
        var forward = pass.CrossEntropy(scores, targets);
        if (!symmetric)
            return forward;
        var backward = pass.CrossEntropy(pass.Scale(pass.MatMul(c, a, transposeB: true), scale), targets);
        return pass.Scale(pass.Add(forward, backward), 0.5f);
    }

    /// <summary>
    /// CoSENT: log(1 + Σ exp(scale · (cos j − cos i))) over the pairs i, j of which i has the higher label.
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="left">(rows, width).</param>
    /// <param name="right">(rows, width).</param>
    /// <param name="labels">How alike each pair is.</param>
    /// <param name="scale">The inverse of the temperature.</param>
    public static Tensor CoSent(Pass pass, Tensor left, Tensor right, ReadOnlySpan<float> labels, float scale = 20)
    {
        var cosines = Cosines(pass, left, right);
        List<int> higher = [], lower = [];
        for (int i = 0; i < labels.Length; i++)
            for (int j = 0; j < labels.Length; j++)
                if (labels[i] > labels[j])
                {
                    higher.Add(i);
                    lower.Add(j);
                }

        var zero = pass.Constant([0], 1, 1);
        if (higher.Count == 0)
            return pass.Add(pass.Scale(pass.Sum(cosines), 0), zero);
        var differences = pass.Subtract(
            pass.SelectRows(cosines, [.. lower]), pass.SelectRows(cosines, [.. higher])); // (pairs, 1)
        var row = pass.Reshape(pass.Scale(differences, scale), 1, higher.Count);
        return pass.LogSumExp(pass.ConcatColumns(zero, row));
    }

    /// <summary>The mean of (cos − label)².</summary>
    public static Tensor CosineSimilarity(Pass pass, Tensor left, Tensor right, ReadOnlySpan<float> labels)
    {
        var difference = pass.Subtract(Cosines(pass, left, right), pass.Constant(labels, labels.Length, 1));
        return pass.Mean(pass.Multiply(difference, difference));
    }

    /// <summary>The mean of max(0, ‖a − p‖ − ‖a − n‖ + margin).</summary>
    public static Tensor Triplet(Pass pass, Tensor anchors, Tensor positives, Tensor negatives, float margin)
    {
        var distances = pass.Subtract(Distances(pass, anchors, positives), Distances(pass, anchors, negatives));
        return pass.Mean(pass.Activate(pass.Add(distances, pass.Constant([margin], 1, 1)), Activation.Relu));
    }

    /// <summary>Half the mean of y d² + (1 − y) max(0, margin − d)², with the distance d = 1 − cos.</summary>
    public static Tensor Contrastive(Pass pass, Tensor left, Tensor right, ReadOnlySpan<float> labels, float margin)
    {
        var one = pass.Constant([1], 1, 1);
        var distance = pass.Add(pass.Scale(Cosines(pass, left, right), -1), one);
        var same = pass.Constant(labels, labels.Length, 1);
        var other = pass.Add(pass.Scale(same, -1), one);
        var shortfall = pass.Activate(pass.Add(pass.Scale(distance, -1), pass.Constant([margin], 1, 1)), Activation.Relu);
        var near = pass.Multiply(same, pass.Multiply(distance, distance));
        var far = pass.Multiply(other, pass.Multiply(shortfall, shortfall));
        return pass.Scale(pass.Mean(pass.Add(near, far)), 0.5f);
    }

    /// <summary>The cosine of each pair: (rows, 1).</summary>
    public static Tensor Cosines(Pass pass, Tensor left, Tensor right)
        => pass.RowSum(pass.Multiply(pass.L2Normalize(left), pass.L2Normalize(right)));

    // ‖d‖ = Σ d · d/‖d‖, which needs no root.
    private static Tensor Distances(Pass pass, Tensor left, Tensor right)
    {
        var difference = pass.Subtract(left, right);
        return pass.RowSum(pass.Multiply(difference, pass.L2Normalize(difference)));
    }
}
