#pragma warning disable SKEXP0001 // Text search of Semantic Kernel is experimental.
using System.Text;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Hosting;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.Data;

namespace Kotonoha.Rag.Tests.Hosting;

/// <summary>Knowledge bases in containers and kernels.</summary>
public sealed class RegistrationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(null)]
    [InlineData("handbook")]
    public async Task A_knowledge_base_is_opened_when_it_is_asked_for_and_closed_with_the_container(string? key)
    {
        var services = new ServiceCollection();
        services.AddKeyedKnowledgeBase(key, _folder.At("kb.db"));
        KnowledgeBase knowledge;
        await using (var provider = services.BuildServiceProvider())
        {
            Assert.False(File.Exists(_folder.At("kb.db")));
            knowledge = key is null ? provider.GetRequiredService<KnowledgeBase>() : provider.GetRequiredKeyedService<KnowledgeBase>(key);
            Assert.Same(knowledge, key is null ? provider.GetService<KnowledgeBase>() : provider.GetKeyedService<KnowledgeBase>(key));
            await AddAsync(knowledge, "a.md", "The kettle boils at one hundred degrees.");
            Assert.Single(await knowledge.SearchAsync("kettle"));
        }

        await Assert.ThrowsAsync<ObjectDisposedException>(() => knowledge.SearchAsync("kettle"));
    }

    [Fact]
    public async Task The_embedder_comes_from_the_options_the_key_or_the_container()
    {
        var (shared, keyed, own) = (new SvdEmbedder(_folder.At("shared")), new SvdEmbedder(_folder.At("keyed")),
            new SvdEmbedder(_folder.At("own")));
        var services = new ServiceCollection();
        services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(shared);
        services.AddKeyedSingleton<IEmbeddingGenerator<string, Embedding<float>>>("keyed", keyed);
        services.AddKnowledgeBase(_folder.At("shared.db"));
        services.AddKeyedKnowledgeBase("other", _folder.At("other.db"));
        services.AddKeyedKnowledgeBase("keyed", _folder.At("keyed.db"));
        services.AddKeyedKnowledgeBase("own", _folder.At("own.db"), new KnowledgeBaseServiceOptions { Embedder = _ => own });
        services.AddKeyedKnowledgeBase("words", _folder.At("words.db"), new KnowledgeBaseServiceOptions { Embedder = _ => null });
        await using var provider = services.BuildServiceProvider();
        Assert.True(await HasVectorsAsync(provider.GetRequiredService<KnowledgeBase>()));
        Assert.True(Directory.Exists(_folder.At("shared")));
        Assert.True(await HasVectorsAsync(provider.GetRequiredKeyedService<KnowledgeBase>("other")));
        Assert.False(Directory.Exists(_folder.At("keyed")));
        Assert.True(await HasVectorsAsync(provider.GetRequiredKeyedService<KnowledgeBase>("keyed")));
        Assert.True(Directory.Exists(_folder.At("keyed")));
        Assert.False(Directory.Exists(_folder.At("own")));
        Assert.True(await HasVectorsAsync(provider.GetRequiredKeyedService<KnowledgeBase>("own")));
        Assert.True(Directory.Exists(_folder.At("own")));
        Assert.False(await HasVectorsAsync(provider.GetRequiredKeyedService<KnowledgeBase>("words")));
    }

    [Fact]
    public async Task A_knowledge_base_on_Qdrant_needs_no_server_until_it_is_used()
    {
        var services = new ServiceCollection();
        services.AddKnowledgeBase(new QdrantStoreOptions { Collection = "handbook" });
        await using var provider = services.BuildServiceProvider();
        Assert.Contains("handbook", provider.GetRequiredService<KnowledgeBase>().Store.Location);
    }

    [Fact]
    public async Task A_kernel_opens_its_knowledge_base_at_the_first_call_of_a_function()
    {
        var kernel = Kernel.CreateBuilder().AddKnowledgeBase(_folder.At("kb.db"), "handbook").Build();
        Assert.Equal(["ask", "search"], kernel.Plugins["handbook"].Select(function => function.Name).Order());
        Assert.All(kernel.Plugins["handbook"], function => Assert.Equal("handbook", function.PluginName));
        Assert.False(File.Exists(_folder.At("kb.db")));
        Assert.Equal("Nothing was found.", await kernel.InvokeAsync<string>("handbook", "search", new() { ["query"] = "kettle" }));

        await AddAsync(kernel.Services.GetRequiredKeyedService<KnowledgeBase>("handbook"), "a.md", "The kettle boils at \"100\" degrees.");
        Assert.Equal("[1] a.md\nThe kettle boils at \"100\" degrees.",
            await kernel.InvokeAsync<string>("handbook", "search", new() { ["query"] = "kettle" }));
        var search = kernel.Services.GetRequiredKeyedService<ITextSearch<KnowledgePassage>>("handbook");
        Assert.Equal("a.md", (await (await search.GetSearchResultsAsync("kettle")).Results.SingleAsync()).Source);
        await ((IAsyncDisposable)kernel.Services).DisposeAsync();
    }

    [Fact]
    public async Task A_plugin_writes_on_request()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        var kernel = new Kernel();
        kernel.Plugins.Add(knowledge.AsKernelPlugin("notes", new KnowledgeToolOptions { IncludesWriting = true }));
        Assert.Equal(["ask", "delete", "save", "search"], kernel.Plugins["notes"].Select(function => function.Name).Order());
        Assert.Equal("Saved as tea.md.", await kernel.InvokeAsync<string>("notes", "save",
            new() { ["name"] = "tea", ["text"] = "Tea is brewed at 80 degrees." }));
        Assert.Equal("Deleted tea.md.", await kernel.InvokeAsync<string>("notes", "delete", new() { ["name"] = "tea.md" }));
    }

    [Fact]
    public async Task A_prompt_calls_the_plugin_and_reads_plain_text()
    {
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        await AddAsync(knowledge, "a.md", "The kettle boils at \"100\" degrees.");
        var kernel = new Kernel();
        kernel.Plugins.Add(knowledge.AsKernelPlugin());
        var template = new KernelPromptTemplateFactory { AllowDangerouslySetContent = true }.Create(
            new PromptTemplateConfig("Known: {{knowledge.ask $question}}") { AllowDangerouslySetContent = true });
        Assert.Equal("""
            Known: The kettle boils at "100" degrees. [1]

            Sources:
            [1] a.md: The kettle boils at "100" degrees.
            """.ReplaceLineEndings("\n"),
            await template.RenderAsync(kernel, new KernelArguments { ["question"] = "At how many degrees does the kettle boil?" }));
    }

    private static async Task<bool> HasVectorsAsync(KnowledgeBase knowledge)
    {
        await AddAsync(knowledge, "a.md", "The kettle boils at one hundred degrees.");
        await AddAsync(knowledge, "b.md", "The lamp has a green shade.");
        return (await knowledge.Store.GetInfoAsync())!.EmbedderVersion is not null;
    }

    private static Task AddAsync(KnowledgeBase knowledge, string source, string text)
        => knowledge.AddDocumentAsync(source, new MemoryStream(Encoding.UTF8.GetBytes(text)));
}
