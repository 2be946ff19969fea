using System.Security.Cryptography;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Chooses the tokens of one sequence: its processors in order, then the best token or a draw.</summary>
internal sealed class TokenSampler
{
    private const ulong DrawStream = 0;
    private const ulong XtcStream = 1;
    private const ulong GumbelStream = 2;

    private readonly LogitsProcessor[] _processors;
    private readonly LogitsProcessor[] _filters;
    private readonly ExcludeTopChoices? _excludeTopChoices;
    private readonly Mirostat? _mirostat;
    private readonly SamplingOptions _options;
    private readonly int _promptLength;

    /// <summary>Prepares a sequence.</summary>
    /// <param name="options">Validated settings.</param>
    /// <param name="endTokens">The tokens that end a sequence (for the minimum length).</param>
    /// <param name="promptLength">The number of prompt tokens at the start of the ids.</param>
    /// <param name="maxLength">The tokens of the longest sequence that the request allows, prompt included.</param>
    public TokenSampler(SamplingOptions options, IReadOnlyList<int> endTokens, int promptLength, int maxLength = int.MaxValue)
    {
        _options = options;
        _promptLength = promptLength;
        _processors = [.. Rules(options, endTokens, promptLength, maxLength)];
        _filters = [.. Filters(options)];
        if (options is { XtcProbability: > 0, IsGreedy: false })
            _excludeTopChoices = new ExcludeTopChoices(options.XtcThreshold);
        if (options is { MirostatTau: > 0, IsGreedy: false })
            _mirostat = new Mirostat(options.MirostatTau, options.MirostatEta);
        Seed = options.Seed ?? BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));
    }

    /// <summary>The seed in use: the given one, or the random one taken instead.</summary>
    public long Seed { get; }

    /// <summary>The processors that the settings ask for, in their order.</summary>
    public static IEnumerable<LogitsProcessor> Processors(
        SamplingOptions options, IReadOnlyList<int> endTokens, int promptLength, int maxLength = int.MaxValue)
        => Rules(options, endTokens, promptLength, maxLength).Concat(Filters(options));

    // What makes tokens more or less likely, bans or forces them.
    private static IEnumerable<LogitsProcessor> Rules(
        SamplingOptions options, IReadOnlyList<int> endTokens, int promptLength, int maxLength)
    {
        if (options.SequenceBias.Count + options.LogitBias.Count > 0)
            yield return new SequenceBias(
                [.. options.SequenceBias, .. options.LogitBias.Select(b => new TokenSequenceBias([b.Key], b.Value))]);
        if (options.RepetitionPenalty != 1)
            yield return new RepetitionPenalty(options.RepetitionPenalty, options.RepetitionPenaltyIgnoresPrompt ? promptLength : 0);
        if (options.PresencePenalty != 0 || options.FrequencyPenalty != 0)
            yield return new PresenceFrequencyPenalty(options.PresencePenalty, options.FrequencyPenalty, promptLength);
        if (options.DryMultiplier > 0)
            yield return new DryPenalty(options.DryMultiplier, options.DryBase, options.DryAllowedLength, options.DrySequenceBreakers);
        if (options.NoRepeatNgramSize > 0)
            yield return new NoRepeatNgram(options.NoRepeatNgramSize);
        if (options.BadWords.Count > 0)
            yield return BadWords(options.BadWords, endTokens);
        if (options.MinLength > 0)
            yield return new BannedTokens(endTokens, until: options.MinLength);
        if (options.MinNewTokens > 0)
            yield return new BannedTokens(endTokens, until: promptLength + options.MinNewTokens);
        if (options.ForcedFirstToken is { } first)
            yield return new ForcedTokens([first], length: 1);
        if (options.ForcedLastTokens.Count > 0)
            yield return new ForcedTokens(options.ForcedLastTokens, maxLength - 1);
        if (options.LengthDecay is { } decay)
            yield return new ExponentialLengthDecay(promptLength + decay.Start, decay.Factor, endTokens);
        if (options.SuppressTokens.Count > 0)
            yield return new BannedTokens(options.SuppressTokens);
        if (options.BeginSuppressTokens.Count > 0)
        {
            // A forced first token is not the beginning that is meant.
            int begin = promptLength > 1 || options.ForcedFirstToken is null ? promptLength : promptLength + 1;
            yield return new BannedTokens(options.BeginSuppressTokens, begin, begin + 1);
        }
    }

    // What leaves the likelier tokens alone.
    private static IEnumerable<LogitsProcessor> Filters(SamplingOptions options)
    {
        if (!options.IsGreedy)
            foreach (var filter in Truncations(options))
                yield return filter;
        if (options.RenormalizeLogits)
            yield return new LogSoftmax();
    }

    private static IEnumerable<LogitsProcessor> Truncations(SamplingOptions options)
    {
        if (options.Temperature != 1)
            yield return new Temperature(options.Temperature);
        if (options.TopH < 1)
            yield return new TopH(options.TopH);
        if (options.TopNSigma > 0)
            yield return new TopNSigma(options.TopNSigma);
        if (options.TopK > 0)
            yield return new TopK(options.TopK, options.MinTokensToKeep);
        if (options.TopP < 1)
            yield return new TopP(options.TopP, options.MinTokensToKeep);
        if (options.MinP > 0)
            yield return new MinP(options.MinP, options.MinTokensToKeep);
        if (options.TypicalP < 1)
            yield return new TypicalP(options.TypicalP, options.MinTokensToKeep);
        if (options.EpsilonCutoff > 0)
            yield return new ProbabilityCutoff(options.EpsilonCutoff, entropyAware: false, options.MinTokensToKeep);
        if (options.EtaCutoff > 0)
            yield return new ProbabilityCutoff(options.EtaCutoff, entropyAware: true, options.MinTokensToKeep);
    }

    /// <summary>A ban of token sequences; a word that is nothing but an end token is not banned.</summary>
    public static LogitsProcessor BadWords(IReadOnlyList<IReadOnlyList<int>> words, IReadOnlyList<int> endTokens)
        => new SequenceBias(
            [.. words.Where(w => w.Count != 1 || !endTokens.Contains(w[0])).Select(w => new TokenSequenceBias(w, float.NegativeInfinity))]);

    /// <summary>Chooses the next token; the logits are changed on the way.</summary>
    /// <param name="logits">The model's scores, one a token.</param>
    /// <param name="ids">Prompt and generated tokens so far.</param>
    /// <param name="scratch">Working memory.</param>
    /// <param name="matcher">Says which tokens may come; null for all.</param>
    /// <param name="scores">The model's scores once more, which stay as they are; only needed with a matcher.</param>
    /// <exception cref="SamplingException">No token is left, or a logit is not a number.</exception>
    public int Next(
        Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch, GrammarMatcher? matcher = null,
        ReadOnlySpan<float> scores = default)
    {
        if (_processors.Length + _filters.Length > 0 || matcher is not null)
            RequireNumbers(logits);
        foreach (var processor in _processors)
            processor.Apply(logits, ids, scratch);
        if (matcher is not null)
            Constrain(logits, matcher, scores);
        foreach (var filter in _filters)
            filter.Apply(logits, ids, scratch);
        if (_options.IsGreedy)
            return Best(logits);
        int position = ids.Length - _promptLength;
        if (_excludeTopChoices is not null && Uniform(position, XtcStream) < _options.XtcProbability)
            _excludeTopChoices.Apply(logits, ids, scratch);

        int best = Best(logits);
        if (_mirostat is not null)
            return _mirostat.Next(logits, Uniform(position, DrawStream), scratch);
        if (_options.DrawMethod == DrawMethod.Gumbel)
            return GumbelMaximum(logits, CounterRandom.Key((ulong)Seed, (ulong)position, GumbelStream));
        float maximum = logits[best];
        var weights = scratch.Weights.AsSpan(0, logits.Length);
        for (int id = 0; id < logits.Length; id++)
            weights[id] = logits[id] > float.NegativeInfinity ? Math.Exp((double)logits[id] - maximum) : 0;
        return InverseCdf(weights, Uniform(position, DrawStream));
    }

    // Leaves the tokens that the grammar allows. Where other settings have banned all of these, the grammar outranks them; where the model
    // itself rules them all out, they are equally likely.
    private static void Constrain(Span<float> logits, GrammarMatcher matcher, ReadOnlySpan<float> scores)
    {
        matcher.Apply(logits);
        if (HasToken(logits))
            return;
        scores.CopyTo(logits);
        matcher.Apply(logits);
        if (HasToken(logits))
            return;
        logits.Clear();
        matcher.Apply(logits);
    }

    private static bool HasToken(ReadOnlySpan<float> logits) => logits.ContainsAnyExcept(float.NegativeInfinity);

    /// <summary>The token with the largest logit; among equals the lowest id.</summary>
    /// <exception cref="SamplingException">No token is left, or a logit is not a number.</exception>
    public static int Best(ReadOnlySpan<float> logits)
    {
        RequireNumbers(logits);
        int best = -1;
        float maximum = float.NegativeInfinity;
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] > maximum)
                (maximum, best) = (logits[id], id);
        if (best < 0)
            throw new SamplingException("Every token is banned at this point, so nothing can be generated; loosen the bans (bad words, "
                + "suppressed tokens, n-gram size, minimum length).");
        return best;
    }

    /// <summary>
    /// The smallest index whose cumulative weight exceeds u times the sum, cumulated in ascending order in double precision; never one of
    /// weight zero.
    /// </summary>
    public static int InverseCdf(ReadOnlySpan<double> weights, double u)
    {
        double sum = 0;
        foreach (double weight in weights)
            sum += weight;
        double target = u * sum, cumulative = 0;
        int last = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] <= 0)
                continue;
            cumulative += weights[i];
            last = i;
            if (cumulative > target)
                return i;
        }

        return last;
    }

    /// <summary>
    /// The token with the largest logit - log(-log u) (the Gumbel-max draw from softmax(logits)); among equals the lowest id.
    /// </summary>
    /// <param name="logits">One score per token; those at minus infinity are never chosen.</param>
    /// <param name="uniforms">A number in (0, 1) for each token.</param>
    public static int GumbelMaximum(ReadOnlySpan<float> logits, ReadOnlySpan<float> uniforms)
    {
        int best = -1;
        double maximum = double.NegativeInfinity;
        for (int id = 0; id < logits.Length; id++)
            Challenge(logits[id], uniforms[id], id, ref best, ref maximum);
        return best;
    }

    /// <summary>Refuses logits that are not numbers; minus infinity is allowed, for a model may rule a token out itself.</summary>
    /// <exception cref="SamplingException">A logit is not a number, or plus infinity.</exception>
    public static void RequireNumbers(ReadOnlySpan<float> logits)
    {
        bool numbers = true;
        foreach (float x in logits)
            numbers &= x < float.PositiveInfinity;
        if (!numbers)
            throw new SamplingException("The model gave a logit that is not a finite number; its weights are damaged, or training has "
                + "diverged. Load another checkpoint.");
    }

    // The same draw with noise from a key, without memory for it; 53 random bits in the middle of their cells, so never 0 or 1.
    private static int GumbelMaximum(ReadOnlySpan<float> logits, ulong key)
    {
        int best = -1;
        double maximum = double.NegativeInfinity;
        for (int id = 0; id < logits.Length; id++)
            Challenge(logits[id], ((CounterRandom.Key(key, (ulong)id, GumbelStream) >> 12) + 0.5) * (1.0 / (1L << 52)), id, ref best,
                ref maximum);
        return best;
    }

    private static void Challenge(float logit, double u, int id, ref int best, ref double maximum)
    {
        if (float.IsNegativeInfinity(logit))
            return;
        double perturbed = logit - Math.Log(-Math.Log(u));
        if (best < 0 || perturbed > maximum)
            (best, maximum) = (id, perturbed);
    }

    // A number in [0, 1) with 53 random bits that depends on the seed and the position alone.
    private double Uniform(int position, ulong stream)
        => (CounterRandom.Key((ulong)Seed, (ulong)position, stream) >> 11) * (1.0 / (1L << 53));
}

