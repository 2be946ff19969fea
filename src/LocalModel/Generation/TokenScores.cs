namespace Kotonoha.LocalModel.Generation;

/// <summary>How likely a model finds each token of a text.</summary>
/// <param name="LogProbabilities">The natural log-probability of each token after the first, given all before it.</param>
/// <param name="LastLogits">The logits of the token after the last, (vocabulary); null unless asked for.</param>
public sealed record TokenScores(IReadOnlyList<float> LogProbabilities, IReadOnlyList<float>? LastLogits);
