namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>What the spread of advantages is divided by.</summary>
internal enum AdvantageScale
{
    /// <summary>The standard deviation of the group's rewards (GRPO, arXiv:2402.03300).</summary>
    Group,

    /// <summary>The standard deviation of all rewards of the batch (arXiv:2508.08221).</summary>
    Batch,

    /// <summary>Nothing (Dr. GRPO, arXiv:2503.20783).</summary>
    None,
}

/// <summary>Advantages of completions from the rewards of those of the same prompt, which stand one after another.</summary>
internal static class GroupAdvantages
{
    private const double Epsilon = 1e-4;

    /// <summary>GRPO: (r − mean of the group) / (standard deviation + 1e-4); the sample's deviation, with n − 1.</summary>
    /// <param name="rewards">One a completion; NaN for one that could not be scored, whose advantage is 0.</param>
    /// <param name="groupSize">The completions of a prompt.</param>
    /// <param name="scale">Whose deviation.</param>
    public static float[] Normalized(ReadOnlySpan<float> rewards, int groupSize, AdvantageScale scale)
    {
        RequireGroups(rewards, groupSize);
        var advantages = new float[rewards.Length];
        double all = MeanAndDeviation(rewards).Deviation;
        for (int start = 0; start < rewards.Length; start += groupSize)
        {
            var (mean, deviation) = MeanAndDeviation(rewards.Slice(start, groupSize));
            double divisor = scale switch
            {
                AdvantageScale.Group => deviation + Epsilon,
                AdvantageScale.Batch => all + Epsilon,
                _ => 1,
            };
            for (int i = start; i < start + groupSize; i++)
                advantages[i] = float.IsNaN(rewards[i]) ? 0 : (float)((rewards[i] - mean) / divisor);
        }

        return advantages;
    }

    /// <summary>RLOO: r − the mean of the other rewards of the group (arXiv:2402.14740).</summary>
    /// <param name="rewards">One a completion.</param>
    /// <param name="groupSize">The completions of a prompt; at least 2.</param>
    /// <param name="normalize">Whether all advantages of the batch are then brought to mean 0 and deviation 1.</param>
    public static float[] LeaveOneOut(ReadOnlySpan<float> rewards, int groupSize, bool normalize = false)
    {
        RequireGroups(rewards, groupSize);
        ArgumentOutOfRangeException.ThrowIfLessThan(groupSize, 2);
        var advantages = new float[rewards.Length];
        for (int start = 0; start < rewards.Length; start += groupSize)
        {
            double sum = 0;
            foreach (float reward in rewards.Slice(start, groupSize))
                sum += reward;
            for (int i = start; i < start + groupSize; i++)
                advantages[i] = (float)(rewards[i] - (sum - rewards[i]) / (groupSize - 1));
        }

        if (!normalize)
            return advantages;
        var (mean, deviation) = MeanAndDeviation(advantages);
        return Array.ConvertAll(advantages, a => (float)((a - mean) / (deviation + Epsilon)));
    }

    /// <summary>
    /// Rewards within bounds, less β times the completion's divergence from the reference (the sum of log π_old − log π_ref over its
    /// tokens), as RLOO takes them.
    /// </summary>
    /// <param name="rewards">One a completion.</param>
    /// <param name="bounds">The least and the most, or null.</param>
    /// <param name="beta">β.</param>
    /// <param name="old">log π_old of tokens, row after row.</param>
    /// <param name="reference">log π_ref of tokens, row after row.</param>
    /// <param name="mask">1 on the places of the completion.</param>
    public static float[] WithKl(
        ReadOnlySpan<float> rewards, (float Least, float Most)? bounds, float beta, ReadOnlySpan<float> old, ReadOnlySpan<float> reference,
        ReadOnlySpan<float> mask)
    {
        int places = mask.Length / rewards.Length;
        var result = rewards.ToArray();
        for (int row = 0; row < result.Length; row++)
        {
            double divergence = 0;
            for (int i = row * places; i < (row + 1) * places; i++)
                divergence += mask[i] * ((double)old[i] - reference[i]);
            if (bounds is var (least, most))
                result[row] = Math.Clamp(result[row], least, most);
            result[row] -= (float)(beta * divergence);
        }

        return result;
    }

    private static (double Mean, double Deviation) MeanAndDeviation(ReadOnlySpan<float> values)
    {
        double sum = 0, squares = 0;
        int count = 0;
        foreach (float value in values)
            if (!float.IsNaN(value))
                (sum, count) = (sum + value, count + 1);
        double mean = count == 0 ? 0 : sum / count;
        foreach (float value in values)
            if (!float.IsNaN(value))
                squares += (value - mean) * (value - mean);
        return (mean, count < 2 ? 0 : Math.Sqrt(squares / (count - 1)));
    }

    private static void RequireGroups(ReadOnlySpan<float> rewards, int groupSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(groupSize);
        if (rewards.IsEmpty || rewards.Length % groupSize != 0)
            throw new ArgumentException($"{rewards.Length} rewards are not whole groups of {groupSize}.", nameof(rewards));
    }
}
