using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Connector;

/// <summary>What a chat request asks of the model.</summary>
/// <param name="Generation">The conversation and its settings.</param>
/// <param name="Beams">The beam search, or null where tokens are chosen one by one.</param>
internal sealed record ChatRequest(GenerationRequest Generation, BeamSearchOptions? Beams);
