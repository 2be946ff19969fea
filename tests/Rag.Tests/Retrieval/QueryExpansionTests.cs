using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using ScriptedChatClient = Kotonoha.Rag.Tests.Answering.ScriptedChatClient;

namespace Kotonoha.Rag.Tests.Retrieval;

public sealed class QueryExpansionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kotonoha-expand-").FullName;

    [Theory]
    [InlineData("1. opening hours of the pool\n2) when does the swimming hall open\n- \"pool timetable\"\n\nfourth", 3,
        new[] { "opening hours of the pool", "when does the swimming hall open", "pool timetable" })]
    [InlineData("When does the pool open?\nopening hours\nOpening Hours", 3, new[] { "opening hours" })]
    [InlineData("<think>The user wants\nsomething</think>\n・プールの開館時間\n１", 2, new[] { "プールの開館時間", "１" })]
    [InlineData("<think>never ends", 3, new string[0])]
    public async Task Queries_are_read_off_the_lines_without_marks_and_repetitions(string written, int most, string[] queries)
    {
        using var chat = new ScriptedChatClient(written);
        var expansion = new ChatQueryExpansion(chat, QueryExpansionKind.MultiQuery, new QueryExpansionOptions { MaxQueries = most });
        Assert.Equal(queries, (await expansion.ExpandAsync("When does the pool open?")).Select(query => query.Text));
        Assert.Equal("When does the pool open?", chat.Messages[^1].Text);
    }

    [Fact]
    public async Task A_hypothetical_document_is_one_query_that_is_cut_to_size()
    {
        using var chat = new ScriptedChatClient("The pool opens at nine.\n" + new string('あ', 50));
        var expansion = new ChatQueryExpansion(
            chat, QueryExpansionKind.HypotheticalDocument, new QueryExpansionOptions { MaxQueryLength = 32 });
        var query = Assert.Single(await expansion.ExpandAsync("When does the pool open?"));
        Assert.True(query.IsDocument);
        Assert.Equal("The pool opens at nine.", query.Text);
    }

    [Fact]
    public async Task What_another_query_finds_is_found_and_what_the_question_finds_stays_first()
    {
        using var knowledge = new KnowledgeBase(EmbeddedStore.Open(Path.Combine(_folder, "kb.db")));
        await Add(knowledge, "a.md", "The bath house is open from nine to five.");
        await Add(knowledge, "b.md", "The pool has six lanes.");
        await Add(knowledge, "c.md", "Dogs stay outside.");
        using var chat = new ScriptedChatClient("bath house hours");
        var options = new SearchOptions { Expansion = new ChatQueryExpansion(chat, QueryExpansionKind.MultiQuery) };
        var alone = await knowledge.SearchAsync("pool");
        Assert.Equal(["b.md"], alone.Select(hit => hit.Chunk.Source));
        var explained = await knowledge.ExplainSearchAsync("pool", options);
        Assert.Equal(["b.md", "a.md"], explained!.Hits.Select(hit => hit.Chunk.Source));
        Assert.Equal(["pool", "bath house hours"], explained.Queries.Select(query => query.Query.Text));
        Assert.Equal(1, explained.Queries.Sum(query => query.Weight), 9);
        Assert.Contains("bath", explained.Queries[1].Terms);
        Assert.Equal(explained.Fused.Select(entry => entry.Id), explained.Hits.Select(hit => hit.Chunk.Id));
    }

    [Fact]
    public async Task Words_that_are_made_up_are_not_looked_up()
    {
        using var knowledge = new KnowledgeBase(EmbeddedStore.Open(Path.Combine(_folder, "kb.db")), new SvdEmbedder(_folder));
        for (int i = 0; i < 6; i++)
            await Add(knowledge, $"{i}.md", $"Report number {i} about harbours, ships and tides of the northern coast.");
        using var chat = new ScriptedChatClient("Ships enter the harbour with the tide.");
        var options = new SearchOptions { Expansion = new ChatQueryExpansion(chat, QueryExpansionKind.HypotheticalDocument) };
        var explained = await knowledge.ExplainSearchAsync("When do vessels come in?", options);
        var document = explained!.Queries[1];
        Assert.Equal((0, FusionMethod.DenseOnly), (document.Sparse.Count, document.Fusion));
        Assert.Empty(document.Terms);
        Assert.NotEmpty(document.Dense);

        // By words alone there is nothing to do for it.
        var byWords = await knowledge.ExplainSearchAsync("When do vessels come in?", options with { Fusion = FusionMethod.SparseOnly });
        Assert.Single(byWords!.Queries);
    }

    [Fact]
    public async Task A_hit_brings_its_neighbours_or_its_section_along()
    {
        var chunking = new Kotonoha.Rag.Chunking.ChunkingOptions { Unit = Kotonoha.Rag.Chunking.ChunkUnit.Sentence };
        using var knowledge = new KnowledgeBase(
            EmbeddedStore.Open(Path.Combine(_folder, "kb.db")), null, new KnowledgeBaseOptions { Chunking = chunking });
        await Add(knowledge, "a.md", "# Pool\n\nOne comes first. The zebra swims second. Three is third. Four is fourth.\n\n# "
            + "Sauna\n\nIt is hot.");
        var hit = Assert.Single(await knowledge.SearchAsync("zebra"));
        Assert.Equal("The zebra swims second.", hit.Chunk.Text);
        Assert.Empty(hit.Surroundings);
        Assert.Equal("The zebra swims second.", hit.SurroundingText);

        var near = Assert.Single(await knowledge.SearchAsync("zebra", new SearchOptions { Surroundings = SurroundingsKind.Neighbours }));
        Assert.Equal(["One comes first.", "The zebra swims second.", "Three is third."],
            near.Surroundings.Select(chunk => chunk.Text.Split('\n')[^1]));

        var section = Assert.Single(await knowledge.SearchAsync("zebra", new SearchOptions { Surroundings = SurroundingsKind.Section }));
        Assert.EndsWith("Four is fourth.", section.SurroundingText);
        Assert.DoesNotContain("hot", section.SurroundingText);

        var small = Assert.Single(await knowledge.SearchAsync(
            "zebra", new SearchOptions { Surroundings = SurroundingsKind.Section, MaxSurroundings = 11 }));
        Assert.Contains("zebra", small.SurroundingText);
        Assert.DoesNotContain("Four", small.SurroundingText);
    }

    [Fact]
    public async Task An_explanation_holds_the_answer_the_searches_and_the_ranked_sentences()
    {
        using var knowledge = new KnowledgeBase(EmbeddedStore.Open(Path.Combine(_folder, "kb.db")));
        await Add(knowledge, "rooms.md", "# Rooms\n\nRoom 204 seats 12 people. Room 205 seats 30 people.");
        var explanation = await knowledge.ExplainAsync("How many people does room 205 seat?");
        Assert.Contains("room 205", explanation.References);
        Assert.Contains("30", explanation.Answer.Text);
        Assert.Equal(("en", "Quantity"), (explanation.Language, explanation.Kind));
        Assert.Equal(1, explanation.Terms.Values.Sum(), 2);
        var other = Assert.Single(explanation.Candidates, candidate => candidate.Text.Contains("204", StringComparison.Ordinal));
        Assert.True(other.IsOfAnother);
        Assert.Equal("Room 205 seats 30 people.", explanation.Candidates[0].Text);
        Assert.True(explanation.Candidates[0].Probability >= explanation.Threshold);
        Assert.Equal("How many people does room 205 seat?", explanation.Searches[0].Queries[0].Query.Text);

        var nothing = await knowledge.ExplainAsync("xylophone?");
        Assert.False(nothing.Answer.Found);
        Assert.Empty(nothing.Candidates);
    }

    private static Task<AddReport> Add(KnowledgeBase knowledge, string source, string text)
        => knowledge.AddDocumentAsync(source, new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)));

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
