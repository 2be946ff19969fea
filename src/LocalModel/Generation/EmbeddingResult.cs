namespace Kotonoha.LocalModel.Generation;

/// <summary>The vectors of several texts.</summary>
/// <param name="Vectors">One vector a text, in the order of the texts.</param>
/// <param name="InputTokens">The tokens of all texts together.</param>
public sealed record EmbeddingResult(IReadOnlyList<float[]> Vectors, int InputTokens);
