using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>The settings of PPO on completions.</summary>
internal sealed record ProximalPolicyOptions
{
    /// <summary>γ: what a reward one token later is worth.</summary>
    public double Discount { get; init; } = 1;

    /// <summary>λ of the generalised advantage estimate.</summary>
    public double Lambda { get; init; } = 0.95;

    /// <summary>The weight of the divergence from the reference in the rewards.</summary>
    public double KlWeight { get; init; } = 0.05;

    /// <summary>Whether the divergence is estimated by e^d − 1 − d with d = log π_ref − log π_old (k3), not by −d (k1).</summary>
    public bool UseK3 { get; init; }

    /// <summary>Whether rewards are brought to deviation 1.</summary>
    public bool WhitenRewards { get; init; }

    /// <summary>Whether advantages are brought to mean 0 and deviation 1.</summary>
    public bool WhitenAdvantages { get; init; } = true;

    /// <summary>ε: the ratio counts from 1 − ε to 1 + ε.</summary>
    public float Clip { get; init; } = 0.2f;

    /// <summary>How far a value may move from the old one.</summary>
    public float ValueClip { get; init; } = 0.2f;

    /// <summary>The weight of the value loss.</summary>
    public float ValueWeight { get; init; } = 0.1f;

    /// <summary>The weight of the mean entropy, which is taken from the loss.</summary>
    public float EntropyBonus { get; init; }
}

/// <summary>What rollouts earned, place by place: sequences · places numbers each.</summary>
/// <param name="Rewards">The reward of each token.</param>
/// <param name="Advantages">As estimated.</param>
/// <param name="UsedAdvantages">Whitened, if asked for.</param>
/// <param name="Returns">What the values are fitted to.</param>
internal sealed record Rollout(double[] Rewards, double[] Advantages, double[] UsedAdvantages, double[] Returns);

/// <summary>The parts of PPO's loss; each (1, 1).</summary>
internal readonly record struct ProximalPolicyResult(Tensor Loss, Tensor Policy, Tensor Value, Tensor Entropy);

/// <summary>Estimates of how a policy has moved.</summary>
/// <param name="ClippedRatios">The share of tokens whose ratio is outside its bounds.</param>
/// <param name="ClippedValues">The share of tokens whose value has moved too far and to the worse.</param>
/// <param name="K1">The mean of log π_old − log π.</param>
/// <param name="HalfSquare">Half the mean of its square.</param>
/// <param name="K3">The mean of w − 1 − log w (http://joschu.net/blog/kl-approx.html).</param>
internal readonly record struct ProximalPolicyMetrics(double ClippedRatios, double ClippedValues, double K1, double HalfSquare, double K3);

/// <summary>
/// Proximal policy optimisation (arXiv:1707.06347) of completions, as for language models in arXiv:2203.02155: the reward comes at the last
/// token, each token costs its divergence from the reference.
/// </summary>
internal static class ProximalPolicy
{
    private const double VarianceEpsilon = 1e-8;

    /// <summary>Rewards, advantages and returns of rollouts. Arrays hold sequences · places numbers, row after row.</summary>
    /// <param name="scores">The reward of each completion.</param>
    /// <param name="old">log π_old of each token.</param>
    /// <param name="reference">log π_ref of each token.</param>
    /// <param name="values">The value head's estimates.</param>
    /// <param name="mask">1 on the tokens of completions, which must be one range in each row.</param>
    /// <param name="options">The settings.</param>
    public static Rollout Evaluate(
        ReadOnlySpan<float> scores, ReadOnlySpan<float> old, ReadOnlySpan<float> reference, ReadOnlySpan<float> values,
        ReadOnlySpan<float> mask, ProximalPolicyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        int places = mask.Length / scores.Length;
        var rewards = new double[mask.Length];
        for (int row = 0; row < scores.Length; row++)
        {
            int last = -1;
            for (int i = row * places; i < (row + 1) * places; i++)
            {
                if (mask[i] == 0)
                    continue;
                last = i;
                double d = (double)reference[i] - old[i];
                rewards[i] = -options.KlWeight * (options.UseK3 ? Math.Exp(d) - 1 - d : -d);
            }

            if (last >= 0)
                rewards[last] += scores[row];
        }

        if (options.WhitenRewards)
            rewards = Whitened(rewards, mask, keepMean: true);
        double[] advantages = new double[mask.Length], returns = new double[mask.Length];
        for (int row = 0; row < scores.Length; row++)
        {
            double next = 0, nextValue = 0;
            for (int i = (row + 1) * places - 1; i >= row * places; i--)
            {
                if (mask[i] == 0)
                    continue;
                next = rewards[i] + options.Discount * nextValue - values[i] + options.Discount * options.Lambda * next;
                (advantages[i], returns[i], nextValue) = (next, next + values[i], values[i]);
            }
        }

        return new Rollout(
            rewards, advantages, options.WhitenAdvantages ? Whitened(advantages, mask, keepMean: false) : advantages, returns);
    }

