using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>
/// What a policy gradient maximises at a token. x = log π, A the advantage, w = e^(x − log π_old) the ratio (per token or per sequence).
/// </summary>
internal enum Surrogate
{
    /// <summary>min(w A, clip(w, 1−ε_low, 1+ε_high) A) (PPO, arXiv:1707.06347; GRPO, arXiv:2402.03300).</summary>
    Clip,

    /// <summary>CISPO: min(w, ε_high), a constant, times A x (arXiv:2506.13585).</summary>
    Cispo,

    /// <summary>SAPO: A · 4 σ(τ (w − 1)) / τ with τ = 1 for A > 0 and 1.05 otherwise (arXiv:2511.20347).</summary>
    Sapo,

    /// <summary>
    /// VESPO: φ A x, φ = e^(λ + k log W − λ W), a constant, of the sequence's ratio W; (k, λ) = (2, 3) for A ≥ 0 and (3, 2) otherwise.
    /// </summary>
    Vespo,
}

/// <summary>What the ratio of policy and old policy is taken of.</summary>
internal enum RatioLevel
{
    /// <summary>Each token.</summary>
    Token,

    /// <summary>The mean of log-ratios over the sequence (GSPO, arXiv:2507.18071).</summary>
    SequenceMean,

    /// <summary>The sum of log-ratios over the sequence (RLOO).</summary>
    SequenceSum,
}

/// <summary>How losses of tokens become one number.</summary>
internal enum TokenAggregation
{
    /// <summary>The mean over sequences of each one's mean (GRPO).</summary>
    SequenceMean,

    /// <summary>The mean over all tokens (BNPO, arXiv:2506.02864).</summary>
    TokenMean,

    /// <summary>The sum over sequences × the longest completion allowed (Dr. GRPO, arXiv:2503.20783).</summary>
    FixedLength,

    /// <summary>The sum over the tokens of the whole batch, of which this may be a part (DAPO, arXiv:2503.14476).</summary>
    BatchTokens,

    /// <summary>The mean over sequences of each one's sum (LUSPO).</summary>
    SequenceSum,
}

/// <summary>The settings of a policy loss.</summary>
internal sealed record PolicyOptions
{
    /// <summary>What is maximised.</summary>
    public Surrogate Surrogate { get; init; }

    /// <summary>What the ratio is taken of.</summary>
    public RatioLevel Level { get; init; }

    /// <summary>How tokens become one number.</summary>
    public TokenAggregation Aggregation { get; init; }

    /// <summary>ε_low: a ratio below 1 − ε_low is clipped.</summary>
    public float ClipLow { get; init; } = 0.2f;

    /// <summary>ε_high: a ratio above 1 + ε_high is clipped (CISPO: above ε_high).</summary>
    public float ClipHigh { get; init; } = 0.2f;

    /// <summary>The most that an unclipped ratio counts (arXiv:2505.07291); ∞ for all of it.</summary>
    public float RatioCap { get; init; } = float.PositiveInfinity;

    /// <summary>β: the weight of the divergence from the reference, e^d − d − 1 with d = log π_ref − x (the estimator k3).</summary>
    public float KlWeight { get; init; }

    /// <summary>
    /// Whether the divergence is multiplied by the ratio, which makes its estimate unbiased (DeepSeek-V3.2, arXiv:2512.02556).
    /// </summary>
    public bool KlTimesRatio { get; init; }

    /// <summary>
    /// Sequences of negative advantage whose mean of log π_old − x exceeds this are left out (DeepSeek-V3.2); null leaves none out.
    /// </summary>
    public float? OffPolicyThreshold { get; init; }

    /// <summary>The share of tokens, those of highest entropy, that count (arXiv:2506.01939).</summary>
    public float TopEntropyShare { get; init; } = 1;

    /// <summary>The weight of the mean entropy, which is taken from the loss.</summary>
    public float EntropyBonus { get; init; }

    /// <summary>The longest completion allowed, for <see cref="TokenAggregation.FixedLength"/>.</summary>
    public int MaxCompletionLength { get; init; }

