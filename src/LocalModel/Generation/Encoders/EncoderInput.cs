namespace Kotonoha.LocalModel.Generation.Encoders;

/// <summary>A text, or a pair, as an encoder reads it.</summary>
/// <param name="Ids">The token ids, special tokens included.</param>
/// <param name="TypeIds">The type of each token.</param>
/// <param name="PromptTokens">The leading tokens that pooling leaves out.</param>
/// <param name="Truncated">Whether the text was longer than what is read.</param>
internal sealed record EncoderInput(int[] Ids, int[] TypeIds, int PromptTokens, bool Truncated);
