namespace Kotonoha.LocalModel.Generation;

/// <summary>A whole generation.</summary>
/// <param name="Text">The text, without an end token or stop string.</param>
/// <param name="TokenIds">The generated tokens, an end token included.</param>
/// <param name="LogProbabilities">Their natural log-probabilities under the model; empty unless asked for.</param>
/// <param name="FinishReason">Why generation ended.</param>
/// <param name="Usage">What it cost.</param>
public sealed record GenerationResult(
    string Text, IReadOnlyList<int> TokenIds, IReadOnlyList<float> LogProbabilities, FinishReason FinishReason, GenerationUsage Usage);
