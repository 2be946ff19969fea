namespace Kotonoha.LocalModel.Generation;

/// <summary>How well texts answer a query.</summary>
/// <param name="Scores">One score a text, in the order of the texts; higher is better.</param>
/// <param name="InputTokens">The tokens of all pairs together.</param>
/// <param name="TruncatedTexts">How many pairs were longer than the model reads and were cut.</param>
public sealed record RerankResult(IReadOnlyList<float> Scores, int InputTokens, int TruncatedTexts);
