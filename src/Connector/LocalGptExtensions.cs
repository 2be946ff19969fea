using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>Views of a loaded model as Microsoft.Extensions.AI services. Disposing a view leaves the model as it is.</summary>
public static class LocalGptExtensions
{
    /// <summary>The model as a chat client.</summary>
    /// <param name="model">The model.</param>
    public static IChatClient AsChatClient(this LocalGpt model) => new LocalGptChatClient(model);

    /// <summary>The model as an embedding generator.</summary>
    /// <param name="model">The model.</param>
    /// <param name="defaults">Pooling and form where a call says nothing else.</param>
    public static IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator(this LocalGpt model, EmbeddingRequestOptions? defaults = null)
        => new LocalGptEmbeddingGenerator(model, defaults);

    /// <summary>The encoder as an embedding generator.</summary>
    /// <param name="model">The model.</param>
    /// <param name="defaults">Prompt and form where a call says nothing else.</param>
    public static IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator(this LocalEncoder model, EncodingOptions? defaults = null)
        => new LocalEmbeddingGenerator(model, defaults);
}
