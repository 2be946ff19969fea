using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Answering;

/// <summary>Checks quotations against the documents as they are stored now.</summary>
internal static class CitationVerifier
{
    /// <summary>Keeps the citations whose quotation stands literally at its place, and numbers them anew from 1.</summary>
    /// <returns>The citations that hold, and for each old number its new one (absent where it was dropped).</returns>
    internal static async Task<(IReadOnlyList<Citation> Citations, IReadOnlyDictionary<int, int> Numbers)> VerifyAsync(
        IKnowledgeStore store, IReadOnlyList<Citation> citations, CancellationToken cancellationToken)
    {
        var documents = new Dictionary<string, IReadOnlyList<Chunk>>(StringComparer.Ordinal);
        var held = new List<Citation>();
        var numbers = new Dictionary<int, int>();
        foreach (var citation in citations)
        {
            if (!documents.TryGetValue(citation.Source, out var chunks))
                documents[citation.Source] = chunks = await store.ReadDocumentAsync(citation.Source, cancellationToken)
                    .ConfigureAwait(false);
            if (!chunks.Any(chunk => Holds(chunk, citation)))
                continue;
            numbers[citation.Number] = held.Count + 1;
            held.Add(citation with { Number = held.Count + 1 });
        }

        return (held, numbers);
    }

    private static bool Holds(Chunk chunk, Citation citation)
        => citation.Start >= chunk.Start
            && citation.End <= chunk.End
            && citation.End - citation.Start == citation.Quote.Length
            && chunk.Text.AsSpan(citation.Start - chunk.Start, citation.Quote.Length).SequenceEqual(citation.Quote);
}
