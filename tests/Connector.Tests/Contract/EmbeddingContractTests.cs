using System.Diagnostics;
using System.Numerics.Tensors;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Kotonoha.Connector.Tests.Contract;

/// <summary>What applications of Microsoft.Extensions.AI expect of any embedding generator.</summary>
public sealed class EmbeddingContractTests(ContractModel model) : IClassFixture<ContractModel>
{
    [Fact]
    public async Task One_text_gives_one_vector_and_the_usage()
    {
        var embeddings = await model.Embeddings.GenerateAsync(["Using AI with .NET"]);
        Assert.Single(embeddings);
        Assert.NotNull(embeddings.Usage);
        Assert.True(embeddings.Usage.InputTokenCount > 0);
        Assert.True(embeddings[0].Vector.Length > 1);
        Assert.NotNull(embeddings[0].ModelId);
    }

    [Fact]
    public async Task Several_texts_give_their_vectors_in_order()
    {
        string[] texts = ["Red", "White", "Blue"];
        var together = await model.Embeddings.GenerateAsync(texts);
        for (int i = 0; i < texts.Length; i++)
            Assert.Equal((await model.Embeddings.GenerateAsync(texts[i])).Vector.ToArray(), together[i].Vector.ToArray());
        Assert.Empty(await model.Embeddings.GenerateAsync([]));
    }

    [Fact]
    public async Task A_cache_around_the_generator_saves_work()
    {
        int calls = 0;
        var cache = new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions()));
        using var generator = model.Embeddings.AsBuilder()
            .UseDistributedCache(cache)
            .Use(async (texts, options, inner, cancellation) =>
            {
                calls++;
                return await inner.GenerateAsync(texts, options, cancellation);
            })
            .Build();
        var first = await generator.GenerateAsync("In the sky");
        Assert.Equal(first.Vector.ToArray(), (await generator.GenerateAsync("In the sky")).Vector.ToArray());
        Assert.Equal(1, calls);
    }

    [Fact]
    public async Task Traces_name_provider_and_tokens()
    {
        string source = Guid.NewGuid().ToString();
        var activities = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == source,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activities.Add,
        };
        ActivitySource.AddActivityListener(listener);
        using var generator = model.Embeddings.AsBuilder().UseOpenTelemetry(sourceName: source).Build();
        await generator.GenerateAsync("Hello, world!");
        Assert.Equal(LocalGptChatClient.ProviderName, Assert.Single(activities).GetTagItem("gen_ai.provider.name"));
    }

    [Fact]
    public async Task Vectors_can_be_quantised_and_compared()
    {
        var embeddings = await model.Embeddings.GenerateAsync(["The fox jumps.", "The fox jumps!", "Taxes are due in March."]);
        Assert.Equal(1f, TensorPrimitives.CosineSimilarity(embeddings[0].Vector.Span, embeddings[0].Vector.Span), 1e-4);
        Assert.InRange(TensorPrimitives.CosineSimilarity(embeddings[0].Vector.Span, embeddings[1].Vector.Span), -1f, 1.0001f);
        if (model.IsAble)
            Assert.True(TensorPrimitives.CosineSimilarity(embeddings[0].Vector.Span, embeddings[1].Vector.Span)
                > TensorPrimitives.CosineSimilarity(embeddings[0].Vector.Span, embeddings[2].Vector.Span));
        var binary =
            embeddings.Select(e => new BinaryEmbedding(new System.Collections.BitArray([.. e.Vector.ToArray().Select(x => x > 0)])))
                .ToList();
        Assert.Equal(embeddings[0].Vector.Length, binary[0].Vector.Length);
    }
}
