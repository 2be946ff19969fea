namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>
/// Removes tokens below a fixed probability (epsilon sampling), or below min(ε, sqrt(ε)·exp(-entropy)) (eta sampling; Hewitt et al., 2022).
/// </summary>
internal sealed class ProbabilityCutoff(float epsilon, bool entropyAware, int minTokensToKeep = 1) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        double limit = entropyAware ? Math.Min(epsilon, Math.Sqrt(epsilon) * Math.Exp(-softmax.Entropy(logits))) : epsilon;
        float alwaysKept = TopK.KthLargest(logits, minTokensToKeep, scratch);
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] < alwaysKept && Math.Exp(softmax.LogProbability(logits[id])) < limit)
                logits[id] = float.NegativeInfinity;
    }
}

/// <summary>Keeps the tokens whose logit is at least the k-th largest; ties with it stay (Fan et al., 2018).</summary>
internal sealed class TopK(int k, int minTokensToKeep = 1) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        int keep = Math.Max(k, minTokensToKeep);
        if (keep >= logits.Length)
            return;
        float least = KthLargest(logits, keep, scratch);
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] < least)
                logits[id] = float.NegativeInfinity;
    }

    /// <summary>The k-th largest value (k from 1), by quickselect in the scratch memory.</summary>
    internal static float KthLargest(ReadOnlySpan<float> logits, int k, SamplingScratch scratch)
    {
        if (k >= logits.Length)
            return float.NegativeInfinity;
        var values = scratch.Values.AsSpan(0, logits.Length);
        logits.CopyTo(values);
        int low = 0, high = values.Length - 1, target = k - 1;
        while (low < high)
        {
            // Median of three as the pivot: sorted and constant rows stay linear.
            int middle = low + (high - low) / 2;
            float a = values[low], b = values[middle], c = values[high];
            float pivot = Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c));
            int i = low, j = high;
            while (i <= j)
            {
                while (values[i] > pivot)
                    i++;
                while (values[j] < pivot)
                    j--;
                if (i <= j)
                {
                    (values[i], values[j]) = (values[j], values[i]);
                    i++;
                    j--;
                }
            }

            if (target <= j)
                high = j;
            else if (target >= i)
                low = i;
            else
                return values[target];
        }

        return values[target];
    }
}

/// <summary>Nucleus sampling: keeps the smallest set of most probable tokens whose mass reaches p (Holtzman et al., 2020).</summary>
internal sealed class TopP(float p, int minTokensToKeep = 1) : LogitsProcessor
{
    // Tokens this far (in nats) below the best are only sorted when the ones above do not hold the mass.
    private const float FirstLook = 10;

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (p >= 1)
            return;
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        float floor = softmax.Maximum - FirstLook;
        while (true)
        {
            var sorted = scratch.SortDescending(logits, floor);
            bool complete = float.IsNegativeInfinity(floor);
            double before = 0;
            for (int rank = 0; rank < sorted.Length; rank++)
            {
                int id = SamplingScratch.IdOf(sorted[rank]);
                if (rank >= minTokensToKeep && before >= p)
                {
                    KeepFirst(logits, sorted, rank, scratch);
                    return;
                }

                before += Math.Exp(softmax.LogProbability(logits[id]));
            }

            if (complete || (before >= p && sorted.Length >= minTokensToKeep))
            {
                KeepFirst(logits, sorted, sorted.Length, scratch);
                return;
            }

            floor = float.NegativeInfinity;
        }
    }

    /// <summary>Removes every token but the first ones of a sorted list.</summary>
    internal static void KeepFirst(Span<float> logits, ReadOnlySpan<ulong> sorted, int count, SamplingScratch scratch)
    {
        scratch.ClearMarks();
        foreach (ulong key in sorted[..count])
            scratch.Mark(SamplingScratch.IdOf(key));
        for (int id = 0; id < logits.Length; id++)
            if (scratch.Mark(id))
                logits[id] = float.NegativeInfinity;
    }
}

/// <summary>Removes tokens whose probability is below min-p times that of the best (Nguyen et al., 2024).</summary>
internal sealed class MinP(float minP, int minTokensToKeep = 1) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        float maximum = Softmax.Of(logits).Maximum;
        if (float.IsNegativeInfinity(maximum))
            return;
        int kept = 0;
        foreach (float x in logits)
            if (Keeps(x, maximum))
                kept++;
        if (kept < minTokensToKeep)
        {
            var sorted = scratch.SortDescending(logits);
            TopP.KeepFirst(logits, sorted, Math.Min(minTokensToKeep, sorted.Length), scratch);
            return;
        }

        for (int id = 0; id < logits.Length; id++)
            if (!Keeps(logits[id], maximum))
                logits[id] = float.NegativeInfinity;
    }

    private bool Keeps(float x, float maximum) => x > float.NegativeInfinity && Math.Exp((double)x - maximum) >= minP;
}

