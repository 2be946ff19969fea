using System.Globalization;
using System.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Evaluation;
using Kotonoha.Tests.Planted;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>
/// <c>planted [--seed N] [--count 500] [--misses] [--misses-file PATH] [--keep FOLDER]</c>: generated questions over planted facts, without
/// a chat model. Fails where citations are less precise or complete than the bar, or unanswerable questions are answered.
/// </summary>
internal static class PlantedBench
{
    private const double PrecisionBar = 0.97, RecallBar = 0.97, FalseAnswerBar = 0.02;

    internal static async Task<int> RunAsync(string[] args)
    {
        int seed = int.Parse(TruthBench.Option(args, "--seed") ?? "1", CultureInfo.InvariantCulture);
        int count = int.Parse(TruthBench.Option(args, "--count") ?? "500", CultureInfo.InvariantCulture);
        var kept = TruthBench.Option(args, "--keep");
        var folder = kept is null ? Directory.CreateTempSubdirectory("kotonoha-planted-") : Directory.CreateDirectory(kept);
        var misses = new StringBuilder();
        try
        {
            var docs = folder.CreateSubdirectory("docs").FullName;
            var questions = await PlantedCollection.WriteAsync(docs, seed, count);
            await using var knowledge = TruthBench.Open(folder.FullName);
            await knowledge.SyncFolderAsync(docs);
            var scores = new SortedDictionary<string, CitationScore>(StringComparer.Ordinal);
            var all = new CitationScore();
            foreach (var question in questions)
            {
                var answer = await knowledge.AskAsync(question.Question);
                var score = CitationScore.Of(question, answer);
                all = all.Plus(score);
                scores[question.Kind!] = scores.GetValueOrDefault(question.Kind!, new CitationScore()).Plus(score);
                if (!score.IsPerfect)
                    misses.Append(Miss(question, answer, docs));
            }

            if (args.Contains("--misses"))
                Console.WriteLine(misses);
            if (TruthBench.Option(args, "--misses-file") is { } file)
                File.WriteAllText(file, misses.ToString());
            Console.WriteLine("| kind | questions | answered | citation precision | citation recall | false answers |");
            Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
            foreach (var (kind, score) in scores)
                Console.WriteLine(Row(kind, score));
            Console.WriteLine(Row("all", all));
            Console.WriteLine($"seed {seed}; {Directory.GetFiles(docs).Length} documents");
            return all.Precision >= PrecisionBar && all.Recall >= RecallBar && all.FalseAnswerRate <= FalseAnswerBar ? 0 : 1;
        }
        finally
        {
            if (kept is null)
                folder.Delete(recursive: true);
        }
    }

    private static string Row(string kind, CitationScore score) => string.Create(
        CultureInfo.InvariantCulture,
        $"| {kind} | {score.Answerable + score.Unanswerable} | {score.Answered} | {Rate(score.Precision, score.Cited)} | "
            + $"{Rate(score.Recall, score.Gold)} | {(score.Unanswerable == 0 ? "" : $"{score.FalseAnswers} of {score.Unanswerable}")} |");

    private static string Rate(double rate, int of) => of == 0 ? "" : rate.ToString("F3", CultureInfo.InvariantCulture);

    private static string Miss(EvaluationQuestion question, Answer answer, string docs)
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"## {question.Kind} {question.Id}\nQ: {question.Question}\n");
        foreach (var group in question.Gold.GroupBy(span => span.Part))
            text.Append(CultureInfo.InvariantCulture,
                $"gold: {string.Join(" | ", group.Select(span => $"{span.Source}@{span.Start} «{span.Quote}»"))}\n");
        if (!question.IsAnswerable)
            text.Append("gold: (not in the documents)\n");
        if (!answer.Found)
            text.Append(CultureInfo.InvariantCulture,
                $"answered: (not found; nearest {string.Join(", ", answer.Nearest.Select(near => $"{near.Source} {near.Score:F2}"))})\n");
        foreach (var citation in answer.Citations)
        {
            bool right = question.Gold.Any(span => span.IsCitedBy(citation));
            text.Append(CultureInfo.InvariantCulture, $"answered {(right ? "right" : "WRONG")} [{citation.Number}] {citation.Source} "
                + $"({citation.Heading}) {citation.Score:F2}: {citation.Text.ReplaceLineEndings(" / ")}\n");
        }

        return text.Append('\n').ToString();
    }
}
