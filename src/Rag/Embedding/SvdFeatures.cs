using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Embedding;

/// <summary>The features that the fitted embedder counts.</summary>
internal static class SvdFeatures
{
    public static TermVector Of(string text) => TermVector.FromText(text);
}