/// <summary>
/// Locally typical sampling: keeps the tokens whose information is nearest to the entropy until their mass reaches p (Meister et al.,
/// 2023).
/// </summary>
internal sealed class TypicalP(float mass, int minTokensToKeep = 1) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        double entropy = softmax.Entropy(logits);
        var distances = scratch.Values.AsSpan(0, logits.Length);
        for (int id = 0; id < logits.Length; id++)
            distances[id] = (float)Math.Abs(-softmax.LogProbability(logits[id]) - entropy);
        var sorted = scratch.SortAscending(logits, distances);
        int reached = 0;
        double sum = 0;
        foreach (ulong key in sorted)
        {
            sum += Math.Exp(softmax.LogProbability(logits[SamplingScratch.IdOf(key)]));
            if (sum >= mass)
                break;
            reached++;
        }

        float limit = distances[SamplingScratch.IdOf(sorted[Math.Min(reached, sorted.Length - 1)])];
        for (int rank = Math.Min(minTokensToKeep, sorted.Length); rank < sorted.Length; rank++)
        {
            int id = SamplingScratch.IdOf(sorted[rank]);
            if (distances[id] > limit)
                logits[id] = float.NegativeInfinity;
        }
    }
}

/// <summary>Removes tokens whose logit lies more than n standard deviations below the best (Tang et al., 2024).</summary>
internal sealed class TopNSigma(float n) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        double sum = 0, squares = 0;
        int count = 0;
        float maximum = float.NegativeInfinity;
        foreach (float x in logits)
            if (x > float.NegativeInfinity)
            {
                maximum = Math.Max(maximum, x);
                sum += x;
                count++;
            }

        if (count == 0)
            return;
        double mean = sum / count;
        foreach (float x in logits)
            if (x > float.NegativeInfinity)
                squares += (x - mean) * (x - mean);
        double least = maximum - n * Math.Sqrt(squares / count);
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] < least)
                logits[id] = float.NegativeInfinity;
    }
}

/// <summary>
/// Keeps the most probable tokens while their entropy stays within a share of the entropy of the hundred best (Top-H decoding, 2025).
/// </summary>
internal sealed class TopH(float share, int candidates = TopH.DefaultCandidates) : LogitsProcessor
{
    public const int DefaultCandidates = 100;

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        float least = TopK.KthLargest(logits, candidates, scratch);
        var sorted = scratch.SortDescending(logits, least);
        sorted = sorted[..Math.Min(candidates, sorted.Length)];
        if (sorted.IsEmpty)
            return;
        float maximum = logits[SamplingScratch.IdOf(sorted[0])];
        double sum = 0;
        foreach (ulong key in sorted)
            sum += Math.Exp((double)logits[SamplingScratch.IdOf(key)] - maximum);
        double logSum = Math.Log(sum), entropy = 0;
        foreach (ulong key in sorted)
            entropy += Information(logits[SamplingScratch.IdOf(key)], maximum, logSum);
        double cumulative = Information(maximum, maximum, logSum);
        int kept = 1;
        while (kept < sorted.Length)
        {
            cumulative += Information(logits[SamplingScratch.IdOf(sorted[kept])], maximum, logSum);
            if (cumulative > share * entropy)
                break;
            kept++;
        }

        TopP.KeepFirst(logits, sorted, kept, scratch);
    }

    private static double Information(float logit, float maximum, double logSum)
    {
        double logProbability = (double)logit - maximum - logSum;
        return -Math.Exp(logProbability) * logProbability;
    }
}

/// <summary>XTC: of the tokens that reach a probability, removes all but the least probable, when there are at least two.</summary>
internal sealed class ExcludeTopChoices(float threshold) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        var sorted = scratch.SortDescending(logits);
        int reaching = 0;
        while (reaching < sorted.Length && Math.Exp(softmax.LogProbability(logits[SamplingScratch.IdOf(sorted[reaching])])) >= threshold)
            reaching++;
        for (int rank = 0; rank < reaching - 1; rank++)
            logits[SamplingScratch.IdOf(sorted[rank])] = float.NegativeInfinity;
    }
}
