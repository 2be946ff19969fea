namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>The exponential length penalty: from a number of generated tokens on, the end tokens' logits gain |x| · (factor^(tokens beyond) - 1).</summary>
/// <param name="Start">The generated tokens after which it begins.</param>
/// <param name="Factor">Above 1, the end comes sooner.</param>
public sealed record LengthDecay(int Start, double Factor);
