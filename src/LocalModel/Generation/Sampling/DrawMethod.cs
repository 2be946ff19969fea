namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>How a token is drawn from the distribution that the filters leave. Both draw from the same distribution, but not the same tokens.</summary>
public enum DrawMethod
{
    /// <summary>One random number a token, looked up in the cumulated probabilities in order of ids.</summary>
    InverseCdf,

    /// <summary>
    /// The largest sum of logit and Gumbel noise, which depends on seed, position and id alone: a small change of the logits mostly leaves the choice as it was.
    /// </summary>
    Gumbel,
}