    /// <summary>The tokens of the whole batch, for <see cref="TokenAggregation.BatchTokens"/>; 0 for those of the mask.</summary>
    public double BatchTokens { get; init; }
}

/// <summary>What a batch of completions gives to a policy loss.</summary>
internal readonly record struct PolicyInputs
{
    /// <summary>x: the policy's log-probabilities of tokens: (sequences, places).</summary>
    public Tensor Policy { get; init; }

    /// <summary>Those of the policy that wrote the completions, a constant; none if it is this policy still.</summary>
    public Tensor Old { get; init; }

    /// <summary>Those of the reference, a constant; needed with a <see cref="PolicyOptions.KlWeight"/>.</summary>
    public Tensor Reference { get; init; }

    /// <summary>The entropy at each place (sequences, places); needed with a bonus or a share.</summary>
    public Tensor Entropies { get; init; }

    /// <summary>One a sequence.</summary>
    public float[] Advantages { get; init; }

    /// <summary>1 on the places of completions, 0 elsewhere: sequences · places numbers.</summary>
    public float[] Mask { get; init; }
}

/// <summary>A policy loss with what its log shows; tensors are to be read before the backward pass.</summary>
internal sealed record PolicyResult
{
    /// <summary>(1, 1).</summary>
    public required Tensor Loss { get; init; }

    /// <summary>The loss without the entropy bonus: (1, 1).</summary>
    public required Tensor PolicyLoss { get; init; }

    /// <summary>w: (sequences, places), or (sequences, 1) of whole sequences.</summary>
    public required Tensor Ratio { get; init; }

    /// <summary>The estimate of the divergence from the reference at each place; none without a reference.</summary>
    public required Tensor Kl { get; init; }

    /// <summary>VESPO's weights (sequences, 1); none otherwise.</summary>
    public required Tensor SequenceWeights { get; init; }
}

/// <summary>How much of a batch was clipped.</summary>
/// <param name="Low">The mean share of tokens of negative advantage below 1 − ε_low.</param>
/// <param name="High">The mean share of tokens of positive advantage above the upper bound.</param>
/// <param name="LowMin">The least of a sequence.</param>
/// <param name="HighMax">The most of a sequence.</param>
internal readonly record struct ClipShares(double Low, double High, double LowMin, double HighMax)
{
    /// <summary>Both.</summary>
    public double Region => Low + High;
}

/// <summary>Policy gradients on completions with one advantage each: GRPO and its kin, RLOO, REINFORCE; formulas as in TRL.</summary>
internal static class PolicyLosses
{
    private const float LeastRatio = 1e-8f;
    private const float MostLogRatio = 20;
    private const float SapoNegativeTemperature = 1.05f;

