namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>
/// One step between a model's logits and the choice of a token: it changes scores or removes tokens (sets them to minus infinity).
/// </summary>
/// <remarks>A processor holds settings only, so one instance may serve many sequences; it allocates nothing when applied.</remarks>
internal abstract class LogitsProcessor
{
    /// <summary>Changes the logits in place.</summary>
    /// <param name="logits">One score per token of the vocabulary; minus infinity = removed.</param>
    /// <param name="ids">The sequence so far: prompt and generated tokens.</param>
    /// <param name="scratch">Working memory of at least the vocabulary's size.</param>
    public abstract void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch);
}

/// <summary>
/// Makes every token that has occurred less likely: a positive logit is divided by the penalty, a negative one multiplied (Keskar et al.,
/// 2019, CTRL).
/// </summary>
internal sealed class RepetitionPenalty(float penalty, int ignoreFirst = 0) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        scratch.ClearMarks();
        foreach (int id in ids[Math.Min(ignoreFirst, ids.Length)..])
            if (scratch.Mark(id))
                logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
}

/// <summary>
/// Subtracts presence + frequency · count from the logit of every token that was generated (not of those in the prompt alone), as OpenAI's
/// API defines it.
/// </summary>
internal sealed class PresenceFrequencyPenalty(float presence, float frequency, int countFrom) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var counted = ids[Math.Min(countFrom, ids.Length)..];
        foreach (int id in counted)
            scratch.Counts[id]++;
        foreach (int id in counted)
        {
            int count = scratch.Counts[id];
            if (count > 0)
                logits[id] -= presence + frequency * count;
            scratch.Counts[id] = 0;
        }
    }
}

/// <summary>Bans every token that would complete an n-gram that the sequence already holds.</summary>
internal sealed class NoRepeatNgram(int size) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length < size)
            return;
        var tail = ids[(ids.Length - size + 1)..];
        for (int start = 0; start + size <= ids.Length; start++)
            if (ids.Slice(start, size - 1).SequenceEqual(tail))
                logits[ids[start + size - 1]] = float.NegativeInfinity;
    }
}

/// <summary>
/// "Don't repeat yourself": the longer the repeated run that a token would extend, the more is subtracted: multiplier · base^(length -
/// allowed length).
/// </summary>
internal sealed class DryPenalty(float multiplier, float @base, int allowedLength, IReadOnlyList<int> sequenceBreakers) : LogitsProcessor
{
    private const int MaximumMatch = 50;
    private readonly int[] _breakers = [.. sequenceBreakers];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length < 2 || _breakers.AsSpan().Contains(ids[^1]))
            return;
        int last = ids.Length - 1;
        for (int i = 0; i < last; i++)
        {
            if (ids[i] != ids[last])
                continue;
            int length = 1;
            while (length < MaximumMatch && i - length >= 0 && ids[i - length] == ids[last - length]
                && !_breakers.AsSpan().Contains(ids[i - length]))
                length++;
            ref int longest = ref scratch.Counts[ids[i + 1]];
            longest = Math.Max(longest, length);
        }

        foreach (int id in ids)
        {
            int length = scratch.Counts[id];
            scratch.Counts[id] = 0;
            if (length > 0 && length >= allowedLength)
                logits[id] -= (float)(multiplier * Math.Pow(@base, length - allowedLength));
        }
    }
}

/// <summary>
/// The exponential length penalty: from a number of generated tokens on, the end tokens' logits gain |x| · (factor^(tokens beyond) - 1).
/// </summary>
/// <param name="Start">The generated tokens after which it begins.</param>
/// <param name="Factor">Above 1, the end comes sooner.</param>
public sealed record LengthDecay(int Start, double Factor);

/// <summary>From a start length on, the end tokens gain |x| · (factor^(length - start) - 1).</summary>
internal sealed class ExponentialLengthDecay(int start, double factor, IReadOnlyList<int> endTokens) : LogitsProcessor
{
    private readonly int[] _endTokens = [.. endTokens];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length <= start)
            return;
        foreach (int id in _endTokens)
            if (logits[id] > float.NegativeInfinity)
                logits[id] += (float)(Math.Abs(logits[id]) * (Math.Pow(factor, ids.Length - start) - 1));
    }
}

/// <summary>A bias that is added to the logit of a sequence's last token when the tokens before it were just generated.</summary>
/// <param name="Tokens">At least one token id.</param>
/// <param name="Bias">What is added; minus infinity bans the last token in this place.</param>
public sealed record TokenSequenceBias(IReadOnlyList<int> Tokens, float Bias);

/// <summary>
/// Adds a bias to the last token of a sequence where the tokens before it match; with one token it is a logit bias, with minus infinity a
/// ban.
/// </summary>
internal sealed class SequenceBias(IReadOnlyList<TokenSequenceBias> biases) : LogitsProcessor
{
    private readonly (int[] Tokens, float Bias)[] _biases = [.. biases.Select(b => (b.Tokens.ToArray(), b.Bias))];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        foreach (var (tokens, bias) in _biases)
            if (ids.EndsWith(tokens.AsSpan(0, tokens.Length - 1)))
                logits[tokens[^1]] += bias;
    }
}

/// <summary>
/// Bans tokens while the sequence's length is in [from, until): the end tokens below a minimum length, or tokens that are never wanted.
/// </summary>
internal sealed class BannedTokens(IReadOnlyList<int> tokens, int from = 0, int until = int.MaxValue) : LogitsProcessor
{
    private readonly int[] _tokens = [.. tokens];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length < from || ids.Length >= until)
            return;
        foreach (int id in _tokens)
            logits[id] = float.NegativeInfinity;
    }
}

/// <summary>Leaves only the given tokens, with logit 0, when the sequence has exactly the given length.</summary>
internal sealed class ForcedTokens(IReadOnlyList<int> tokens, int length) : LogitsProcessor
{
    private readonly int[] _tokens = [.. tokens];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length != length)
            return;
        logits.Fill(float.NegativeInfinity);
        foreach (int id in _tokens)
            logits[id] = 0;
    }
}

/// <summary>Divides every logit by the temperature: below 1 the distribution sharpens, above 1 it flattens.</summary>
internal sealed class Temperature(float value) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        for (int id = 0; id < logits.Length; id++)
            logits[id] /= value;
    }
}
