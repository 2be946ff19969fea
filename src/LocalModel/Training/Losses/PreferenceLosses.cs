using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>
/// A loss on pairs of a chosen and a rejected completion. r = log π − log π_ref of a sequence (c chosen, r rejected), Δ = r_c − r_r, β the
/// strength, ε the label smoothing, n the length of a completion.
/// </summary>
internal enum PreferenceLoss
{
    /// <summary>DPO: −log σ(βΔ) (arXiv:2305.18290).</summary>
    Sigmoid,

    /// <summary>SLiC: max(0, 1 − βΔ) (arXiv:2305.10425).</summary>
    Hinge,

    /// <summary>IPO: (r_c/n_c − r_r/n_r − 1/(2β))² (arXiv:2310.12036, with the mean over tokens that TRL takes).</summary>
    Ipo,

    /// <summary>Robust DPO: (−(1−ε) log σ(βΔ) + ε log σ(−βΔ)) / (1 − 2ε) (arXiv:2403.00409).</summary>
    Robust,

    /// <summary>Conservative DPO: −(1−ε) log σ(βΔ) − ε log σ(−βΔ) (Mitchell 2023, "A note on DPO with noisy preferences").</summary>
    Conservative,

    /// <summary>EXO: q (log q − log(1−ε)) + (1−q)(log(1−q) − log ε) with q = σ(βΔ) (arXiv:2402.00856).</summary>
    ExoPair,

    /// <summary>NCA: −log σ(βr_c) − ½ log σ(−βr_c) − ½ log σ(−βr_r) (arXiv:2402.05369).</summary>
    NcaPair,

    /// <summary>BCO without its running mean: −log σ(βr_c) − log σ(−βr_r) (arXiv:2404.04656).</summary>
    BcoPair,

    /// <summary>SPPO: (r_c − 1/(2β))² + (r_r + 1/(2β))² (arXiv:2405.00675).</summary>
    SppoHard,

    /// <summary>AOT: conservative DPO on log π_c − log π_r and its reference's, each sorted over the batch (arXiv:2406.05882).</summary>
    Aot,

    /// <summary>AOT without pairs: conservative DPO on r_c and r_r, each sorted over the batch.</summary>
    AotUnpaired,

    /// <summary>APO-zero: 1 − σ(βr_c) + σ(βr_r) (arXiv:2408.06266).</summary>
    ApoZero,

    /// <summary>APO-down: σ(βr_c) + 1 − σ(βΔ) (arXiv:2408.06266).</summary>
    ApoDown,

    /// <summary>DiscoPOP: (1−m)(−log σ(l)) + m e^(−l) with l = βΔ, m = σ(l/τ), τ = 0.05 (arXiv:2406.08414).</summary>
    DiscoPop,

    /// <summary>DPO on means over tokens: −log σ(β (r_c/n_c − r_r/n_r)) (Tülu 3, arXiv:2411.15124).</summary>
    SigmoidNorm,

    /// <summary>The mean of −log π over all chosen tokens of the batch, to be added to another loss (RPO, arXiv:2404.19733).</summary>
    Sft,
}

/// <summary>The divergence from the reference that the score of a completion follows (f-DPO, arXiv:2309.16240).</summary>
internal enum ReferenceDivergence
{
    /// <summary>r: DPO's.</summary>
    ReverseKl,

    /// <summary>1 − e^(−r).</summary>
    ForwardKl,

    /// <summary>log 2 + log σ(r).</summary>
    JensenShannon,

    /// <summary>(e^((α−1)r) − 1)/(α − 1).</summary>
    Alpha,
}

/// <summary>The settings of a preference loss.</summary>
internal sealed record PreferenceOptions
{
    /// <summary>The losses that are added, with their weights.</summary>
    public IReadOnlyList<(PreferenceLoss Loss, float Weight)> Terms { get; init; } = [(PreferenceLoss.Sigmoid, 1)];

    /// <summary>β: how strongly the policy is held to the reference.</summary>
    public float Beta { get; init; } = 0.1f;

    /// <summary>ε: the share of pairs that are taken for labelled the wrong way round.</summary>
    public float LabelSmoothing { get; init; }

    /// <summary>What a token past the shorter length of its pair counts (LD-DPO, arXiv:2409.06411); 1 for all alike.</summary>
    public float LengthAlpha { get; init; } = 1;

    /// <summary>The score of a completion.</summary>
    public ReferenceDivergence Divergence { get; init; }

