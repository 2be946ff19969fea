using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>Losses of a student against a teacher's whole distributions. P is the teacher's, Q the student's.</summary>
internal static class DistillationLosses
{
    /// <summary>
    /// The generalised Jensen–Shannon divergence of GKD (arXiv:2306.13649): β KL(P‖M) + (1−β) KL(Q‖M) with M = βP + (1−β)Q; β = 0 is
    /// KL(P‖Q) and β = 1 is KL(Q‖P). The mean over rows: (1, 1).
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="student">(rows, vocabulary).</param>
    /// <param name="teacher">(rows, vocabulary), a constant.</param>
    /// <param name="beta">From 0 to 1.</param>
    /// <param name="temperature">What both logits are divided by.</param>
    public static Tensor JensenShannon(Pass pass, Tensor student, Tensor teacher, float beta = 0.5f, float temperature = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(beta, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(beta, 1);
        Tensor q = pass.LogSoftmax(pass.Scale(student, 1 / temperature)), p = pass.LogSoftmax(pass.Scale(teacher, 1 / temperature));
        if (beta == 0)
            return Divergence(pass, p, q);
        if (beta == 1)
            return Divergence(pass, q, p);

        // log M = log(e^a + e^b) = a + softplus(b − a).
        Tensor a = pass.Affine(p, 1, MathF.Log(beta)), b = pass.Affine(q, 1, MathF.Log(1 - beta));
        var m = pass.Add(a, pass.Activate(pass.Subtract(b, a), Activation.Softplus));
        return pass.Add(pass.Scale(Divergence(pass, p, m), beta), pass.Scale(Divergence(pass, q, m), 1 - beta));
    }

    /// <summary>
    /// Hinton's distillation (arXiv:1503.02531): T² KL(P‖Q) at temperature T, whose gradient keeps its size whatever T. The mean over rows:
    /// (1, 1).
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="student">(rows, vocabulary).</param>
    /// <param name="teacher">(rows, vocabulary), a constant.</param>
    /// <param name="temperature">T.</param>
    public static Tensor KullbackLeibler(Pass pass, Tensor student, Tensor teacher, float temperature = 1)
        => pass.Scale(JensenShannon(pass, student, teacher, 0, temperature), temperature * temperature);

    /// <summary>
    /// α · <see cref="KullbackLeibler"/> + (1 − α) · cross entropy, both means over the rows that have a label: (1, 1).
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="student">(rows, vocabulary).</param>
    /// <param name="teacher">(rows, vocabulary), a constant.</param>
    /// <param name="labels">The class of each row, or −100.</param>
    /// <param name="temperature">T.</param>
    /// <param name="alpha">α, from 0 to 1.</param>
    public static Tensor Mixed(Pass pass, Tensor student, Tensor teacher, ReadOnlySpan<int> labels, float temperature, float alpha)
    {
        var kept = new List<int>();
        for (int i = 0; i < labels.Length; i++)
            if (labels[i] != CrossEntropyOptions.DefaultIgnoreIndex)
                kept.Add(i);
        var loss = pass.Scale(pass.CrossEntropy(student, labels), 1 - alpha);
        if (kept.Count == 0 || alpha == 0)
            return loss;
        bool all = kept.Count == labels.Length;
        var soft = KullbackLeibler(
            pass, all ? student : pass.SelectRows(student, [.. kept]), all ? teacher : pass.SelectRows(teacher, [.. kept]), temperature);
        return pass.Add(loss, pass.Scale(soft, alpha));
    }

    // The mean over rows of Σ e^p (p − q).
    private static Tensor Divergence(Pass pass, Tensor p, Tensor q)
        => pass.Scale(pass.Sum(pass.Multiply(pass.Exp(p), pass.Subtract(p, q))), 1f / p.Rows);
}
