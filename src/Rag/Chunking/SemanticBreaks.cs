using System.Numerics.Tensors;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Readers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Chunking;

/// <summary>
/// Finds where a text changes its subject: where the vectors of the sentences before and those behind a gap are furthest apart (TextTiling,
/// Hearst 1997, with embeddings in the place of words). No subject goes beyond its section.
/// </summary>
internal static class SemanticBreaks
{
    private const int SentencesAround = 2, FewestGaps = 4, BatchSize = 64;

    /// <summary>The places, as offsets of sentences that begin something new; none in a document of few sentences.</summary>
    /// <param name="document">The document.</param>
    /// <param name="share">The share of gaps that are no break, from 0 to 1.</param>
    /// <param name="embedder">Makes the vectors.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public static async Task<IReadOnlySet<int>> FindAsync(
        ExtractedDocument document, double share, IEmbeddingGenerator<string, Embedding<float>> embedder,
            CancellationToken cancellationToken)
    {
        var sections = new List<List<TextSpan>>();
        List<TextSpan>? section = null;
        foreach (var block in document.Blocks)
        {
            if (block.Kind is BlockKind.Heading or BlockKind.Table or BlockKind.Code)
                section = null;
            else
            {
                if (section is null)
                    sections.Add(section = []);
                section.AddRange(SentenceSplitter.Split(document.Text, block.Start, block.End));
            }
        }

        var texts = sections.SelectMany(sentences => sentences).Select(span => document.Text[span.Start..span.End]).ToList();
        if (texts.Count < FewestGaps + 1)
            return new HashSet<int>();
        var vectors = new List<float[]>(texts.Count);
        foreach (var batch in texts.Chunk(BatchSize))
            vectors.AddRange((await embedder.GenerateAsync(batch, EmbeddingPurpose.Document, cancellationToken).ConfigureAwait(false))
                .Select(embedding => embedding.Vector.ToArray()));

        var gaps = new List<(int Start, double Distance)>();
        int at = 0;
        foreach (var sentences in sections)
        {
            for (int i = 1; i < sentences.Count; i++)
                gaps.Add((sentences[i].Start, 1 - TensorPrimitives.CosineSimilarity(
                    Sum(at + Math.Max(0, i - SentencesAround), at + i),
                    Sum(at + i, at + Math.Min(sentences.Count, i + SentencesAround)))));
            at += sentences.Count;
        }

        if (gaps.Count < FewestGaps)
            return new HashSet<int>();
        double[] sorted = [.. gaps.Select(gap => gap.Distance).Order()];
        double least = sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(share * sorted.Length))];
        return gaps.Where(gap => gap.Distance >= least && gap.Distance > sorted[0]).Select(gap => gap.Start).ToHashSet();

        float[] Sum(int first, int end)
        {
            float[] sum = [.. vectors[first]];
            for (int i = first + 1; i < end; i++)
                TensorPrimitives.Add(sum, vectors[i], sum);
            return sum;
        }
    }
}
