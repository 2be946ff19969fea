namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>A bias that is added to the logit of a sequence's last token when the tokens before it were just generated.</summary>
/// <param name="Tokens">At least one token id.</param>
/// <param name="Bias">What is added; minus infinity bans the last token in this place.</param>
public sealed record TokenSequenceBias(IReadOnlyList<int> Tokens, float Bias);