    /// <summary>The loss of a batch of completions.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="inputs">Log-probabilities and advantages.</param>
    /// <param name="options">The settings.</param>
    /// <exception cref="ArgumentException">A setting needs an input that is not given.</exception>
    public static PolicyResult Clipped(Pass pass, in PolicyInputs inputs, PolicyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.KlWeight != 0 && !inputs.Reference.Exists)
            throw new ArgumentException("A weight of the divergence needs the reference's log-probabilities.", nameof(inputs));
        if ((options.EntropyBonus != 0 || options.TopEntropyShare < 1) && !inputs.Entropies.Exists)
            throw new ArgumentException("An entropy bonus or a share of tokens by entropy needs the entropies.", nameof(inputs));
        Tensor x = inputs.Policy, mask = pass.Constant(inputs.Mask, x.Rows, x.Columns), advantage = pass.Column(inputs.Advantages);
        var logRatio = pass.Subtract(x, inputs.Old.Exists ? inputs.Old : pass.Detach(x));
        var ratio = pass.Exp(options.Level switch
        {
            RatioLevel.Token => logRatio,
            RatioLevel.SequenceMean => pass.MaskedRowMean(logRatio, mask),
            _ => pass.MaskedRowSum(logRatio, mask),
        });
        Tensor weights = default, loss;
        switch (options.Surrogate)
        {
            case Surrogate.Clip:
                var clipped = pass.Clamp(ratio, 1 - options.ClipLow, 1 + options.ClipHigh);
                var capped = float.IsPositiveInfinity(options.RatioCap) ? ratio : pass.Clamp(ratio, 0, options.RatioCap);
                loss = pass.Minimum(pass.Multiply(capped, advantage), pass.Multiply(clipped, advantage));
                break;
            case Surrogate.Cispo:
                var constant = pass.Detach(pass.Clamp(ratio, 0, options.ClipHigh));
                loss = pass.Multiply(pass.Multiply(x, constant), advantage);
                break;
            case Surrogate.Sapo:
                float[] temperatures = Array.ConvertAll(inputs.Advantages, a => a > 0 ? 1 : SapoNegativeTemperature);
                var soft = pass.Sigmoid(pass.Multiply(pass.Affine(ratio, 1, -1), pass.Column(temperatures)));
                var factors = pass.Column(Array.ConvertAll(temperatures, t => 4 / t));
                loss = pass.Multiply(pass.Multiply(soft, factors), advantage);
                break;
            default:
                weights = VespoWeights(pass, logRatio, mask, inputs.Advantages);
                loss = pass.Multiply(pass.Multiply(x, weights), advantage);
                break;
        }

        loss = pass.Scale(loss, -1);
        if (options.OffPolicyThreshold is { } threshold && inputs.Old.Exists)
            loss = pass.Multiply(loss, pass.Column(OnPolicy(pass, logRatio, mask, inputs.Advantages, threshold)));
        if (options.TopEntropyShare < 1)
            loss = pass.Multiply(pass.Constant(TopEntropy(pass, in inputs, options.TopEntropyShare), x.Rows, x.Columns), loss);
        Tensor kl = default;
        if (inputs.Reference.Exists)
        {
            var d = pass.Subtract(inputs.Reference, x);
            kl = pass.Subtract(pass.Affine(pass.Exp(d), 1, -1), d);
            kl = options.KlTimesRatio ? pass.Multiply(kl, ratio) : kl;
            if (options.KlWeight != 0)
                loss = pass.Add(pass.Scale(kl, options.KlWeight), loss);
        }

