namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>Where a token stands in the original text, in UTF-16 units; (0, 0) for a token that the post-processor added.</summary>
/// <param name="Start">The first unit.</param>
/// <param name="End">One after the last unit.</param>
public readonly record struct TokenOffset(int Start, int End);
