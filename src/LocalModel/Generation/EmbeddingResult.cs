namespace Kotonoha.LocalModel.Generation;

/// <summary>The vectors of several texts.</summary>
/// <param name="Vectors">One vector a text, in the order of the texts.</param>
/// <param name="InputTokens">The tokens of all texts together.</param>
/// <param name="TruncatedTexts">How many texts were longer than the model reads and were cut.</param>
public sealed record EmbeddingResult(IReadOnlyList<float[]> Vectors, int InputTokens, int TruncatedTexts = 0);
