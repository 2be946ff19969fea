using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Kotonoha.Tests.Planted;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>Where a question of the fits comes from.</summary>
internal enum TuningKind
{
    /// <summary>JSQuAD: its paragraph is indexed, or its article is left out.</summary>
    Prose,

    /// <summary>JSQuAD: its paragraph is held out of an indexed article.</summary>
    Near,

    /// <summary>Planted facts, whose place is known: other sentences do not answer.</summary>
    Planted,

    /// <summary>Questions that people wrote for a folder of documents.</summary>
    Folder,
}

/// <summary>A question that the answering models are fitted on.</summary>
/// <param name="Kind">Where it comes from.</param>
/// <param name="Text">As asked.</param>
/// <param name="IsAnswerable">Whether the documents answer it.</param>
/// <param name="Trace">The candidates, or null where nothing was found or it was not asked yet.</param>
/// <param name="IsGold">Whether a candidate holds an answer.</param>
internal sealed record TuningQuestion(
    TuningKind Kind, string Text, bool IsAnswerable, AnswerTrace? Trace, Func<Candidate, bool> IsGold)
{
    private const int PerHalf = 250, PlantedQuestions = 500;
    private const double HeldOut = 0.15;

    /// <summary>The tuning questions of JSQuAD for a seed; of those whose paragraph is held out, half as many.</summary>
    internal static IAsyncEnumerable<TuningQuestion> OfProseAsync(string path, int seed) => OverAsync(async folder =>
    {
        var data = TruthData.Draw(path, seed, PerHalf, tuning: true, HeldOut);
        var asked = data.Answerable.Concat(data.Unanswerable).Select(gold => Of(TuningKind.Prose, gold))
            .Concat(data.Near.Take(PerHalf / 2).Select(gold => Of(TuningKind.Near, gold)));
        return (await TruthBench.IndexAsync(data, folder), asked);
    });

    /// <summary>The questions of a file about a folder of documents.</summary>
    internal static IAsyncEnumerable<TuningQuestion> OfFolderAsync(string documents, string file) => OverAsync(async folder =>
    {
        var knowledge = TruthBench.Open(folder);
        await knowledge.SyncFolderAsync(documents);
        return (knowledge, GoldQuestion.ReadFile(file).Select(gold => Of(TuningKind.Folder, gold)));
    });

    /// <summary>The questions over planted facts for a seed.</summary>
    internal static IAsyncEnumerable<TuningQuestion> OfPlantedAsync(int seed) => OverAsync(async folder =>
    {
        var documents = Directory.CreateDirectory(Path.Combine(folder, "docs")).FullName;
        var questions = await PlantedCollection.WriteAsync(documents, seed, PlantedQuestions);
        var knowledge = TruthBench.Open(folder);
        await knowledge.SyncFolderAsync(documents);
        return (knowledge, questions.Select(question => new TuningQuestion(
            TuningKind.Planted, question.Question, question.Gold.Count > 0, null,
            candidate => question.Gold.Any(span => span.Source == candidate.Passage.Chunk.Source
                && span.Start >= candidate.Passage.Chunk.Start + candidate.Span.Start
                && span.Start < candidate.Passage.Chunk.Start + candidate.Span.End))));
    });

    private static TuningQuestion Of(TuningKind kind, GoldQuestion gold) => new(
        kind, gold.Question, gold.Answers.Count > 0, null,
        candidate => gold.Answers.Any(answer => candidate.Passage.Chunk.Text[candidate.Span.Start..candidate.Span.End]
            .Contains(answer, StringComparison.Ordinal)));

    private static async IAsyncEnumerable<TuningQuestion> OverAsync(
        Func<string, Task<(KnowledgeBase Knowledge, IEnumerable<TuningQuestion> Asked)>> index)
    {
        var folder = Directory.CreateTempSubdirectory("kotonoha-truth-");
        try
        {
            var (knowledge, asked) = await index(folder.FullName);
            await using (knowledge)
                foreach (var question in asked)
                    yield return question with { Trace = await knowledge.TraceAsync(question.Text, new AskOptions(), default) };
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
