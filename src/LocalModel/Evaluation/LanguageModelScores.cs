using System.Text;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>
/// How well a model predicts a text, in units that do not depend on its tokenizer: a model with long tokens has a high perplexity per token
/// and may still need fewer bits per byte.
/// </summary>
/// <param name="NegativeLogLikelihood">−Σ log p over the tokens, in nats.</param>
/// <param name="Tokens">The tokens predicted.</param>
/// <param name="Bytes">The bytes of the text in UTF-8.</param>
/// <param name="Characters">Its code points.</param>
/// <param name="Words">Its runs of characters between white space.</param>
public readonly record struct TextLikelihood(double NegativeLogLikelihood, long Tokens, long Bytes, long Characters, long Words)
{
    /// <summary>The perplexity per token.</summary>
    public double Perplexity => Math.Exp(NegativeLogLikelihood / Tokens);

    /// <summary>Bits for each byte of the text.</summary>
    public double BitsPerByte => Bits / Bytes;

    /// <summary>Bits for each character.</summary>
    public double BitsPerCharacter => Bits / Characters;

    /// <summary>Bits for each token.</summary>
    public double BitsPerToken => Bits / Tokens;

    /// <summary>The perplexity per word; comparable between tokenizers for languages with spaces.</summary>
    public double WordPerplexity => Math.Exp(NegativeLogLikelihood / Words);

    /// <summary>The perplexity per byte.</summary>
    public double BytePerplexity => Math.Exp(NegativeLogLikelihood / Bytes);

    private double Bits => NegativeLogLikelihood / Math.Log(2);

    /// <summary>Of two texts together.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static TextLikelihood operator +(TextLikelihood left, TextLikelihood right) => left.Add(right);

    /// <summary>Of a text and the log-probabilities of its tokens.</summary>
    /// <param name="text">The text.</param>
    /// <param name="tokenLogProbabilities">log p of each of its tokens, in nats.</param>
    public static TextLikelihood Of(string text, IReadOnlyList<double> tokenLogProbabilities)
    {
        ArgumentNullException.ThrowIfNull(tokenLogProbabilities);
        return new TextLikelihood(-tokenLogProbabilities.Sum(), tokenLogProbabilities.Count, Encoding.UTF8.GetByteCount(text),
            MetricText.CodePointsOf(text).Count, MetricText.Words(text).Length);
    }

    /// <summary>Of this text and another together.</summary>
    /// <param name="other">The other.</param>
    public TextLikelihood Add(TextLikelihood other)
        => new(NegativeLogLikelihood + other.NegativeLogLikelihood, Tokens + other.Tokens, Bytes + other.Bytes,
            Characters + other.Characters, Words + other.Words);
}

/// <summary>What a choice's log-likelihood is divided by before choices are compared.</summary>
public enum ChoiceNormalization
{
    /// <summary>Nothing: short choices are favoured.</summary>
    None,

    /// <summary>The bytes of its text in UTF-8 (<c>acc_norm</c> of lm-evaluation-harness).</summary>
    Bytes,

    /// <summary>Its tokens.</summary>
    Tokens,
}

/// <summary>A choice and how likely a model finds it after the question.</summary>
/// <param name="Text">Its text.</param>
/// <param name="LogProbability">The sum of log p over its tokens.</param>
/// <param name="Tokens">How many these are.</param>
public readonly record struct ScoredChoice(string Text, double LogProbability, int Tokens)
{
    /// <summary>What choices are compared by.</summary>
    /// <param name="normalization">What the log-likelihood is divided by.</param>
    public double Score(ChoiceNormalization normalization) => LogProbability / normalization switch
    {
        ChoiceNormalization.Bytes => Encoding.UTF8.GetByteCount(Text),
        ChoiceNormalization.Tokens => Tokens,
        _ => 1,
    };
}

/// <summary>Multiple choice by the likelihood that a model gives to each choice's text after the question.</summary>
public static class MultipleChoice
{
    /// <summary>The index of the likeliest choice; the first of several.</summary>
    /// <param name="choices">Each choice's text and the log-probabilities of its tokens.</param>
    /// <param name="normalization">What log-likelihoods are divided by.</param>
    /// <exception cref="ArgumentException">There is no choice.</exception>
    public static int Choose(
        IReadOnlyList<(string Text, IReadOnlyList<double> TokenLogProbabilities)> choices,
        ChoiceNormalization normalization = ChoiceNormalization.None)
    {
        ArgumentNullException.ThrowIfNull(choices);
        return Choose([.. choices.Select(choice => new ScoredChoice(
            choice.Text, choice.TokenLogProbabilities.Sum(), choice.TokenLogProbabilities.Count))], normalization);
    }

    /// <summary>The index of the likeliest choice; the first of several.</summary>
    /// <param name="choices">The choices.</param>
    /// <param name="normalization">What log-likelihoods are divided by.</param>
    /// <exception cref="ArgumentException">There is no choice.</exception>
    public static int Choose(IReadOnlyList<ScoredChoice> choices, ChoiceNormalization normalization = ChoiceNormalization.None)
    {
        ArgumentNullException.ThrowIfNull(choices);
        if (choices.Count == 0)
            throw new ArgumentException("There is no choice.", nameof(choices));
        return Enumerable.Range(0, choices.Count).MaxBy(i => choices[i].Score(normalization));
    }
}

/// <summary>The chance that one of several attempts solves a task.</summary>
public static class PassAtK
{
    /// <summary>The unbiased estimate 1 − C(n−c, k)/C(n, k) (arXiv:2107.03374).</summary>
    /// <param name="attempts">n: attempts made.</param>
    /// <param name="correct">c: those that solved the task.</param>
    /// <param name="k">Attempts allowed, at most n.</param>
    public static double Estimate(int attempts, int correct, int k)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(correct);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(correct, attempts);
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, attempts);
        double none = 1;
        for (int i = 0; i < k; i++)
            none *= Math.Max(0, (double)(attempts - correct - i) / (attempts - i));
        return 1 - none;
    }
}
