namespace Kotonoha.LocalModel.Generation;

/// <summary>What a generation cost.</summary>
/// <param name="InputTokens">The tokens of the prompt.</param>
/// <param name="OutputTokens">The generated tokens, an end token included.</param>
/// <param name="QueueTime">From the request until the engine took it up.</param>
/// <param name="PrefillTime">From there to the first generated token.</param>
/// <param name="DecodeTime">From the first generated token to the last.</param>
/// <param name="Seed">The seed of the draws, given or taken at random; with it the same request gives the same text. Null when decoding was greedy.</param>
public sealed record GenerationUsage(int InputTokens, int OutputTokens, TimeSpan QueueTime, TimeSpan PrefillTime, TimeSpan DecodeTime, long? Seed);
