using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Retrieval;

/// <summary>Tells an embedder whether it embeds a query or a document, as models trained with prompts must know.</summary>
public static class EmbeddingPurpose
{
    /// <summary>The name of the property: <c>prompt_name</c>, as in sentence-transformers.</summary>
    public const string PropertyName = "prompt_name";

    /// <summary>Options that say: these texts are queries.</summary>
    public static EmbeddingGenerationOptions Query => Options("query");

    /// <summary>Options that say: these texts are documents.</summary>
    public static EmbeddingGenerationOptions Document => Options("document");

    private static EmbeddingGenerationOptions Options(string name)
        => new() { AdditionalProperties = new AdditionalPropertiesDictionary { [PropertyName] = name } };
}
