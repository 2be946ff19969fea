using Kotonoha.Rag.Evaluation;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Evaluation;

public sealed class BeirCollectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public BeirCollectionTests()
    {
        _folder.Write("corpus.jsonl", """
            {"_id": "d1", "title": "Owls", "text": "Owls hunt at night."}
            {"_id": "d2", "text": "Swifts sleep in the air."}

            {"_id": "d3", "title": "", "text": "Penguins cannot fly."}
            """);
        _folder.Write("queries.jsonl", """
            {"_id": "q1", "text": "Which bird hunts at night?"}
            {"_id": "q2", "text": "Which bird sleeps in the air?"}
            {"_id": "q3", "text": "nobody has judged this"}
            """);
        _folder.Write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td2\t1\nq2\td3\t0\n");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Documents_judged_queries_and_judgements_are_read()
    {
        var read = await BeirCollection.LoadAsync(_folder.Path);
        Assert.Equal(
            [new BeirDocument("d1", "Owls", "Owls hunt at night."), new("d2", "", "Swifts sleep in the air."),
                new("d3", "", "Penguins cannot fly.")],
            read.Documents);
        Assert.Equal(["q1", "q2"], read.Queries.Select(query => query.Id));
        Assert.Equal(new Dictionary<string, int> { ["d2"] = 1, ["d3"] = 0 }, read.Queries[1].Judgements);
        Assert.Equal("Owls Owls hunt at night.", read.ToChunks().First().Text);
    }

    [Theory]
    [InlineData("corpus.jsonl", "{\"_id\": \"d1\", \"text\": \"a\"}\n{\"_id\": 2, \"text\": \"b\"}", 2, "\"_id\"")]
    [InlineData("corpus.jsonl", "{\"_id\": \"d1\", \"text\": \"a\"}\n{\"_id\": \"d1\", \"text\": \"b\"}", 2, "before")]
    [InlineData("corpus.jsonl", "{\"_id\": \"d1\"}", 1, "\"text\"")]
    [InlineData("corpus.jsonl", "[1]", 1, "no JSON object")]
    [InlineData("queries.jsonl", "{\"_id\": \"q1\", \"text\": ", 1, "no JSON object")]
    [InlineData("queries.jsonl", "{\"_id\": \"q1\", \"text\": \"a\"}", null, "'q2' is judged")]
    [InlineData("qrels/test.tsv", "q1\td1\t2\n", 1, "header")]
    [InlineData("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1 d1 2\n", 2, "three")]
    [InlineData("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\tmuch\n", 2, "whole number")]
    [InlineData("qrels/test.tsv", "query-id\tcorpus-id\tscore\n\nq1\td9\t1\n", 3, "'d9'")]
    [InlineData("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td1\t2\n", 3, "before")]
    public async Task What_is_wrong_is_told_with_file_and_line(string file, string content, int? line, string problem)
    {
        var path = _folder.Write(file, content);
        var exception = await Assert.ThrowsAsync<EvaluationDataException>(() => BeirCollection.LoadAsync(_folder.Path));
        Assert.Contains(problem, exception.Message, StringComparison.Ordinal);
        if (line is { } number)
            Assert.Equal((path, number), (exception.Path, exception.Line));
    }

    [Fact]
    public async Task A_missing_file_is_named()
    {
        File.Delete(_folder.At("corpus.jsonl"));
        var exception = await Assert.ThrowsAsync<EvaluationDataException>(() => BeirCollection.LoadAsync(_folder.Path));
        Assert.Equal(_folder.At("corpus.jsonl"), exception.Path);
    }

    [Fact]
    public async Task A_knowledge_base_of_the_collection_is_measured_query_by_query()
    {
        var read = await BeirCollection.LoadAsync(_folder.Path);
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        await knowledge.AddChunksAsync(read.ToChunks());
        var report = await RetrievalEvaluation.RunAsync(knowledge, read.Queries);
        Assert.Equal(["q1", "q2"], report.Queries.Select(query => query.Id));
        Assert.Equal("d1", report.Queries[0].Ranking[0]);
        Assert.Equal("d2", report.Queries[1].Ranking[0]);
        Assert.Equal(1, report.Mean(query => query.Ndcg), 12);
        Assert.Equal(0.1, report.Mean(query => query.Precision), 12);
    }
}
