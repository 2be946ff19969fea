using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Tests.Hosting;

/// <summary>A knowledge base as tools of an agent.</summary>
public sealed class ToolTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private KnowledgeBase _knowledge = null!;

    public async Task InitializeAsync()
    {
        _knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        await _knowledge.AddDocumentAsync("engines/oil.md", new MemoryStream(Encoding.UTF8.GetBytes(
            "# Engines\n\n## Oil\n\nThe oil \"5W-30\" is changed every 10,000 km.\n\n## Lamps\n\nThe lamp has a green shade.\n")));
    }

    public async Task DisposeAsync() => await _knowledge.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Search_gives_numbered_passages_under_their_places_as_plain_text()
    {
        var result = await CallAsync(_knowledge.AsTools(), "search", new() { ["query"] = "oil" });
        Assert.Equal("[1] engines/oil.md (Engines › Oil)\nEngines\n\nOil\n\nThe oil \"5W-30\" is changed every 10,000 km.", result);
        Assert.Equal("Nothing was found.", await CallAsync(_knowledge.AsTools(), "search", new() { ["query"] = "zebra" }));
    }

    [Fact]
    public async Task Search_reads_out_what_stands_around_a_passage_where_that_is_asked_for()
    {
        var options = new KnowledgeToolOptions { Search = new SearchOptions { Surroundings = SurroundingsKind.Neighbours } };
        var result = await CallAsync(_knowledge.AsTools(options), "search", new() { ["query"] = "oil" });
        Assert.Contains("green shade", result, StringComparison.Ordinal);
        Assert.Contains("10,000 km", result, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ask_gives_the_answer_with_its_sources_or_says_that_there_is_none()
    {
        var result = await CallAsync(_knowledge.AsTools(), "ask", new() { ["question"] = "How often is the oil changed?" });
        Assert.Equal("""
            The oil "5W-30" is changed every 10,000 km. [1]

            Sources:
            [1] engines/oil.md (Engines › Oil): The oil "5W-30" is changed every 10,000 km.
            """.ReplaceLineEndings("\n"), result);
        var none = await CallAsync(_knowledge.AsTools(), "ask", new() { ["question"] = "Who painted the Mona Lisa?" });
        Assert.Equal((await _knowledge.AskAsync("Who painted the Mona Lisa?")).Text, none);
    }

    [Fact]
    public void Reading_tools_are_marked_and_writing_ones_come_on_request_and_need_an_approval()
    {
        var reading = _knowledge.AsTools();
        Assert.Equal(["search", "ask"], reading.Select(tool => tool.Name));
        Assert.All(reading, tool => Assert.Equal(true, tool.AdditionalProperties[TrustLabels.ReadOnly]));
        Assert.All(reading, tool => Assert.Null(tool.GetService<ApprovalRequiredAIFunction>()));

        var all = _knowledge.AsTools(new KnowledgeToolOptions { IncludesWriting = true, Naming = name => $"handbook_{name}" });
        Assert.Equal(["handbook_search", "handbook_ask", "handbook_save", "handbook_delete"], all.Select(tool => tool.Name));
        Assert.All(all.Skip(2), tool => Assert.NotNull(tool.GetService<ApprovalRequiredAIFunction>()));
        Assert.All(all.Skip(2), tool => Assert.DoesNotContain(TrustLabels.ReadOnly, tool.AdditionalProperties.Keys));
    }

    [Fact]
    public async Task What_is_saved_is_found_and_what_is_deleted_is_not()
    {
        var tools = _knowledge.AsTools(new KnowledgeToolOptions { IncludesWriting = true });
        var meeting =
            new AIFunctionArguments
            {
                ["name"] = "notes/meeting",
                ["text"] = "# Meeting\n\nThe party is on 3 May.\n",
                ["tags"] = new[] { "private" }
            };
        Assert.Equal("Saved as notes/meeting.md.", await CallAsync(tools, "save", meeting));
        Assert.Equal("notes/meeting.md was saved already.", await CallAsync(tools, "save", meeting));
        Assert.Contains("3 May", await CallAsync(tools, "ask", new() { ["question"] = "When is the party?" }));
        Assert.Equal(["private"], (await _knowledge.ListDocumentsAsync()).Single(record => record.Source == "notes/meeting.md").Tags);
        Assert.Equal("There is no document notes/other.md.", await CallAsync(tools, "delete", new() { ["name"] = "notes/other.md" }));
        Assert.Equal("Deleted notes/meeting.md.", await CallAsync(tools, "delete", new() { ["name"] = "notes/meeting.md" }));
        Assert.DoesNotContain(await _knowledge.ListDocumentsAsync(), record => record.Source == "notes/meeting.md");
    }

    [Theory]
    [InlineData("")]
    [InlineData("/etc/passwd")]
    [InlineData("../up.md")]
    [InlineData("a//b.md")]
    [InlineData("a\\b.md")]
    [InlineData("a\nb.md")]
    public async Task A_name_that_is_no_relative_path_is_refused(string name)
        => await Assert.ThrowsAsync<KotonohaException>(() => CallAsync(
            _knowledge.AsTools(new KnowledgeToolOptions { IncludesWriting = true }), "save", new() { ["name"] = name, ["text"] = "x" }));

    private static async Task<string> CallAsync(IReadOnlyList<AIFunction> tools, string name, AIFunctionArguments arguments)
        => Assert.IsType<string>(await tools.Single(tool => tool.Name == name).InvokeAsync(arguments));
}