    /// <summary>α of the α-divergence.</summary>
    public float DivergenceAlpha { get; init; } = 0.5f;
}

/// <summary>What a batch of pairs gives to a preference loss: rows 0 to B−1 are chosen, rows B to 2B−1 rejected.</summary>
internal readonly record struct PreferenceInputs
{
    /// <summary>The policy's log-probabilities of tokens: (2B, places).</summary>
    public Tensor Policy { get; init; }

    /// <summary>The reference's, summed over each completion: (2B, 1), a constant.</summary>
    public Tensor Reference { get; init; }

    /// <summary>1 on the places of the completion, 0 elsewhere: 2B · places numbers.</summary>
    public float[] Mask { get; init; }

    /// <summary>log Σ p² of each place: (2B, places); given, pairs are weighted as in WPO (arXiv:2406.11827).</summary>
    public Tensor LogSumOfSquares { get; init; }
}

/// <summary>A loss over a batch of pairs, with what its log shows.</summary>
/// <param name="Loss">(1, 1).</param>
/// <param name="Chosen">β (log π − log π_ref) of each chosen completion (for losses without a reference β log π): (B, 1).</param>
/// <param name="Rejected">The same of the rejected ones: (B, 1).</param>
internal readonly record struct PreferenceResult(Tensor Loss, Tensor Chosen, Tensor Rejected)
{
    /// <summary>
    /// The means of the rewards and the share of pairs whose chosen one has the larger; to be read before the backward pass.
    /// </summary>
    public (double Chosen, double Rejected, double Margin, double Accuracy) Rewards(Pass pass)
    {
        float[] chosen = pass.Values(Chosen), rejected = pass.Values(Rejected);
        double first = chosen.Average(), second = rejected.Average();
        return (first, second, first - second, chosen.Zip(rejected).Count(pair => pair.First > pair.Second) / (double)chosen.Length);
    }
}

/// <summary>Losses that compare the policy with a reference model; formulas and defaults as in TRL.</summary>
internal static class PreferenceLosses
{
    private const float DiscoPopTemperature = 0.05f;
    private const float LeastExoSmoothing = 1e-3f;

    /// <summary>The loss of a batch of pairs.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="inputs">Log-probabilities.</param>
    /// <param name="options">The settings.</param>
    public static PreferenceResult Pairs(Pass pass, in PreferenceInputs inputs, PreferenceOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        int pairs = inputs.Policy.Rows / 2, places = inputs.Policy.Columns;
        var mask = pass.Constant(inputs.Mask, 2 * pairs, places);
        var counted = options.LengthAlpha == 1
            ? mask
            : pass.Constant(DiscountedPastShorter(inputs.Mask, places, options.LengthAlpha), 2 * pairs, places);
        var policy = pass.MaskedRowSum(inputs.Policy, counted);
        var ratio = pass.Subtract(policy, inputs.Reference);
        var score = Score(pass, ratio, options);
        var scaled = pass.Divide(score, pass.Clamp(pass.RowSum(mask), 1, float.PositiveInfinity));
        var pair = new Pair(pass, options, pairs)
        {
            Chosen = pass.Rows(score, 0, pairs),
            Rejected = pass.Rows(score, pairs, pairs),
            Policy = Difference(pass, policy, pairs),
            Reference = Difference(pass, inputs.Reference, pairs),
            PerToken = Difference(pass, scaled, pairs),
        };
        Tensor weight = inputs.LogSumOfSquares.Exists ? Weights(pass, in inputs, mask, pairs) : default, loss = default;
        foreach (var (kind, factor) in options.Terms)
        {
            Tensor term;
            if (kind == PreferenceLoss.Sft)
            {
                term = pass.Scale(pass.MaskedMean(pass.Rows(inputs.Policy, 0, pairs), pass.Rows(mask, 0, pairs)), -1);
            }
            else
            {
                var each = pair.Loss(kind);
                term = pass.Mean(weight.Exists ? pass.Multiply(each, weight) : each);
            }

            term = pass.Scale(term, factor);
            loss = loss.Exists ? pass.Add(loss, term) : term;
        }

        var rewards = pass.Scale(ratio, options.Beta);
        return new PreferenceResult(loss, pass.Rows(rewards, 0, pairs), pass.Rows(rewards, pairs, pairs));
    }

