using System.Globalization;
using System.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Cli.Output;

/// <summary>How an answer came about, as a person reads it: every stage with its scores.</summary>
internal static class ExplanationText
{
    private const int MaxHits = 8, MaxCandidates = 8, MaxText = 100;

    public static string Format(AnswerExplanation explanation)
    {
        var text = new StringBuilder();
        Line($"question: language {explanation.Language}, asks for {explanation.Kind.ToLowerInvariant()}");
        var terms = explanation.Terms.OrderByDescending(term => term.Value).Select(term => Invariant($"{term.Key} {term.Value:F2}"));
        if (explanation.Terms.Count > 0)
            Line($"terms: {string.Join(", ", terms)}");
        if (explanation.References.Count > 0)
            Line($"must be about: {string.Join(", ", explanation.References)}");
        foreach (var search in explanation.Searches)
            Append(text, search, MaxHits);

        Line(Invariant($"sentences (the first answers from {explanation.Threshold:F2} on):"));
        foreach (var candidate in explanation.Candidates.Take(MaxCandidates))
        {
            var measured = candidate.Features.Where(feature => feature.Value != 0)
                .Select(feature => Invariant($"{feature.Key} {feature.Value:0.##}"));
            Line(Invariant($"   {candidate.Probability:F2}{(candidate.IsOfAnother ? " of another" : "")}  ")
                + $"{candidate.Source}: {Short(candidate.Text)}");
            Line($"        {string.Join(' ', measured)}");
        }

        Line($"ms: {Times(explanation.Answer.Timings)}");
        return text.ToString();

        void Line(string line) => text.Append("   ").AppendLine(line);
    }

    /// <summary>What a search did, with its best hits.</summary>
    public static void Append(StringBuilder text, SearchExplanation search, int maxHits)
    {
        foreach (var query in search.Queries)
            Line($"search “{Short(query.Query.Text)}”: {query.Dense.Count} by meaning{Weight(query)}, "
                + $"{query.Sparse.Count} by words ({string.Join(' ', query.Terms)})"
                + (search.Queries.Count > 1 ? Invariant($"; counts {query.Weight:F2}") : ""));
        if (search.BelowThreshold > 0)
            Line($"   {search.BelowThreshold} below a threshold");
        if (search.Reranked > 0)
            Line($"   {search.Reranked} read by the reranker");
        foreach (var hit in search.Hits.Take(maxHits))
            Line(Invariant($"   {hit.Score:F3} = meaning {Score(hit.DenseScore)}, words {Score(hit.SparseScore)}")
                + (hit.RerankScore is { } rerank ? Invariant($", reranker {rerank:F3}") : "")
                + $"  {hit.Chunk.Source}: {Short(hit.Chunk.Heading ?? hit.Chunk.Text)}");
        Line($"   ms: {Times(search.Milliseconds)}");

        void Line(string line) => text.Append("   ").AppendLine(line);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Score(double? score) => score is { } value ? Invariant($"{value:F3}") : "–";

    private static string Weight(QueryExplanation query) => query.DenseWeight is { } weight ? Invariant($" × {weight:F2}") : "";

    private static string Times(IReadOnlyDictionary<string, double> times)
        => string.Join(", ", times.Select(stage => Invariant($"{stage.Key} {stage.Value:F1}")));

    /// <summary>The beginning of a text, on one line.</summary>
    public static string Short(string text)
    {
        text = text.ReplaceLineEndings(" ");
        int end = Math.Min(text.Length, MaxText);
        return end == text.Length ? text : text[..(char.IsHighSurrogate(text[end - 1]) ? end - 1 : end)] + "…";
    }
}
