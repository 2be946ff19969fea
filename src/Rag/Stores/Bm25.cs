namespace Kotonoha.Rag.Stores;

/// <summary>
/// BM25 as both stores compute it (Robertson and Zaragoza 2009, with Lucene's idf, which is never negative):
/// Σ over the query's terms of ln(1 + (N − n + 0.5)/(n + 0.5)) · tf(k1 + 1)/(tf + k1(1 − b + b·length/average)).
/// </summary>
/// <param name="K1">How fast a repeated term saturates.</param>
/// <param name="B">How much a text's length counts, from 0 to 1.</param>
internal sealed record Bm25(float K1, float B)
{
    /// <summary>What the stores compute with: k1 = 0.9, b = 0.75 (of the pairs tried, the best on JSQuAD and Cranfield together).</summary>
    public static Bm25 Default { get; } = new(0.9f, 0.75f);

    /// <summary>The weight of a term that occurs in <paramref name="frequency"/> of <paramref name="count"/> texts.</summary>
    /// <param name="count">The number of texts, N.</param>
    /// <param name="frequency">The number of texts that hold the term, n.</param>
    public static float Idf(long count, long frequency) => MathF.Log(1 + (count - frequency + 0.5f) / (frequency + 0.5f));

    /// <summary>The part of the denominator that depends on the text's length alone.</summary>
    /// <param name="length">The text's length in terms.</param>
    /// <param name="averageLength">The collection's average length; must be positive.</param>
    public float LengthNorm(int length, double averageLength) => K1 * (1 - B + B * (float)(length / averageLength));

    /// <summary>The weight of a term in a text.</summary>
    /// <param name="count">How often the term occurs in the text, tf.</param>
    /// <param name="lengthNorm">What <see cref="LengthNorm"/> gives for the text.</param>
    public float TermWeight(int count, float lengthNorm) => count * (K1 + 1) / (count + lengthNorm);

    /// <summary>
    /// The weights of a text's terms, in the order of its <see cref="TermVector.Indices"/>: what Qdrant keeps as the sparse vector's
    /// values.
    /// </summary>
    /// <param name="terms">The text's terms.</param>
    /// <param name="averageLength">The collection's average length; must be positive.</param>
    public float[] Weigh(TermVector terms, double averageLength)
    {
        ArgumentNullException.ThrowIfNull(terms);
        float norm = LengthNorm(terms.Length, averageLength);
        return Array.ConvertAll(terms.Counts, count => TermWeight(count, norm));
    }
}