    /// <summary>
    /// KTO on completions that are desirable or not, without pairs (arXiv:2402.01306): w_d (1 − σ(β(r − kl))) or w_u (1 − σ(β(kl − r))),
    /// the mean over all. With kl = 0 it is APO-zero for unpaired data.
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="policy">The policy's log-probabilities, summed over each completion: (B, 1).</param>
    /// <param name="reference">The reference's: (B, 1), a constant.</param>
    /// <param name="desirable">Which completions are desirable.</param>
    /// <param name="kl">See <see cref="KlEstimate"/>.</param>
    /// <param name="beta">β.</param>
    /// <param name="desirableWeight">w_d.</param>
    /// <param name="undesirableWeight">w_u.</param>
    /// <returns>The loss and β r of each completion: (B, 1).</returns>
    public static (Tensor Loss, Tensor Rewards) Unpaired(
        Pass pass, Tensor policy, Tensor reference, ReadOnlySpan<bool> desirable, double kl, float beta, float desirableWeight = 1,
        float undesirableWeight = 1)
    {
        float[] signs = new float[desirable.Length], weights = new float[desirable.Length];
        for (int i = 0; i < signs.Length; i++)
            (signs[i], weights[i]) = desirable[i] ? (1, desirableWeight) : (-1, undesirableWeight);
        var ratio = pass.Subtract(policy, reference);
        var value = pass.Sigmoid(pass.Multiply(pass.Affine(ratio, beta, (float)(-beta * kl)), pass.Column(signs)));
        return (pass.Mean(pass.Multiply(pass.Affine(value, -1, 1), pass.Column(weights))), pass.Scale(ratio, beta));
    }

    /// <summary>
    /// KTO's estimate of KL(π‖π_ref): max(0, the mean of log π − log π_ref over completions of other prompts); a constant.
    /// </summary>
    /// <param name="policy">The policy's log-probabilities of mismatched completions.</param>
    /// <param name="reference">The reference's.</param>
    public static double KlEstimate(ReadOnlySpan<float> policy, ReadOnlySpan<float> reference)
    {
        double sum = 0;
        for (int i = 0; i < policy.Length; i++)
            sum += (double)policy[i] - reference[i];
        return Math.Max(0, sum / policy.Length);
    }

    private static Tensor Score(Pass pass, Tensor ratio, PreferenceOptions options) => options.Divergence switch
    {
        ReferenceDivergence.ForwardKl => pass.Affine(pass.Exp(pass.Scale(ratio, -1)), -1, 1),
        ReferenceDivergence.JensenShannon => pass.Affine(pass.LogSigmoid(ratio), 1, MathF.Log(2)),
        ReferenceDivergence.Alpha => pass.Scale(
            pass.Affine(pass.Exp(pass.Scale(ratio, options.DivergenceAlpha - 1)), 1, -1), 1 / (options.DivergenceAlpha - 1)),
        _ => ratio,
    };

    private static Tensor Difference(Pass pass, Tensor rows, int pairs)
        => pass.Subtract(pass.Rows(rows, 0, pairs), pass.Rows(rows, pairs, pairs));

    // w_c · w_r of each pair, w = exp(mean of log p − log Σp²); without a gradient.
    private static Tensor Weights(Pass pass, in PreferenceInputs inputs, Tensor mask, int pairs)
    {
        var mean = pass.MaskedRowMean(pass.Subtract(pass.Detach(inputs.Policy), inputs.LogSumOfSquares), mask);
        return pass.Exp(pass.Add(pass.Rows(mean, 0, pairs), pass.Rows(mean, pairs, pairs)));
    }

    private static float[] DiscountedPastShorter(float[] mask, int places, float alpha)
    {
        int pairs = mask.Length / places / 2;
        var counted = (float[])mask.Clone();
        for (int pair = 0; pair < pairs; pair++)
        {
            float shorter = Math.Min(Length(pair), Length(pair + pairs));
            foreach (int row in (int[])[pair, pair + pairs])
            {
                float seen = 0;
                for (int place = row * places; place < (row + 1) * places; place++)
                {
                    seen += mask[place];
                    if (seen > shorter)
                        counted[place] *= alpha;
                }
            }
        }

        return counted;

        float Length(int row) => mask.AsSpan(row * places, places).ToArray().Sum();
    }

