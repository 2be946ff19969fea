namespace Kotonoha.LocalModel.Generation;

/// <summary>A piece of a generation, in order.</summary>
/// <param name="Text">New text, whole characters only; may be empty.</param>
/// <param name="TokenIds">The tokens generated since the update before, the end token included.</param>
/// <param name="LogProbabilities">Their natural log-probabilities under the model, before any setting acted; empty unless asked for.</param>
/// <param name="FinishReason">Why generation ended; on the last update only.</param>
/// <param name="Usage">What it cost; on the last update only.</param>
public sealed record GenerationUpdate(
    string Text, IReadOnlyList<int> TokenIds, IReadOnlyList<float> LogProbabilities, FinishReason? FinishReason = null, GenerationUsage? Usage = null)
{
    /// <inheritdoc/>
    public override string ToString() => Text;
}
