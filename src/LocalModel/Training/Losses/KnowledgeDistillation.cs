using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>Losses by which a student learns from a teacher's logits.</summary>
internal static class KnowledgeDistillation
{
    /// <summary>
    /// Knowledge distillation (arXiv:1503.02531): α · T² · KL(teacher at T ‖ student at T) + (1 − α) · cross entropy, both means over the
    /// rows that have a label: (1, 1).
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="student">(rows, classes).</param>
    /// <param name="teacher">(rows, classes), without a gradient.</param>
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
        return pass.Add(loss, pass.Scale(
            Divergence(pass, pass.SelectRows(student, [.. kept]), pass.SelectRows(teacher, [.. kept]), temperature),
            alpha * temperature * temperature));
    }

    /// <summary>The mean over rows of KL(teacher ‖ student), both softened by a temperature: (1, 1).</summary>
    public static Tensor Divergence(Pass pass, Tensor student, Tensor teacher, float temperature)
    {
        var s = pass.LogSoftmax(pass.Scale(student, 1 / temperature));
        var t = pass.LogSoftmax(pass.Scale(teacher, 1 / temperature));
        var p = pass.Softmax(pass.Scale(teacher, 1 / temperature));
        return pass.Scale(pass.Sum(pass.Multiply(p, pass.Subtract(t, s))), 1f / student.Rows);
    }
}
