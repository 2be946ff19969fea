namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>One step of a template: a sequence of the input, or a special token.</summary>
/// <param name="Sequence">0 for the first text, 1 for the second; -1 for a special token.</param>
/// <param name="SpecialToken">The special token's name, or null.</param>
/// <param name="TypeId">The segment that the tokens get.</param>
internal sealed record TemplatePiece(int Sequence, string? SpecialToken, int TypeId);
