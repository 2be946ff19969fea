using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Answering;

/// <summary>How rare the terms of a question are in the collection (inverse document frequency).</summary>
/// <remarks>
/// A store does not tell frequencies; it tells the best chunk of a term with its BM25 score, which is the term's idf times a weight that
/// follows from that chunk alone. So one search of depth 1 a term, and one read, give every idf exactly, on any store of any size.
/// </remarks>
internal sealed class TermStatistics
{
    private const int ParallelSearches = 8;

    // In a handful of chunks nearly every term is unseen or everywhere, and that says little; frequencies count as in a collection of this
    // size.
    private const long LeastChunks = 300;

    private readonly Dictionary<string, double> _idf;

    private TermStatistics(Dictionary<string, double> idf, double unseenIdf) => (_idf, UnseenIdf) = (idf, unseenIdf);

    /// <summary>The idf of a term that no chunk holds; no term has a greater one.</summary>
    internal double UnseenIdf { get; }

    internal bool IsSeen(string term) => _idf.ContainsKey(term);

    internal double Idf(string term) => _idf.TryGetValue(term, out double idf) ? idf : UnseenIdf;

    /// <summary>The mean idf of the terms of a word; 0 where it has none.</summary>
    internal double IdfOfRun(string run) => TextAnalyzer.Analyze(run).Select(token => Idf(token.Term)).DefaultIfEmpty(0).Average();

    internal static async Task<TermStatistics> CollectAsync(
        IKnowledgeStore store, double averageLength, long chunkCount, IEnumerable<string> terms, CancellationToken cancellationToken)
    {
        var distinct = terms.Distinct(StringComparer.Ordinal).ToList();
        var best = new ScoredChunk?[distinct.Count];
        await Parallel.ForAsync(
            0,
            distinct.Count,
            new ParallelOptions { MaxDegreeOfParallelism = ParallelSearches, CancellationToken = cancellationToken },
            async (i, token) =>
            {
                var found = await store.SearchSparseAsync(TermVector.FromTerms([distinct[i]]), 1, null, token).ConfigureAwait(false);
                best[i] = found.Count > 0 ? found[0] : null;
            }).ConfigureAwait(false);

        var ids = best.OfType<ScoredChunk>().Select(chunk => chunk.Id).Distinct(StringComparer.Ordinal).ToList();
        var chunks = await store.ReadChunksAsync(ids, cancellationToken).ConfigureAwait(false);
        var vectors = chunks.Where(chunk => chunk is not null)
            .ToDictionary(chunk => chunk!.Id, chunk => TermVector.FromText(IndexText.Of(chunk!)), StringComparer.Ordinal);
        long size = Math.Max(chunkCount, LeastChunks);
        double unseen = Bm25.Idf(size, 0);
        var idf = new Dictionary<string, double>(StringComparer.Ordinal);
        for (int i = 0; i < distinct.Count; i++)
        {
            if (best[i] is not { } hit || !vectors.TryGetValue(hit.Id, out var vector))
                continue;
            int at = Array.BinarySearch(vector.Indices, TermVector.FromTerms([distinct[i]]).Indices[0]);
            if (at < 0)
                continue;
            double stored = hit.Score / Bm25.Default.TermWeight(vector.Counts[at], Bm25.Default.LengthNorm(vector.Length, averageLength));
            idf[distinct[i]] = Math.Min(unseen, size == chunkCount ? stored : Bm25.Idf(size, ChunksWith(stored, chunkCount)));
        }

        return new TermStatistics(idf, unseen);
    }

    // The number of chunks that hold a term, from its idf: the inverse of Bm25.Idf.
    private static long ChunksWith(double idf, long chunkCount)
    {
        double odds = Math.Exp(idf) - 1;
        return Math.Clamp((long)Math.Round((chunkCount + 0.5 - 0.5 * odds) / (odds + 1)), 1, chunkCount);
    }
}
