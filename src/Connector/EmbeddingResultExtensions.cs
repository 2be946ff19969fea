using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>Vectors of a model as Microsoft.Extensions.AI has them.</summary>
internal static class EmbeddingResultExtensions
{
    /// <summary>The vectors with the model's name, the time and the usage.</summary>
    public static GeneratedEmbeddings<Embedding<float>> ToEmbeddings(this EmbeddingResult result, string modelId)
    {
        var createdAt = DateTimeOffset.UtcNow;
        return new GeneratedEmbeddings<Embedding<float>>(result.Vectors.Select(v => new Embedding<float>(v) { ModelId = modelId, CreatedAt = createdAt }))
        {
            Usage = new UsageDetails { InputTokenCount = result.InputTokens, TotalTokenCount = result.InputTokens },
        };
    }
}
