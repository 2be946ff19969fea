using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Retrieval;

/// <summary>Picks results that are relevant and differ from one another (Carbonell and Goldstein 1998).</summary>
internal static class MaximalMarginalRelevance
{
    /// <summary>
    /// Picks greedily: first the most relevant, then again and again the candidate with the greatest
    /// λ · relevance − (1 − λ) · (greatest similarity to a picked one); the lowest index wins a tie.
    /// </summary>
    /// <param name="relevance">One relevance per candidate.</param>
    /// <param name="similarity">The similarity of two candidates by their indices.</param>
    /// <param name="lambda">1 looks at relevance alone, 0 at difference alone (after the first).</param>
    /// <param name="count">How many to pick at most.</param>
    /// <returns>The picked indices in order, each with its value when it was picked (the first: its relevance).</returns>
    public static List<(int Index, double Score)> Select(
        IReadOnlyList<double> relevance, Func<int, int, double> similarity, double lambda, int count)
    {
        ArgumentNullException.ThrowIfNull(relevance);
        ArgumentNullException.ThrowIfNull(similarity);
        ArgumentOutOfRangeException.ThrowIfLessThan(lambda, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lambda, 1);
        var picked = new List<(int Index, double Score)>();
        var nearest = new double[relevance.Count];
        Array.Fill(nearest, double.NegativeInfinity);
        var left = Enumerable.Range(0, relevance.Count).ToList();
        while (picked.Count < count && left.Count > 0)
        {
            int best = -1;
            double bestScore = 0;
            foreach (int candidate in left)
            {
                double score = picked.Count == 0 ? relevance[candidate] : lambda * relevance[candidate] - (1 - lambda) * nearest[candidate];
                if (best < 0 || score > bestScore)
                    (best, bestScore) = (candidate, score);
            }

            picked.Add((best, bestScore));
            left.Remove(best);
            foreach (int candidate in left)
                nearest[candidate] = Math.Max(nearest[candidate], similarity(candidate, best));
        }

        return picked;
    }

    /// <summary>The same over vectors, by cosine similarity.</summary>
    /// <param name="query">The query's vector.</param>
    /// <param name="candidates">The candidates' vectors, as wide as the query's.</param>
    /// <param name="lambda">1 looks at relevance alone, 0 at difference alone (after the first).</param>
    /// <param name="count">How many to pick at most.</param>
    /// <returns>The picked indices in order, each with its value when it was picked.</returns>
    public static List<(int Index, double Score)> Select(
        ReadOnlySpan<float> query, IReadOnlyList<float[]> candidates, double lambda, int count)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        var queryVector = query.ToArray();
        return Select(
            [.. candidates.Select(candidate => VectorMath.Cosine(queryVector, candidate))],
            (x, y) => VectorMath.Cosine(candidates[x], candidates[y]),
            lambda,
            count);
    }
}