/// <summary>
/// Mirostat 2: cuts the distribution so that the surprise of the chosen tokens stays near a target (Basu et al., 2020). One instance a
/// sequence.
/// </summary>
/// <param name="target">The surprise aimed at, in bits.</param>
/// <param name="learningRate">How fast the cut follows.</param>
internal sealed class Mirostat(double target, double learningRate)
{
    /// <summary>The greatest surprise that is let through, in bits; it starts at twice the target and moves with every draw.</summary>
    public double Limit { get; private set; } = 2 * target;

    /// <summary>Draws a token by inverse CDF in descending order of probability, and moves the limit.</summary>
    /// <param name="logits">One score per token.</param>
    /// <param name="u">A number in [0, 1).</param>
    /// <param name="scratch">Working memory.</param>
    public int Next(ReadOnlySpan<float> logits, double u, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        var sorted = scratch.SortDescending(logits);
        var weights = scratch.Weights.AsSpan(0, sorted.Length);
        int kept = 0;
        double sum = 0;
        foreach (ulong key in sorted)
        {
            double logProbability = softmax.LogProbability(logits[SamplingScratch.IdOf(key)]);
            if (kept > 0 && -logProbability / Math.Log(2) > Limit)
                break;
            sum += weights[kept++] = Math.Exp(logProbability);
        }

        int rank = TokenSampler.InverseCdf(weights[..kept], u);
        double surprise = -Math.Log2(weights[rank] / sum);
        Limit -= learningRate * (surprise - target);
        return SamplingScratch.IdOf(sorted[rank]);
    }
}

