using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>A loss on pairs that needs no reference model; Δ = log π_c − log π_r.</summary>
internal enum ReferenceFreeLoss
{
    /// <summary>CPO: −(1−ε) log σ(βΔ) − ε log σ(−βΔ) on sums over tokens (arXiv:2401.08417).</summary>
    Sigmoid,

    /// <summary>max(0, 1 − βΔ).</summary>
    Hinge,

    /// <summary>(Δ − 1/(2β))² on means over tokens.</summary>
    Ipo,

    /// <summary>SimPO: CPO on Δ − γ/β, of means over tokens (arXiv:2405.14734).</summary>
    SimPo,
}

/// <summary>The settings of a loss without a reference.</summary>
internal sealed record ReferenceFreeOptions
{
    /// <summary>The formula.</summary>
    public ReferenceFreeLoss Loss { get; init; }

    /// <summary>β.</summary>
    public float Beta { get; init; } = 0.1f;

    /// <summary>ε: the share of pairs that are taken for labelled the wrong way round.</summary>
    public float LabelSmoothing { get; init; }

    /// <summary>γ: SimPO's target margin, in units of β · log π.</summary>
    public float Gamma { get; init; } = 0.5f;

    /// <summary>AlphaPO's α, which puts (1 − e^(−α log π))/α in place of log π (arXiv:2501.03884); 0 for log π itself.</summary>
    public float Alpha { get; init; }
}

/// <summary>Losses that need no reference model, and the reward model's; formulas and defaults as in TRL.</summary>
internal static class ReferenceFreeLosses
{
    /// <summary>CPO, SimPO, AlphaPO and their kin: one value a pair. CPO adds the chosen completions' negative log-likelihood.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="chosen">log π of the chosen completions, summed (CPO) or averaged over tokens (SimPO, IPO): (B, 1).</param>
    /// <param name="rejected">Of the rejected ones: (B, 1).</param>
    /// <param name="options">The settings.</param>
    /// <returns>The losses (B, 1) and the rewards of both: (B, 1) each.</returns>
    public static (Tensor Losses, Tensor Chosen, Tensor Rejected) Pairs(
        Pass pass, Tensor chosen, Tensor rejected, ReferenceFreeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        float beta = options.Beta;
        if (options.Alpha != 0)
            (chosen, rejected) = (Transformed(chosen), Transformed(rejected));
        var difference = pass.Subtract(chosen, rejected);
        float shift = options.Loss == ReferenceFreeLoss.SimPo ? -options.Gamma : 0;
        var margin = pass.Affine(difference, beta, shift);
        var losses = options.Loss switch
        {
            ReferenceFreeLoss.Hinge => pass.Activate(pass.Affine(margin, -1, 1), Activation.Relu),
            ReferenceFreeLoss.Ipo => pass.Square(pass.Affine(difference, 1, -1 / (2 * beta))),
            _ => pass.Add(
                pass.Scale(pass.LogSigmoid(margin), options.LabelSmoothing - 1),
                pass.Scale(pass.LogSigmoid(pass.Scale(margin, -1)), -options.LabelSmoothing)),
        };
        return (losses, pass.Scale(chosen, beta), pass.Scale(rejected, beta));

        Tensor Transformed(Tensor x)
            => pass.Scale(pass.Affine(pass.Exp(pass.Scale(x, -options.Alpha)), -1, 1), 1 / options.Alpha);
    }

    /// <summary>
    /// ORPO's term (arXiv:2403.07691): log σ(log odds_c − log odds_r), odds = p/(1−p) of mean log-probabilities. The loss is the chosen
    /// completions' negative log-likelihood − β · its mean.
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="chosen">log π of the chosen completions, averaged over tokens; below 0: (B, 1).</param>
    /// <param name="rejected">Of the rejected ones: (B, 1).</param>
    /// <returns>log σ of the log odds ratio, and that ratio: (B, 1) each.</returns>
    public static (Tensor LogSigmoid, Tensor LogOddsRatio) OddsRatio(Pass pass, Tensor chosen, Tensor rejected)
    {
        var ratio = pass.Subtract(
            pass.Subtract(chosen, rejected), pass.Subtract(pass.LogOneMinusExp(chosen), pass.LogOneMinusExp(rejected)));
        return (pass.LogSigmoid(ratio), ratio);
    }

    /// <summary>
    /// The reward model's loss after Bradley and Terry: the mean of −log σ(r_c − r_r − margin) (arXiv:2009.01325, with margins
    /// arXiv:2307.09288), plus a coefficient times the mean of (r_c + r_r)², which keeps rewards around 0 (arXiv:2312.09244).
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="chosen">(B, 1).</param>
    /// <param name="rejected">(B, 1).</param>
    /// <param name="margins">By how much each chosen one should win; empty for 0.</param>
    /// <param name="centering">The coefficient.</param>
    public static Tensor BradleyTerry(
        Pass pass, Tensor chosen, Tensor rejected, ReadOnlySpan<float> margins = default, float centering = 0)
    {
        var difference = pass.Subtract(chosen, rejected);
        if (!margins.IsEmpty)
            difference = pass.Subtract(difference, pass.Column(margins));
        var loss = pass.Mean(pass.Scale(pass.LogSigmoid(difference), -1));
        return centering == 0
            ? loss
            : pass.Add(loss, pass.Scale(pass.Mean(pass.Square(pass.Add(chosen, rejected))), centering));
    }
}
