using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>
/// How a token is drawn from the distribution that the filters leave. Both draw from the same distribution, but not the same tokens.
/// </summary>
public enum DrawMethod
{
    /// <summary>One random number per token, looked up in the cumulative probabilities in order of ids.</summary>
    InverseCdf,

    /// <summary>
    /// The largest sum of logit and Gumbel noise, which depends on seed, position and id alone: a small change of the logits mostly leaves
    /// the choice as it was.
    /// </summary>
    Gumbel,
}

/// <summary>
/// How the next token is chosen. The settings act in the order of Hugging Face's <c>generate</c>, each on the result of the one before.
/// </summary>
/// <remarks>
/// Order: sequence and logit bias, repetition penalty, presence and frequency penalty, DRY, no-repeat n-gram, bad words, minimum length,
/// minimum of new tokens, forced first and last token, length decay, suppressed tokens; then, unless greedy: temperature, top-h,
/// top-n-sigma, top-k, top-p, min-p, typical-p, epsilon, eta; then renormalisation, XTC and the draw.
/// A value at its default is off.
/// </remarks>
public sealed record SamplingOptions
{
    /// <summary>The most probable token each time; among equals the lowest id.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>Divides the logits; 0 is greedy. Default 1.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Keeps the k most probable tokens and ties with the last; 0 is off.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the most probable tokens until their mass reaches this; 1 is off.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Removes tokens below this share of the best token's probability; 0 is off.</summary>
    public float MinP { get; init; }

    /// <summary>Locally typical sampling: the mass to keep; 1 is off.</summary>
    public float TypicalP { get; init; } = 1;

    /// <summary>Removes tokens below this probability; 0 is off.</summary>
    public float EpsilonCutoff { get; init; }

    /// <summary>Eta sampling's ε; 0 is off.</summary>
    public float EtaCutoff { get; init; }

    /// <summary>Top-H: the share of the hundred best tokens' entropy to keep; 1 is off.</summary>
    public float TopH { get; init; } = 1;

    /// <summary>Removes tokens more than this many standard deviations below the best logit; 0 is off.</summary>
    public float TopNSigma { get; init; }

    /// <summary>XTC's probability threshold; acts only with <see cref="XtcProbability"/>.</summary>
    public float XtcThreshold { get; init; } = 0.1f;

    /// <summary>How often XTC is applied; 0 is off.</summary>
    public float XtcProbability { get; init; }

    /// <summary>The fewest tokens that the filters leave. Default 1.</summary>
    public int MinTokensToKeep { get; init; } = 1;

    /// <summary>Above 1, tokens that have occurred (in prompt or output) become less likely; 1 is off.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Whether the repetition penalty ignores the prompt.</summary>
    public bool RepetitionPenaltyIgnoresPrompt { get; init; }

    /// <summary>Subtracted from the logit of every token generated before; 0 is off.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from the logit of a token once for every time it was generated before; 0 is off.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>DRY's multiplier; 0 is off.</summary>
    public float DryMultiplier { get; init; }

    /// <summary>DRY's base.</summary>
    public float DryBase { get; init; } = 1.75f;

    /// <summary>The longest repeated run that DRY lets pass.</summary>
    public int DryAllowedLength { get; init; } = 2;

    /// <summary>Token ids that DRY does not look across.</summary>
    public IReadOnlyList<int> DrySequenceBreakers { get; init; } = [];

    /// <summary>No n-gram of this size occurs twice, the prompt included; 0 is off.</summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>End tokens are banned until this many tokens were generated.</summary>
    public int MinNewTokens { get; init; }

    /// <summary>End tokens are banned until prompt and output together have this many tokens.</summary>
    public int MinLength { get; init; }

    /// <summary>The token that is forced when the sequence has one token so far; null is off.</summary>
    public int? ForcedFirstToken { get; init; }

    /// <summary>The tokens (each with logit 0, all others banned) at the last place that the output limit leaves; none is off.</summary>
    public IReadOnlyList<int> ForcedLastTokens { get; init; } = [];

    /// <summary>Makes end tokens more likely the longer the output gets; null is off.</summary>
    public LengthDecay? LengthDecay { get; init; }

    /// <summary>Tokens that do not begin the output.</summary>
    public IReadOnlyList<int> BeginSuppressTokens { get; init; } = [];

    /// <summary>
    /// Whether the log-probabilities are normalised again after all processors (beam scores, for example, then stay probabilities).
    /// </summary>
    public bool RenormalizeLogits { get; init; }

    /// <summary>
    /// Mirostat 2: the target surprise, in bits, of the drawn tokens; 0 is off. It acts on what the other filters leave, and makes the draw
    /// itself.
    /// </summary>
    public float MirostatTau { get; init; }

    /// <summary>How fast Mirostat's cut follows the surprise.</summary>
    public float MirostatEta { get; init; } = 0.1f;

    /// <summary>How tokens are drawn.</summary>
    public DrawMethod DrawMethod { get; init; }

    /// <summary>Added to single tokens' logits.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init; } = new Dictionary<int, float>();

    /// <summary>Added to the last token of a sequence where the tokens before it match.</summary>
    public IReadOnlyList<TokenSequenceBias> SequenceBias { get; init; } = [];

    /// <summary>Token sequences that never occur in the output.</summary>
    public IReadOnlyList<IReadOnlyList<int>> BadWords { get; init; } = [];

    /// <summary>Tokens that never occur in the output.</summary>
    public IReadOnlyList<int> SuppressTokens { get; init; } = [];