        var policy = Aggregated(pass, loss, mask, inputs.Mask, options);
        return new PolicyResult
        {
            Loss = options.EntropyBonus == 0
                ? policy
                : pass.Subtract(policy, pass.Scale(pass.MaskedMean(inputs.Entropies, mask), options.EntropyBonus)),
            PolicyLoss = policy,
            Ratio = ratio,
            Kl = kl,
            SequenceWeights = weights,
        };
    }

    /// <summary>REINFORCE with a baseline: −the mean of (r − mean r) · log π of the completion (Williams 1992).</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="policy">The policy's log-probabilities of tokens: (sequences, places).</param>
    /// <param name="mask">1 on the places of completions.</param>
    /// <param name="rewards">One a sequence.</param>
    public static Tensor Reinforce(Pass pass, Tensor policy, ReadOnlySpan<float> mask, ReadOnlySpan<float> rewards)
    {
        float mean = (float)rewards.ToArray().Average(r => (double)r);
        var advantages = Array.ConvertAll(rewards.ToArray(), r => mean - r);
        var sums = pass.MaskedRowSum(policy, pass.Constant(mask, policy.Rows, policy.Columns));
        return pass.Mean(pass.Multiply(sums, pass.Column(advantages)));
    }

    /// <summary>The shares of clipped tokens, or of clipped sequences where the ratio is the sequence's.</summary>
    /// <param name="ratio">w, row after row: of tokens or of sequences.</param>
    /// <param name="advantages">One a sequence.</param>
    /// <param name="mask">1 on the places of completions.</param>
    /// <param name="lowest">Below this a ratio is clipped.</param>
    /// <param name="highest">Above this a ratio is clipped.</param>
    public static ClipShares Shares(
        ReadOnlySpan<float> ratio, ReadOnlySpan<float> advantages, ReadOnlySpan<float> mask, float lowest, float highest)
    {
        int sequences = advantages.Length, places = ratio.Length / sequences;
        bool whole = ratio.Length != mask.Length;
        double low = 0, high = 0, all = 0, lowMin = double.PositiveInfinity, highMax = double.NegativeInfinity;
        for (int row = 0; row < sequences; row++)
        {
            double rowLow = 0, rowHigh = 0, counted = 0;
            for (int i = row * places; i < (row + 1) * places; i++)
            {
                float weight = whole ? 1 : mask[i];
                counted += weight;
                rowLow += ratio[i] < lowest && advantages[row] < 0 ? weight : 0;
                rowHigh += ratio[i] > highest && advantages[row] > 0 ? weight : 0;
            }

            (low, high, all) = (low + rowLow, high + rowHigh, all + counted);
            lowMin = Math.Min(lowMin, rowLow / Math.Max(counted, 1));
            highMax = Math.Max(highMax, rowHigh / Math.Max(counted, 1));
        }

        all = Math.Max(all, 1);
        return new ClipShares(low / all, high / all, lowMin, highMax);
    }

    private static Tensor Aggregated(Pass pass, Tensor loss, Tensor mask, float[] hostMask, PolicyOptions options)
    {
        switch (options.Aggregation)
        {
            case TokenAggregation.SequenceMean:
                return pass.Mean(pass.MaskedRowMean(loss, mask));
            case TokenAggregation.TokenMean:
                return pass.MaskedMean(loss, mask);
            case TokenAggregation.SequenceSum:
                return pass.Mean(pass.MaskedRowSum(loss, mask));
            default:
                double divisor = options.Aggregation == TokenAggregation.FixedLength
                    ? (double)mask.Rows * options.MaxCompletionLength
                    : options.BatchTokens > 0 ? options.BatchTokens : hostMask.Sum();
                return pass.Scale(pass.Sum(pass.Multiply(mask, loss)), (float)(1 / Math.Max(divisor, 1)));
        }
    }

    private static Tensor VespoWeights(Pass pass, Tensor logRatio, Tensor mask, float[] advantages)
    {
        Tensor k = pass.Column(Array.ConvertAll(advantages, a => a >= 0 ? 2f : 3f));
        Tensor lambda = pass.Column(Array.ConvertAll(advantages, a => a >= 0 ? 3f : 2f));
        var log = pass.Clamp(pass.MaskedRowSum(pass.Detach(logRatio), mask), MathF.Log(LeastRatio), MostLogRatio);
        return pass.Exp(pass.Add(pass.Multiply(log, k), pass.Multiply(lambda, pass.Affine(pass.Exp(log), -1, 1))));
    }

    // 0 for sequences to leave out: the policy has moved away from completions that were bad.
    private static float[] OnPolicy(Pass pass, Tensor logRatio, Tensor mask, float[] advantages, float threshold)
    {
        var means = pass.Values(pass.MaskedRowMean(logRatio, mask));
        return [.. means.Select((mean, row) => advantages[row] < 0 && -mean > threshold ? 0f : 1f)];
    }

    // 1 for the tokens whose entropy is at least the quantile.
    private static float[] TopEntropy(Pass pass, in PolicyInputs inputs, float share)
    {
        var entropies = pass.Values(inputs.Entropies);
        float[] mask = inputs.Mask, counted = [.. entropies.Where((_, i) => mask[i] != 0).Order()];
        if (counted.Length == 0)
            return mask;
        double place = (1 - (double)share) * (counted.Length - 1);
        int below = (int)Math.Floor(place), above = Math.Min(below + 1, counted.Length - 1);
        double quantile = counted[below] + (place - below) * (counted[above] - counted[below]);
        return [.. entropies.Select((entropy, i) => entropy >= (float)quantile ? mask[i] : 0)];
    }
}
