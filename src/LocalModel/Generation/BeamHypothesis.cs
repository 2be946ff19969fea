namespace Kotonoha.LocalModel.Generation;

/// <summary>A continuation found by beam search.</summary>
/// <param name="Text">The text, without an end token.</param>
/// <param name="TokenIds">The generated tokens, an end token included.</param>
/// <param name="Score">The summed log-probability divided by (number of tokens ^ length penalty).</param>
/// <param name="FinishReason">Why it ended.</param>
public sealed record BeamHypothesis(string Text, IReadOnlyList<int> TokenIds, double Score, FinishReason FinishReason);