    /// <summary>The seed of the draws; null for a random one.</summary>
    public long? Seed { get; init; }

    /// <summary>Whether the most probable token is taken each time.</summary>
    public bool IsGreedy => Temperature == 0;

    /// <summary>Checks every value against its range and the vocabulary.</summary>
    /// <param name="vocabularySize">The number of tokens of the model.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range; the parameter name is the setting's.</exception>
    /// <exception cref="ArgumentException">A token sequence is empty, or two settings exclude each other.</exception>
    public void Validate(int vocabularySize)
    {
        InRange(Temperature, 0, float.MaxValue, nameof(Temperature));
        ArgumentOutOfRangeException.ThrowIfNegative(TopK, nameof(TopK));
        InRange(TopP, 0, 1, nameof(TopP));
        InRange(MinP, 0, 1, nameof(MinP));
        InRange(TypicalP, 0, 1, nameof(TypicalP));
        InRange(EpsilonCutoff, 0, 1, nameof(EpsilonCutoff));
        InRange(EtaCutoff, 0, 1, nameof(EtaCutoff));
        InRange(TopH, 0, 1, nameof(TopH));
        InRange(TopNSigma, 0, float.MaxValue, nameof(TopNSigma));
        InRange(XtcThreshold, 0, 1, nameof(XtcThreshold));
        InRange(XtcProbability, 0, 1, nameof(XtcProbability));
        ArgumentOutOfRangeException.ThrowIfLessThan(MinTokensToKeep, 1, nameof(MinTokensToKeep));
        InRange(RepetitionPenalty, float.Epsilon, float.MaxValue, nameof(RepetitionPenalty));
        InRange(PresencePenalty, -float.MaxValue, float.MaxValue, nameof(PresencePenalty));
        InRange(FrequencyPenalty, -float.MaxValue, float.MaxValue, nameof(FrequencyPenalty));
        InRange(DryMultiplier, 0, float.MaxValue, nameof(DryMultiplier));
        InRange(DryBase, 1, float.MaxValue, nameof(DryBase));
        ArgumentOutOfRangeException.ThrowIfLessThan(DryAllowedLength, 1, nameof(DryAllowedLength));
        ArgumentOutOfRangeException.ThrowIfNegative(NoRepeatNgramSize, nameof(NoRepeatNgramSize));
        ArgumentOutOfRangeException.ThrowIfNegative(MinNewTokens, nameof(MinNewTokens));
        ArgumentOutOfRangeException.ThrowIfNegative(MinLength, nameof(MinLength));
        InRange(MirostatTau, 0, float.MaxValue, nameof(MirostatTau));
        InRange(MirostatEta, 0, float.MaxValue, nameof(MirostatEta));
        if (!Enum.IsDefined(DrawMethod))
            throw new ArgumentOutOfRangeException(nameof(DrawMethod), DrawMethod, "DrawMethod is not one of those there are.");
        if (MirostatTau > 0 && DrawMethod == DrawMethod.Gumbel)
            throw new ArgumentException("Mirostat makes its own draw by inverse CDF; leave DrawMethod out, or set MirostatTau to 0.",
                nameof(DrawMethod));
        if (LengthDecay is { } decay)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(decay.Start, nameof(LengthDecay));
            InRange((float)decay.Factor, float.Epsilon, float.MaxValue, nameof(LengthDecay));
        }

        if (ForcedFirstToken is { } first)
            InVocabulary(first, nameof(ForcedFirstToken));
        foreach (int id in ForcedLastTokens)
            InVocabulary(id, nameof(ForcedLastTokens));
        foreach (int id in BeginSuppressTokens)
            InVocabulary(id, nameof(BeginSuppressTokens));
        foreach (var (id, bias) in LogitBias)
        {
            InVocabulary(id, nameof(LogitBias));
            NotANumber(bias, nameof(LogitBias));
        }

        foreach (var (tokens, bias) in SequenceBias)
        {
            InVocabulary(tokens, nameof(SequenceBias));
            NotANumber(bias, nameof(SequenceBias));
        }

        foreach (var word in BadWords)
            InVocabulary(word, nameof(BadWords));
        foreach (int id in SuppressTokens)
            InVocabulary(id, nameof(SuppressTokens));

        void InVocabulary(object tokens, string name)
        {
            if (tokens is IReadOnlyList<int> sequence)
            {
                if (sequence.Count == 0)
                    throw new ArgumentException($"{name} holds an empty token sequence.", name);
                foreach (int id in sequence)
                    InVocabulary(id, name);
            }
            else if (tokens is int id && (id < 0 || id >= vocabularySize))
            {
                throw new ArgumentOutOfRangeException(name, id,
                    $"{name} names token {id}, but the model knows the tokens 0 to {vocabularySize - 1}.");
            }
        }
    }

    private static void InRange(float value, float least, float most, string name)
    {
        if (!(value >= least && value <= most))
            throw new ArgumentOutOfRangeException(name, value,
                FormattableString.Invariant($"{name} is {value}; it must be between {least} and {most}."));
    }

    private static void NotANumber(float value, string name)
    {
        if (float.IsNaN(value) || float.IsPositiveInfinity(value))
            throw new ArgumentOutOfRangeException(name, value, $"{name} holds a bias that is not a number.");
    }
}

/// <summary>No token can be chosen: every one was banned, or the model gave a logit or a hidden state that is not a number.</summary>
public sealed class SamplingException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What failed and what to do next.</param>
    public SamplingException(string message)
        : base(message)
    {
    }
}