    // The quantities of a batch of pairs that the formulas name, each (B, 1).
    private readonly struct Pair(Pass pass, PreferenceOptions options, int pairs)
    {
        public Tensor Chosen { get; init; }

        public Tensor Rejected { get; init; }

        /// <summary>log π_c − log π_r.</summary>
        public Tensor Policy { get; init; }

        /// <summary>log π_ref,c − log π_ref,r.</summary>
        public Tensor Reference { get; init; }

        /// <summary>r_c/n_c − r_r/n_r.</summary>
        public Tensor PerToken { get; init; }

        public Tensor Loss(PreferenceLoss kind)
        {
            float beta = options.Beta, smoothing = options.LabelSmoothing;
            var margin = pass.Scale(pass.Subtract(Chosen, Rejected), beta);
            Tensor chosen = pass.Scale(Chosen, beta), rejected = pass.Scale(Rejected, beta);
            switch (kind)
            {
                case PreferenceLoss.Sigmoid:
                    return NegativeLog(margin);
                case PreferenceLoss.Hinge:
                    return pass.Activate(pass.Affine(margin, -1, 1), Activation.Relu);
                case PreferenceLoss.Ipo:
                    return pass.Square(pass.Affine(PerToken, 1, -1 / (2 * beta)));
                case PreferenceLoss.Robust:
                    return pass.Scale(Mixed(margin, smoothing, -smoothing), 1 / (1 - 2 * smoothing));
                case PreferenceLoss.Conservative:
                    return Mixed(margin, smoothing, smoothing);
                case PreferenceLoss.ExoPair:
                    Tensor yes = pass.LogSigmoid(margin), no = pass.LogSigmoid(pass.Scale(margin, -1));
                    return pass.Add(
                        pass.Multiply(pass.Exp(yes), pass.Affine(yes, 1, -MathF.Log(1 - Math.Max(smoothing, LeastExoSmoothing)))),
                        pass.Multiply(pass.Exp(no), pass.Affine(no, 1, -MathF.Log(Math.Max(smoothing, LeastExoSmoothing)))));
                case PreferenceLoss.NcaPair:
                    var both = pass.Add(NegativeLog(pass.Scale(chosen, -1)), NegativeLog(pass.Scale(rejected, -1)));
                    return pass.Add(NegativeLog(chosen), pass.Scale(both, 0.5f));
                case PreferenceLoss.BcoPair:
                    return pass.Add(NegativeLog(chosen), NegativeLog(pass.Scale(rejected, -1)));
                case PreferenceLoss.SppoHard:
                    return pass.Add(
                        pass.Square(pass.Affine(Chosen, 1, -0.5f / beta)), pass.Square(pass.Affine(Rejected, 1, 0.5f / beta)));
                case PreferenceLoss.Aot:
                    return Mixed(pass.Scale(pass.Subtract(Sorted(Policy), Sorted(Reference)), beta), smoothing, smoothing);
                case PreferenceLoss.AotUnpaired:
                    return Mixed(pass.Scale(pass.Subtract(Sorted(Chosen), Sorted(Rejected)), beta), smoothing, smoothing);
                case PreferenceLoss.ApoZero:
                    return pass.Affine(pass.Subtract(pass.Sigmoid(rejected), pass.Sigmoid(chosen)), 1, 1);
                case PreferenceLoss.ApoDown:
                    return pass.Affine(pass.Subtract(pass.Sigmoid(chosen), pass.Sigmoid(margin)), 1, 1);
                case PreferenceLoss.DiscoPop:
                    var mix = pass.Sigmoid(pass.Scale(margin, 1 / DiscoPopTemperature));
                    return pass.Add(
                        pass.Multiply(pass.Affine(mix, -1, 1), NegativeLog(margin)),
                        pass.Multiply(mix, pass.Exp(pass.Scale(margin, -1))));
                case PreferenceLoss.SigmoidNorm:
                    return NegativeLog(pass.Scale(PerToken, beta));
                default:
                    throw new ArgumentOutOfRangeException(nameof(kind), kind, "There is no such loss on pairs.");
            }
        }

        private Tensor NegativeLog(Tensor x) => pass.Activate(pass.Scale(x, -1), Activation.Softplus);

        // −(1−share) log σ(x) − factor · log σ(−x)
        private Tensor Mixed(Tensor x, float share, float factor)
            => pass.Add(pass.Scale(NegativeLog(x), 1 - share), pass.Scale(NegativeLog(pass.Scale(x, -1)), factor));

        private Tensor Sorted(Tensor column)
        {
            var order = new int[pairs];
            for (int i = 0; i < pairs; i++)
                order[i] = i;
            Array.Sort(pass.Values(column), order);
            return pass.SelectRows(column, order);
        }
    }
}
