#pragma warning disable SKEXP0001 // Text search of Semantic Kernel is experimental.
#pragma warning disable MAAI001
using Kotonoha.Rag.VectorData;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.VectorData;
using Microsoft.SemanticKernel.Data;

namespace Kotonoha.Rag.Tests.VectorData;

/// <summary>Registration, and what Semantic Kernel and Agent Framework build on a vector store.</summary>
public sealed class HostTests
{
    public static TheoryData<ServiceLifetime, object?> Registrations
    {
        get
        {
            var data = new TheoryData<ServiceLifetime, object?>();
            foreach (var lifetime in Enum.GetValues<ServiceLifetime>())
                foreach (var key in new object?[] { null, "key", 8 })
                    data.Add(lifetime, key);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Registrations))]
    public void A_store_and_a_collection_are_registered_with_their_lifetime_and_key(ServiceLifetime lifetime, object? key)
    {
        IServiceCollection services = new ServiceCollection();
        // Somebody else's registrations do not keep ours away.
        services.Add(
            new ServiceDescriptor(typeof(VectorStore), key, (_, _) => throw new InvalidOperationException("another store"), lifetime));
        services.AddSingleton<IEmbeddingGenerator>(new WordCounts());
        services.AddKeyedEmbeddedVectorStore(key, lifetime: lifetime);
        services.AddKeyedEmbeddedCollection<string, Passage>(key, "passages", lifetime: lifetime);
        using var provider = services.BuildServiceProvider();
        Check<EmbeddedVectorStore>(provider);
        Check<VectorStore>(provider);
        Check<EmbeddedVectorStoreCollection<string, Passage>>(provider);
        Check<VectorStoreCollection<string, Passage>>(provider);
        Check<IVectorSearchable<Passage>>(provider);
        Check<IKeywordHybridSearchable<Passage>>(provider);

        void Check<TService>(ServiceProvider provider)
            where TService : class
        {
            using var one = provider.CreateScope();
            using var other = provider.CreateScope();
            var (first, second, third) = (Get(one), Get(other), Get(other));
            Assert.Equal(lifetime == ServiceLifetime.Singleton, ReferenceEquals(first, second));
            Assert.Equal(lifetime != ServiceLifetime.Transient, ReferenceEquals(second, third));

            TService Get(IServiceScope scope) => key is null
                ? scope.ServiceProvider.GetRequiredService<TService>()
                : scope.ServiceProvider.GetRequiredKeyedService<TService>(key);
        }
    }

    [Fact]
    public void Registration_refuses_null_and_empty_names()
    {
        Assert.Throws<ArgumentNullException>(() => ((IServiceCollection)null!).AddEmbeddedVectorStore());
        Assert.Throws<ArgumentNullException>(() => ((IServiceCollection)null!).AddEmbeddedCollection<string, Passage>("name"));
        Assert.Throws<ArgumentNullException>(() => new ServiceCollection().AddEmbeddedCollection<string, Passage>(null!));
        Assert.Throws<ArgumentException>(() => new ServiceCollection().AddKeyedEmbeddedCollection<string, Passage>("key", ""));
    }

    [Fact]
    public void The_generator_of_the_container_is_asked_for_when_it_is_needed()
    {
        bool asked = false;
        var services = new ServiceCollection();
        services.AddSingleton<IEmbeddingGenerator>(_ =>
        {
            asked = true;
            return new WordCounts();
        });
        services.AddEmbeddedCollection<string, Passage>("passages");
        using var provider = services.BuildServiceProvider();
        Assert.False(asked);
        Assert.NotNull(provider.GetRequiredService<EmbeddedVectorStoreCollection<string, Passage>>());
        Assert.True(asked);
    }

    [Fact]
    public async Task Text_search_of_semantic_kernel_works_over_a_collection()
    {
        using var store = new EmbeddedVectorStore(options: new EmbeddedVectorStoreOptions { EmbeddingGenerator = new WordCounts() });
        var passages = store.GetCollection<string, Passage>("passages");
        await passages.EnsureCollectionExistsAsync();
        await passages.UpsertAsync(
        [
            new() { Key = "a", Text = "oil is changed every year", Name = "Oil", Link = "file:oil" },
            new() { Key = "b", Text = "the filter is blue", Name = "Filter", Link = "file:filter" },
            new() { Key = "c", Text = "oil is black", Name = "Black", Link = "file:black" },
        ]);
        ITextSearch<Passage> search = new VectorStoreTextSearch<Passage>(passages);
        var texts = await search.SearchAsync("when is oil changed", new TextSearchOptions<Passage> { Top = 1 });
        Assert.Equal(["oil is changed every year"], await texts.Results.ToListAsync());
        var results = await search.GetTextSearchResultsAsync(
            "oil", new TextSearchOptions<Passage> { Top = 2, Filter = passage => passage.Name != "Oil" });
        Assert.Equal(("Black", "file:black", "oil is black"),
            await results.Results.Select(result => (result.Name, result.Link, result.Value)).FirstAsync());
        var records = await search.GetSearchResultsAsync("filter blue", new TextSearchOptions<Passage> { Top = 1 });
        Assert.Equal("b", (await records.Results.SingleAsync()).Key);
    }

    [Fact]
    public async Task Chat_memory_of_agent_framework_remembers_in_a_store_what_was_said()
    {
        using var folder = new TemporaryFolder();
        var options = new EmbeddedVectorStoreOptions { EmbeddingGenerator = new WordCounts() };
        for (int run = 0; run < 2; run++)
        {
            using var store = new EmbeddedVectorStore(folder.At("memory.db"), options);
            using var chat = new ScriptedChat();
            var scope = new ChatHistoryMemoryProviderScope { UserId = "u", AgentId = "a" };
            using var memory = new ChatHistoryMemoryProvider(
                store, "memories", WordCounts.Width, _ => new ChatHistoryMemoryProvider.State(scope, scope));
            var agent = new ChatClientAgent(chat, new ChatClientAgentOptions { AIContextProviders = [memory] });
            if (run == 0)
            {
                await agent.RunAsync("my bicycle is green", await agent.CreateSessionAsync());
                await agent.RunAsync("the weather was fine", await agent.CreateSessionAsync());
            }
            else
            {
                // Another process, another session: the memory is all that is left.
                await agent.RunAsync("which colour has my bicycle", await agent.CreateSessionAsync());
                Assert.Contains(chat.Asked, message => message.Text.Contains("my bicycle is green"));
            }
        }
    }

    private sealed class Passage
    {
        [VectorStoreKey]
        public string Key { get; set; } = "";

        [VectorStoreData(IsFullTextIndexed = true)]
        [TextSearchResultValue]
        public string Text { get; set; } = "";

        [VectorStoreData(IsIndexed = true)]
        [TextSearchResultName]
        public string? Name { get; set; }

        [VectorStoreData]
        [TextSearchResultLink]
        public string? Link { get; set; }

        [VectorStoreVector(WordCounts.Width)]
        public string Embedding => Text;
    }

    /// <summary>Vectors that count words by their hash: equal words make texts near.</summary>
    private sealed class WordCounts : IEmbeddingGenerator<string, Embedding<float>>
    {
        public const int Width = 64;

        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
            IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
            => Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(value =>
            {
                var counts = new float[Width];
                foreach (uint term in Kotonoha.Rag.Stores.TermVector.FromText(value).Indices)
                    counts[term % Width]++;
                return new Embedding<float>(counts);
            })));

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }

    private sealed class ScriptedChat : IChatClient
    {
        public List<ChatMessage> Asked { get; } = [];

        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            Asked.Clear();
            Asked.AddRange(messages);
            return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, "noted")));
        }

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
            => throw new NotSupportedException();

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
