#pragma warning disable SKEXP0001, CS0618 // Text search of Semantic Kernel is experimental, and its plugins take the older contract.
using System.Linq.Expressions;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Rag.Hosting;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.Data;

namespace Kotonoha.Rag.Tests.Hosting;

/// <summary>Semantic Kernel's text search over a knowledge base.</summary>
public sealed class TextSearchTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private KnowledgeBase _knowledge = null!;

    public static TheoryData<Expression<Func<KnowledgePassage, bool>>, string[]> Filters
    {
        get
        {
            var tag = "staff";
            return new()
            {
                { passage => passage.Source == "guides/tea.md", ["guides/tea.md"] },
                { passage => "guides/tea.md" == passage.Source, ["guides/tea.md"] },
                { passage => passage.Source.StartsWith("guides/"), ["guides/coffee.md", "guides/tea.md"] },
                { passage => passage.Tags.Contains(tag), ["guides/coffee.md", "rules.md"] },
                { passage => passage.Tags.Contains("staff") && passage.Source.StartsWith("guides/"), ["guides/coffee.md"] },
                { passage => passage.Tags.Contains(tag) && !(passage.Source == "rules.md" || passage.Source == "x"), ["guides/coffee.md"] },
                { passage => passage.Source != "rules.md", ["guides/coffee.md", "guides/tea.md"] },
                { passage => passage.Source.StartsWith("guides/") && passage.Source == "guides/tea.md", ["guides/tea.md"] },
            };
        }
    }

    public static TheoryData<Expression<Func<KnowledgePassage, bool>>> Refused => new(
        passage => passage.Score > 1,
        passage => passage.Source == "rules.md" || passage.Score > 1,
        passage => passage.Source.StartsWith("rul"),
        passage => passage.Source == passage.Text,
        passage => passage.Source == "",
        passage => passage.Source.StartsWith("/"),
        passage => passage.Tags.Contains("staff") && "" == passage.Source,
        passage => passage.Source == "rules.md" && passage.Source == "guides/tea.md");

    public async Task InitializeAsync()
    {
        _knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        await AddAsync("guides/tea.md", "# Tea\n\nTea is brewed with water of 80 degrees.");
        await AddAsync("guides/coffee.md", "# Coffee\n\nCoffee is brewed with water of 93 degrees.", "staff");
        await AddAsync("rules.md", "# Rules\n\nWater is switched off at night.", "staff");
    }

    public async Task DisposeAsync() => await _knowledge.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Results_have_name_value_and_link_in_the_order_of_the_hybrid_search()
    {
        var hits = await _knowledge.SearchAsync("brewed water", new SearchOptions { Limit = 3 });
        var search =
            new KnowledgeTextSearch(_knowledge, new KnowledgeTextSearchOptions { Link = hit => $"https://example.com/{hit.Chunk.Source}" });
        var results = await (await search.GetTextSearchResultsAsync("brewed water")).Results.ToListAsync();
        Assert.Equal(hits.Select(hit => (hit.Chunk.Source, hit.Chunk.Text.Trim(), $"https://example.com/{hit.Chunk.Source}")),
            results.Select(result => (result.Name!, result.Value, result.Link!)));
        Assert.Equal(results.Select(result => result.Value), await (await search.SearchAsync("brewed water")).Results.ToListAsync());
        var second = await search.GetSearchResultsAsync("brewed water", new TextSearchOptions<KnowledgePassage> { Top = 1, Skip = 1 });
        Assert.Equal(hits[1].Chunk.Source, (await second.Results.SingleAsync()).Source);
    }

    [Theory]
    [MemberData(nameof(Filters))]
    public async Task Filters_narrow_the_search(Expression<Func<KnowledgePassage, bool>> filter, string[] sources)
    {
        var found = await new KnowledgeTextSearch(_knowledge).GetSearchResultsAsync("water",
            new TextSearchOptions<KnowledgePassage> { Filter = filter, Top = 10 });
        Assert.Equal(sources, await found.Results.Select(passage => passage.Source).Order().ToListAsync());
    }

    [Fact]
    public async Task A_filter_of_the_caller_does_not_widen_the_scope_of_the_options()
    {
        var labels = new DocumentLabels { Access = DocumentAccess.WholeTenant("acme") };
        using var content = new MemoryStream(Encoding.UTF8.GetBytes("# Milk\n\nMilk is heated with water.\n"));
        await _knowledge.AddDocumentAsync("guides/milk.md", content, labels);
        var search = new KnowledgeTextSearch(_knowledge, new KnowledgeTextSearchOptions
        {
            Search = new SearchOptions { Filter = new StoreFilter { Scope = new AccessScope("acme") } },
        });
        var found = await search.GetSearchResultsAsync("water",
            new TextSearchOptions<KnowledgePassage> { Filter = passage => passage.Source.StartsWith("guides/"), Top = 10 });
        Assert.Equal(["guides/milk.md"], await found.Results.Select(passage => passage.Source).ToListAsync());
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task A_filter_that_cannot_be_kept_is_a_typed_error(Expression<Func<KnowledgePassage, bool>> filter)
        => await Assert.ThrowsAsync<KotonohaException>(() => new KnowledgeTextSearch(_knowledge).GetSearchResultsAsync("water",
            new TextSearchOptions<KnowledgePassage> { Filter = filter }));

    [Fact]
    public async Task What_the_options_shut_out_no_filter_lets_in()
    {
        var search = new KnowledgeTextSearch(_knowledge,
            new KnowledgeTextSearchOptions { Search = new SearchOptions { Filter = new StoreFilter("guides") } });
        var found = await search.GetSearchResultsAsync("water",
            new TextSearchOptions<KnowledgePassage> { Filter = passage => passage.Tags.Contains("staff") });
        Assert.Equal("guides/coffee.md", (await found.Results.SingleAsync()).Source);
        await Assert.ThrowsAsync<KotonohaException>(() => search.GetSearchResultsAsync("water",
            new TextSearchOptions<KnowledgePassage> { Filter = passage => passage.Source == "rules.md" }));
    }

    [Fact]
    public async Task Semantic_Kernel_s_plugin_works_over_it()
    {
        var plugin = new KnowledgeTextSearch(_knowledge).CreateWithGetTextSearchResults("Search");
        var function = Assert.Single(plugin);
        var result = await function.InvokeAsync(new Kernel(), new KernelArguments { ["query"] = "coffee", ["count"] = 1 });
        var found = Assert.Single(result.GetValue<List<TextSearchResult>>()!);
        Assert.Equal(("guides/coffee.md", "Coffee\n\nCoffee is brewed with water of 93 degrees.", "guides/coffee.md"),
            (found.Name, found.Value, found.Link));

        ITextSearch older = new KnowledgeTextSearch(_knowledge);
        var staff = await older.GetTextSearchResultsAsync("water",
            new TextSearchOptions { Filter = new TextSearchFilter().Equality("Tags", "staff").Equality("Source", "rules.md") });
        Assert.Equal("rules.md", (await staff.Results.SingleAsync()).Name);
        await Assert.ThrowsAsync<KotonohaException>(() => older.SearchAsync("water",
            new TextSearchOptions { Filter = new TextSearchFilter().Equality("Page", 1) }));
    }

    private Task AddAsync(string source, string text, params string[] tags)
        => _knowledge.AddDocumentAsync(source, new MemoryStream(Encoding.UTF8.GetBytes(text)), tags);
}
