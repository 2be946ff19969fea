namespace Kotonoha.LocalModel.Generation;

/// <summary>What a beam search found.</summary>
/// <param name="Hypotheses">The best continuations, best first.</param>
/// <param name="Usage">What it cost; the output tokens are those that all beams generated.</param>
public sealed record BeamSearchResult(IReadOnlyList<BeamHypothesis> Hypotheses, GenerationUsage Usage);