    /// <summary>(x − mean) / √(variance + 1e-8) over the places of the mask (variance with n − 1); 0 elsewhere.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="mask">1 where a number counts.</param>
    /// <param name="keepMean">Whether the mean is added again.</param>
    public static double[] Whitened(ReadOnlySpan<double> values, ReadOnlySpan<float> mask, bool keepMean)
    {
        double count = 0, sum = 0, squares = 0;
        for (int i = 0; i < values.Length; i++)
            (count, sum) = (count + mask[i], sum + mask[i] * values[i]);
        double mean = count == 0 ? 0 : sum / count;
        for (int i = 0; i < values.Length; i++)
            squares += mask[i] * (values[i] - mean) * (values[i] - mean);
        double inverse = 1 / Math.Sqrt(squares / Math.Max(count - 1, 1) + VarianceEpsilon);
        var whitened = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
            whitened[i] = mask[i] * ((values[i] - mean) * inverse + (keepMean ? mean : 0));
        return whitened;
    }

    /// <summary>
    /// max(−A w, −A clip(w)) and ½ max((v − R)², (clip(v) − R)²), each the mean over tokens, less the entropy bonus.
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="policy">log π of tokens: (sequences, places).</param>
    /// <param name="old">log π_old, a constant: (sequences, places).</param>
    /// <param name="entropies">The entropy at each place: (sequences, places); none without a bonus.</param>
    /// <param name="values">The value head's estimates: (sequences, places).</param>
    /// <param name="oldValues">Those of the rollout, a constant: (sequences, places).</param>
    /// <param name="rollout">What it earned.</param>
    /// <param name="mask">1 on the tokens of completions.</param>
    /// <param name="options">The settings.</param>
    public static ProximalPolicyResult Loss(
        Pass pass, Tensor policy, Tensor old, Tensor entropies, Tensor values, Tensor oldValues, Rollout rollout, ReadOnlySpan<float> mask,
        ProximalPolicyOptions options)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        ArgumentNullException.ThrowIfNull(options);
        var counted = Constant(mask);
        var advantages = Constant(Array.ConvertAll(rollout.UsedAdvantages, a => (float)-a));
        var returns = Constant(Array.ConvertAll(rollout.Returns, r => (float)r));
        var ratio = pass.Exp(pass.Subtract(policy, old));
        var clipped = pass.Clamp(ratio, 1 - options.Clip, 1 + options.Clip);
        var policyLoss = pass.MaskedMean(pass.Maximum(pass.Multiply(ratio, advantages), pass.Multiply(clipped, advantages)), counted);
        var bounded = pass.Add(pass.Clamp(pass.Subtract(values, oldValues), -options.ValueClip, options.ValueClip), oldValues);
        var errors = pass.Maximum(pass.Square(pass.Subtract(values, returns)), pass.Square(pass.Subtract(bounded, returns)));
        var valueLoss = pass.Scale(pass.MaskedMean(errors, counted), 0.5f);
        var loss = pass.Add(policyLoss, pass.Scale(valueLoss, options.ValueWeight));
        var entropy = entropies.Exists ? pass.MaskedMean(entropies, counted) : default;
        if (options.EntropyBonus != 0)
            loss = pass.Subtract(loss, pass.Scale(entropy, options.EntropyBonus));
        return new ProximalPolicyResult(loss, policyLoss, valueLoss, entropy);

        Tensor Constant(ReadOnlySpan<float> numbers) => pass.Constant(numbers, policy.Rows, policy.Columns);
    }

    /// <summary>How far the policy has moved from the one that wrote the completions.</summary>
    /// <param name="policy">log π of tokens.</param>
    /// <param name="old">log π_old.</param>
    /// <param name="values">The values.</param>
    /// <param name="oldValues">Those of the rollout.</param>
    /// <param name="rollout">What it earned.</param>
    /// <param name="mask">1 on the tokens of completions.</param>
    /// <param name="options">The settings.</param>
    public static ProximalPolicyMetrics Measure(
        ReadOnlySpan<float> policy, ReadOnlySpan<float> old, ReadOnlySpan<float> values, ReadOnlySpan<float> oldValues, Rollout rollout,
        ReadOnlySpan<float> mask, ProximalPolicyOptions options)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        ArgumentNullException.ThrowIfNull(options);
        double count = 0, ratios = 0, moved = 0, k1 = 0, square = 0, k3 = 0;
        for (int i = 0; i < mask.Length; i++)
        {
            if (mask[i] == 0)
                continue;
            count++;
            double d = (double)old[i] - policy[i], ratio = Math.Exp(-d), target = rollout.Returns[i];
            double bounded = Math.Clamp(values[i], oldValues[i] - options.ValueClip, oldValues[i] + options.ValueClip);
            ratios += Math.Abs(ratio - 1) > options.Clip ? 1 : 0;
            moved += (bounded - target) * (bounded - target) > (values[i] - target) * (values[i] - target) ? 1 : 0;
            k1 += d;
            square += d * d / 2;
            k3 += ratio - 1 + d;
        }

        count = Math.Max(count, 1);
        return new ProximalPolicyMetrics(ratios / count, moved / count, k1 / count, square / count, k3 / count);
    }
}
