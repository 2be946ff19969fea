namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>What the filters need to know about softmax(logits), computed in double precision.</summary>
/// <param name="Maximum">The largest logit; minus infinity when every token was removed.</param>
/// <param name="LogSum">log of the sum of exp(x - Maximum).</param>
internal readonly record struct Softmax(float Maximum, double LogSum)
{
    /// <summary>Measures a row of logits.</summary>
    public static Softmax Of(ReadOnlySpan<float> logits)
    {
        float maximum = float.NegativeInfinity;
        foreach (float x in logits)
            maximum = Math.Max(maximum, x);
        if (float.IsNegativeInfinity(maximum))
            return new Softmax(maximum, 0);
        double sum = 0;
        foreach (float x in logits)
            if (x > float.NegativeInfinity)
                sum += Math.Exp((double)x - maximum);
        return new Softmax(maximum, Math.Log(sum));
    }

    /// <summary>The natural logarithm of a token's probability.</summary>
    public double LogProbability(float logit) => (double)logit - Maximum - LogSum;

    /// <summary>Finds the likeliest tokens, likeliest first, the lower id before the higher one where they are alike.</summary>
    /// <param name="logits">The row that was measured.</param>
    /// <param name="likeliest">Takes as many as it has places.</param>
    public void KeepLikeliest(ReadOnlySpan<float> logits, Span<TokenLogProbability> likeliest)
    {
        if (likeliest.IsEmpty)
            return;
        int count = 0;
        for (int id = 0; id < logits.Length; id++)
        {
            float logit = logits[id];
            if (count == likeliest.Length && logit <= likeliest[^1].LogProbability)
                continue;
            int at = count < likeliest.Length ? count++ : count - 1;
            for (; at > 0 && likeliest[at - 1].LogProbability < logit; at--)
                likeliest[at] = likeliest[at - 1];
            likeliest[at] = new TokenLogProbability(id, logit);
        }

        foreach (ref var entry in likeliest)
            entry = entry with { LogProbability = (float)LogProbability(entry.LogProbability) };
    }

    /// <summary>The entropy in nats.</summary>
    public double Entropy(ReadOnlySpan<float> logits)
    {
        double entropy = 0;
        foreach (float x in logits)
            if (x > float.NegativeInfinity)
            {
                double logProbability = LogProbability(x);
                entropy -= Math.Exp(logProbability) * logProbability;
            }

        return entropy;
    }
}

/// <summary>Turns logits into log-probabilities.</summary>
internal sealed class LogSoftmax : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        for (int id = 0; id < logits.Length; id++)
            logits[id] = (float)softmax.LogProbability(logits[id]);
    }
}

/// <summary>Working memory for sampling, allocated once for a vocabulary and used by one thread.</summary>
internal sealed class SamplingScratch(int vocabularySize)
{
    private readonly ulong[] _keys = new ulong[vocabularySize];
    private readonly int[] _marks = new int[vocabularySize];
    private int _stamp;

    /// <summary>One float a token, for free use.</summary>
    public float[] Values { get; } = new float[vocabularySize];

    /// <summary>One float a token: the copy of the logits that is worked on.</summary>
    public float[] Logits { get; } = new float[vocabularySize];

    /// <summary>One double a token, for free use.</summary>
    public double[] Weights { get; } = new double[vocabularySize];

    /// <summary>One counter a token, for free use; whoever counts here leaves zeros behind.</summary>
    public int[] Counts { get; } = new int[vocabularySize];

    /// <summary>Forgets all marks.</summary>
    public void ClearMarks()
    {
        if (++_stamp == int.MaxValue)
        {
            Array.Clear(_marks);
            _stamp = 1;
        }
    }

    /// <summary>Marks a token; true when it had no mark yet.</summary>
    public bool Mark(int id)
    {
        if (_marks[id] == _stamp)
            return false;
        _marks[id] = _stamp;
        return true;
    }

    /// <summary>
    /// The tokens with a logit of at least the floor (and above minus infinity), best first; among equals the lower id comes first.
    /// </summary>
    /// <returns>Keys for <see cref="IdOf"/>; valid until the next call.</returns>
    public ReadOnlySpan<ulong> SortDescending(ReadOnlySpan<float> logits, float floor = float.NegativeInfinity)
    {
        int count = 0;
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] >= floor && logits[id] > float.NegativeInfinity)
                _keys[count++] = ((ulong)~Monotone(logits[id]) << 32) | (uint)id;
        var sorted = _keys.AsSpan(0, count);
        sorted.Sort();
        return sorted;
    }

    /// <summary>
    /// All tokens above minus infinity in ascending order of a non-negative value; among equals the lower id comes first.
    /// </summary>
    public ReadOnlySpan<ulong> SortAscending(ReadOnlySpan<float> logits, ReadOnlySpan<float> values)
    {
        int count = 0;
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] > float.NegativeInfinity)
                _keys[count++] = ((ulong)Monotone(values[id]) << 32) | (uint)id;
        var sorted = _keys.AsSpan(0, count);
        sorted.Sort();
        return sorted;
    }

    /// <summary>The token of a sorted key.</summary>
    public static int IdOf(ulong key) => (int)(uint)key;

    // A float's bits in an order that unsigned integers keep; adding zero makes -0 equal to 0.
    private static uint Monotone(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
    }
}
