namespace Kotonoha.LocalModel.Generation.Sampling;

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