/// <summary>
/// Decides how many tokens that a small model proposed may stay, so that the tokens that come out are distributed as if the large model had
/// drawn each one (Leviathan et al., 2023; Chen et al., 2023).
/// </summary>
internal static class SpeculativeAcceptance
{
    /// <summary>Accepts tokens up to the first rejection, and draws the one after them.</summary>
    /// <param name="draft">The small model's distributions q, (proposed tokens, vocabulary).</param>
    /// <param name="target">The large model's distributions p, (proposed tokens + 1, vocabulary).</param>
    /// <param name="tokens">The proposed tokens.</param>
    /// <param name="uniforms">A number in [0, 1) for each of them.</param>
    /// <param name="finalUniform">A number in [0, 1) for the token after the accepted ones.</param>
    /// <param name="residual">Receives the distribution that this token is drawn from, (vocabulary).</param>
    /// <returns>How many of the proposed tokens stay, and the token that follows them.</returns>
    public static (int Accepted, int Next) Decide(
        ReadOnlySpan<float> draft, ReadOnlySpan<float> target, ReadOnlySpan<int> tokens, ReadOnlySpan<double> uniforms, double finalUniform,
        Span<double> residual)
    {
        int vocabulary = residual.Length, accepted = 0;
        while (accepted < tokens.Length
            && Accepts(draft[accepted * vocabulary + tokens[accepted]], target[accepted * vocabulary + tokens[accepted]],
                uniforms[accepted]))
            accepted++;

        var p = target.Slice(accepted * vocabulary, vocabulary);
        double sum = 0;
        if (accepted < tokens.Length)
        {
            var q = draft.Slice(accepted * vocabulary, vocabulary);
            for (int id = 0; id < vocabulary; id++)
                sum += residual[id] = Math.Max(0, (double)p[id] - q[id]);
        }

        // Where rounding leaves nothing of the difference, both distributions are the same.
        if (sum <= 0)
            for (int id = 0; id < vocabulary; id++)
                sum += residual[id] = p[id];
        for (int id = 0; id < vocabulary; id++)
            residual[id] /= sum;
        return (accepted, TokenSampler.InverseCdf(residual, finalUniform));
    }

    // u < min(1, p/q), without a division by zero.
    private static bool Accepts(double q, double p, double u) => u * q < p;
}
