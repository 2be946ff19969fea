using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Evaluation;

/// <summary>Measures how well a knowledge base finds the documents that were judged relevant.</summary>
public static class RetrievalEvaluation
{
    /// <summary>Searches for every query and scores the rankings of documents; a document stands where its best chunk does.</summary>
    /// <param name="knowledge">The knowledge base; its sources are the ids that were judged.</param>
    /// <param name="queries">The queries with their judgements.</param>
    /// <param name="search">How to search, or null for the knowledge base's way with 100 hits.</param>
    /// <param name="depth">At which rank nDCG, MRR, recall and precision are cut; MAP takes all hits.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="Foundation.KotonohaException">The store cannot do its work.</exception>
    public static async Task<RetrievalReport> RunAsync(
        KnowledgeBase knowledge, IReadOnlyList<RetrievalQuery> queries, SearchOptions? search = null, int depth = 10,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(knowledge);
        ArgumentNullException.ThrowIfNull(queries);
        ArgumentOutOfRangeException.ThrowIfZero(queries.Count, nameof(queries));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(depth);
        search ??= new SearchOptions { Limit = 100 };
        var scores = new List<QueryScores>();
        foreach (var query in queries)
        {
            var hits = await knowledge.SearchAsync(query.Text, search, cancellationToken).ConfigureAwait(false);
            scores.Add(Score(query, [.. hits.Select(hit => hit.Chunk.Source).Distinct(StringComparer.Ordinal)], depth));
        }

        return new RetrievalReport(depth, scores);
    }

    /// <summary>Scores one ranking.</summary>
    /// <param name="query">The query with its judgements.</param>
    /// <param name="ranking">The documents, best first, each once.</param>
    /// <param name="depth">At which rank the measures are cut, MAP excepted.</param>
    public static QueryScores Score(RetrievalQuery query, IReadOnlyList<string> ranking, int depth)
    {
        ArgumentNullException.ThrowIfNull(query);
        return new QueryScores(
            query.Id,
            RetrievalMetrics.Ndcg(ranking, query.Judgements, depth),
            RetrievalMetrics.ReciprocalRank(ranking, query.Judgements, depth),
            RetrievalMetrics.Recall(ranking, query.Judgements, depth),
            RetrievalMetrics.Precision(ranking, query.Judgements, depth),
            RetrievalMetrics.AveragePrecision(ranking, query.Judgements))
        {
            Ranking = ranking,
        };
    }
}

/// <summary>A query with judgements.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Text">The words.</param>
/// <param name="Judgements">By document, how relevant it is; 0 or less is not relevant.</param>
public sealed record RetrievalQuery(string Id, string Text, IReadOnlyDictionary<string, int> Judgements);

/// <summary>The scores of one query, each from 0 to 1.</summary>
/// <param name="Id">The query's id.</param>
/// <param name="Ndcg">Normalised discounted cumulative gain.</param>
/// <param name="ReciprocalRank">1 over the rank of the first relevant document; its mean is the MRR.</param>
/// <param name="Recall">The share of the relevant documents that was found.</param>
/// <param name="Precision">The share of the ranks that hold a relevant document.</param>
/// <param name="AveragePrecision">Precision averaged over the ranks of the relevant documents; its mean is the MAP.</param>
public sealed record QueryScores(
    string Id, double Ndcg, double ReciprocalRank, double Recall, double Precision, double AveragePrecision)
{
    /// <summary>The documents that were found, best first.</summary>
    public IReadOnlyList<string> Ranking { get; init; } = [];
}

/// <summary>The scores of a run.</summary>
/// <param name="Depth">At which rank the measures were cut, MAP excepted.</param>
/// <param name="Queries">The scores by query, in the order in which they were asked.</param>
public sealed record RetrievalReport(int Depth, IReadOnlyList<QueryScores> Queries)
{
    /// <summary>The mean over the queries.</summary>
    /// <param name="measure">Which score.</param>
    public double Mean(Func<QueryScores, double> measure) => Queries.Average(measure);

    /// <summary>How much better this run is than another one on the same queries.</summary>
    /// <param name="other">The other run.</param>
    /// <param name="measure">Which score.</param>
    /// <returns>The mean difference with a 95% interval.</returns>
    /// <exception cref="ArgumentException">The runs are not of the same queries.</exception>
    public PairedBootstrap Against(RetrievalReport other, Func<QueryScores, double> measure)
    {
        ArgumentNullException.ThrowIfNull(other);
        ArgumentNullException.ThrowIfNull(measure);
        if (!Queries.Select(query => query.Id).SequenceEqual(other.Queries.Select(query => query.Id), StringComparer.Ordinal))
            throw new ArgumentException("The two runs are not of the same queries in the same order.", nameof(other));
        return PairedBootstrap.Of([.. Queries.Select(measure)], [.. other.Queries.Select(measure)]);
    }
}

/// <summary>
/// The mean of paired differences with its percentile bootstrap interval (Efron and Tibshirani, An Introduction to the Bootstrap, 13.3):
/// the pairs are drawn again with replacement.
/// </summary>
/// <param name="Difference">The mean of the differences.</param>
/// <param name="Low">Where the interval begins.</param>
/// <param name="High">Where it ends.</param>
public sealed record PairedBootstrap(double Difference, double Low, double High)
{
    /// <summary>Whether the interval leaves out 0.</summary>
    public bool IsSignificant => Low > 0 || High < 0;

    /// <summary>Computes the interval.</summary>
    /// <param name="scores">The scores of one system.</param>
    /// <param name="others">The scores of the other one on the same items, in the same order.</param>
    /// <param name="confidence">How much of the resampled means the interval holds.</param>
    /// <param name="resamples">How often to draw.</param>
    /// <param name="seed">The same seed gives the same interval.</param>
    public static PairedBootstrap Of(
        IReadOnlyList<double> scores, IReadOnlyList<double> others, double confidence = 0.95, int resamples = 10_000, int seed = 1)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(others);
        ArgumentOutOfRangeException.ThrowIfZero(scores.Count, nameof(scores));
        ArgumentOutOfRangeException.ThrowIfNotEqual(others.Count, scores.Count, nameof(others));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(confidence, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(confidence, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(resamples);
        var differences = scores.Select((score, i) => score - others[i]).ToArray();
        var random = new Random(seed);
        var means = new double[resamples];
        for (int i = 0; i < resamples; i++)
        {
            double sum = 0;
            for (int k = 0; k < differences.Length; k++)
                sum += differences[random.Next(differences.Length)];
            means[i] = sum / differences.Length;
        }

        Array.Sort(means);
        return new PairedBootstrap(differences.Average(), At((1 - confidence) / 2), At((1 + confidence) / 2));

        double At(double quantile) => means[Math.Clamp((int)Math.Round(quantile * (resamples - 1)), 0, resamples - 1)];
    }
}
