using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Kotonoha.Connector.Tests;

public sealed class ServiceCollectionExtensionsTests
{
    private static readonly ChatMessage[] Hello = [new(ChatRole.User, "Who?")];

    [Fact]
    public async Task AddLocalGpt_registers_one_model_and_two_views_of_it()
    {
        using var folder = new TemporaryFolder();
        SavedModel.Save(folder.Path);
        int loads = 0;
        LocalGpt model;
        IChatClient chat;
        await using (var provider = new ServiceCollection().AddLocalGpt(folder.Path, new LocalGptOptions { Threads = 1, OnLoaded = _ => loads++ }).BuildServiceProvider())
        {
            Assert.Equal(0, loads);
            chat = provider.GetRequiredService<IChatClient>();
            var generator = provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
            model = provider.GetRequiredService<LocalGpt>();
            Assert.Equal(1, loads);
            Assert.Same(model, chat.GetService<LocalGpt>());
            Assert.Same(model, generator.GetService<LocalGpt>());
            Assert.Same(chat, provider.GetRequiredService<IChatClient>());
            Assert.NotNull((await chat.GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 2 })).Usage);
        }

        // The container owned the model.
        Assert.Throws<ObjectDisposedException>(() => model.CountTokens("x"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => chat.GetResponseAsync(Hello));
    }

    [Fact]
    public async Task AddKeyedLocalGpt_keeps_several_models_apart()
    {
        using var first = new TemporaryFolder();
        using var second = new TemporaryFolder();
        SavedModel.Save(first.Path);
        SavedModel.Save(second.Path, seed: 8);
        var options = new LocalGptOptions { Threads = 1, ChatTemplate = ChatTemplate.Plain };
        await using var provider = new ServiceCollection()
            .AddKeyedLocalGpt("first", first.Path, options)
            .AddKeyedLocalGpt("second", second.Path, options with { ModelId = "the second" })
            .BuildServiceProvider();

        var one = provider.GetRequiredKeyedService<IChatClient>("first");
        var two = provider.GetRequiredKeyedService<IChatClient>("second");
        Assert.Equal(Path.GetFileName(first.Path), one.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Equal("the second", two.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Same(two.GetService<LocalGpt>(), provider.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("second").GetService<LocalGpt>());
        Assert.NotSame(one.GetService<LocalGpt>(), two.GetService<LocalGpt>());
        Assert.Null(provider.GetService<IChatClient>());
        var asked = new ChatOptions { MaxOutputTokens = 10 };
        Assert.NotEqual((await one.GetResponseAsync(Hello, asked)).Text, (await two.GetResponseAsync(Hello, asked)).Text);
    }

    [Fact]
    public void Missing_arguments_are_refused_by_name()
    {
        Assert.Throws<ArgumentNullException>("services", () => ((IServiceCollection)null!).AddLocalGpt("x"));
        Assert.Throws<ArgumentNullException>("path", () => new ServiceCollection().AddLocalGpt(null!));
        Assert.Throws<ArgumentException>("path", () => new ServiceCollection().AddKeyedLocalGpt("k", ""));
    }
}
