using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Evaluation;
using Kotonoha.Rag.Stores;
using Kotonoha.Tests.Planted;

namespace Kotonoha.Rag.Tests.Evaluation;

/// <summary>A small dose of <c>scripts/check-planted</c>.</summary>
public sealed class PlantedTests : IDisposable
{
    private const int Seed = 40, Count = 40;

    // What is reached here, and not the bar of the whole measurement: it keeps what works from being lost.
    private const double Precision = 0.75, Recall = 0.88, FalseAnswers = 0.34;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_same_seed_plants_the_same_questions_and_every_kind_of_them()
    {
        var first = await PlantedCollection.WriteAsync(Directory.CreateDirectory(_folder.At("a")).FullName, Seed, Count);
        var second = await PlantedCollection.WriteAsync(Directory.CreateDirectory(_folder.At("b")).FullName, Seed, Count);
        Assert.Equal(Count, first.Count);
        Assert.Equal(first.Select(question => question.Question), second.Select(question => question.Question));
        Assert.Equal(Count, first.DistinctBy(question => question.Question).Count());
        Assert.Equal(12, first.Count(question => !question.IsAnswerable));
        Assert.Equal([".docx", ".html", ".md", ".txt"],
            Directory.GetFiles(_folder.At("a")).Select(Path.GetExtension).Distinct().Order(StringComparer.Ordinal));
        foreach (var file in Directory.GetFiles(_folder.At("a")).Where(file => !file.EndsWith(".docx", StringComparison.Ordinal)))
            Assert.Equal(File.ReadAllText(file), File.ReadAllText(Path.Combine(_folder.At("b"), Path.GetFileName(file))));
    }

    [Fact]
    public async Task Planted_facts_are_found_and_cited_as_well_as_before()
    {
        var docs = Directory.CreateDirectory(_folder.At("docs")).FullName;
        var questions = await PlantedCollection.WriteAsync(docs, Seed, Count);
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")), new SvdEmbedder(_folder.At("embedder")),
            new KnowledgeBaseOptions { Readers = Readers.DocumentReaders.InProcess });
        await knowledge.SyncFolderAsync(docs);
        var all = new CitationScore();
        foreach (var question in questions)
            all = all.Plus(CitationScore.Of(question, await knowledge.AskAsync(question.Question)));
        Assert.True(all.Precision >= Precision && all.Recall >= Recall && all.FalseAnswerRate <= FalseAnswers, all.ToString());
    }
}
