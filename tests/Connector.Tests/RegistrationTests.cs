using Kotonoha.ChatTemplates;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.TextGeneration;

namespace Kotonoha.Connector.Tests;

/// <summary>What the extension methods register, on services and on a kernel's builder.</summary>
public sealed class RegistrationTests : IDisposable
{
    private static readonly ChatMessage[] Hello = [new(ChatRole.User, "Who?")];
    private static readonly LocalGptOptions Options = new() { Threads = 1 };

    private readonly TemporaryFolder _folder = new();

    public RegistrationTests()
    {
        SavedModel.Save(Path("first"));
        SavedModel.Save(Path("second"), seed: 8);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AddLocalGpt_registers_views_of_one_model_that_is_loaded_when_first_used()
    {
        int loads = 0;
        LocalGpt model;
        IChatClient chat;
        await using (var provider = new ServiceCollection().AddLocalGpt(Path("first"), Options with { OnLoaded = _ => loads++ })
            .BuildServiceProvider())
        {
            chat = provider.GetRequiredService<IChatClient>();
            Assert.Equal("first", chat.GetService<ChatClientMetadata>()!.DefaultModelId);
            Assert.Equal(0, loads);
            Assert.Equal(2, (await chat.GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 2 })).Usage!.OutputTokenCount);
            Assert.Equal(1, loads);

            model = provider.GetRequiredService<LocalGpt>();
            Assert.Same(model, chat.GetService<LocalGpt>());
            Assert.Same(model, provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GetService<LocalGpt>());
            Assert.NotNull(provider.GetRequiredService<IChatCompletionService>());
            Assert.NotNull(provider.GetRequiredService<ITextGenerationService>());
            Assert.Same(chat, provider.GetRequiredService<IChatClient>());
            Assert.Null(chat.GetService<FunctionInvokingChatClient>());

            // A view that is disposed takes nothing along.
            chat.Dispose();
            Assert.NotNull(await provider.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync("Who?"));
            Assert.Equal(1, loads);
        }

        // The container owned the model.
        Assert.Throws<ObjectDisposedException>(() => model.CountTokens("x"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => chat.GetResponseAsync(Hello));
    }

    [Fact]
    public async Task Service_ids_keep_several_models_apart()
    {
        var options = Options with { ChatTemplate = ChatTemplate.Plain };
        await using var provider = new ServiceCollection()
            .AddLocalGpt(Path("first"), options, serviceId: "one")
            .AddLocalGpt(Path("second"), options with { ModelId = "the second" }, serviceId: "two")
            .BuildServiceProvider();

        var one = provider.GetRequiredKeyedService<IChatClient>("one");
        var two = provider.GetRequiredKeyedService<IChatClient>("two");
        Assert.Equal("the second", two.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Same(two.GetService<LocalGpt>(),
            provider.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("two").GetService<LocalGpt>());
        Assert.NotSame(one.GetService<LocalGpt>(), two.GetService<LocalGpt>());
        Assert.Null(provider.GetService<IChatClient>());
        var asked = new ChatOptions { MaxOutputTokens = 10 };
        Assert.NotEqual((await one.GetResponseAsync(Hello, asked)).Text, (await two.GetResponseAsync(Hello, asked)).Text);
    }

    [Fact]
    public void One_path_with_the_same_options_is_one_model()
    {
        var services = new ServiceCollection();
        services.AddLocalGptChatClient(Path("first"), Options);
        services.AddLocalGptChatCompletion(Path("first"), Options).AddLocalGptTextGeneration(Path("first"), Options)
            .AddLocalGptEmbeddingGenerator(Path("first"), Options, "vectors");
        using var provider = services.BuildServiceProvider();
        Assert.Same(
            provider.GetRequiredService<IChatClient>().GetService<LocalGpt>(),
            provider.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("vectors").GetService<LocalGpt>());
    }

    [Fact]
    public void The_client_on_services_is_bare_and_its_builder_adds_what_is_wanted()
    {
        var services = new ServiceCollection();
        services.AddLocalGptChatClient(Path("first"), Options).UseFunctionInvocation();
        services.AddLocalGptChatClient(Path("first"), Options, "bare");
        using var provider = services.BuildServiceProvider();
        Assert.NotNull(provider.GetRequiredService<IChatClient>().GetService<FunctionInvokingChatClient>());
        Assert.IsType<LocalGptChatClient>(provider.GetRequiredKeyedService<IChatClient>("bare"));
    }

    [Fact]
    public void The_client_on_a_kernel_invokes_its_functions_and_is_traced_and_logged()
    {
        foreach (var kernel in (Kernel[])[
            Kernel.CreateBuilder().AddLocalGpt(Path("first"), Options).Build(),
            Kernel.CreateBuilder().AddLocalGptChatClient(Path("first"), Options).Build()])
        {
            var client = kernel.GetRequiredService<IChatClient>();
            Assert.Equal("KernelFunctionInvokingChatClient", client.GetService<FunctionInvokingChatClient>()!.GetType().Name);
            Assert.NotNull(client.GetService<OpenTelemetryChatClient>());
            Assert.NotNull(client.GetService<LocalGptChatClient>());
            Assert.Equal("first", client.GetService<ChatClientMetadata>()!.DefaultModelId);
        }
    }

    [Fact]
    public void A_second_local_model_under_the_same_id_is_refused_at_registration()
    {
        Refused(s => s.AddLocalGpt(Path("first")).AddLocalGpt(Path("second")), "AddLocalGpt");
        Refused(s => s.AddLocalGpt(Path("first"), serviceId: "a").AddLocalGpt(Path("second"), serviceId: "a"), "'a'");
        Refused(s => s.AddLocalGpt(Path("first")).AddLocalGptChatClient(Path("second")), "IChatClient");
        Refused(s => s.AddLocalGptTextGeneration(Path("first")).AddLocalGptTextGeneration(Path("second")), "ITextGenerationService");
        Refused(s => s.AddLocalGptChatCompletion(Path("first")).AddLocalGptChatCompletion(Path("second")), "IChatCompletionService");
        Refused(s => s.AddLocalEmbeddings("a").AddLocalEmbeddings("b"), "embedding generator");
        Refused(s => s.AddLocalGptEmbeddingGenerator("a").AddLocalEmbeddings("b"), "embedding generator");
        Refused(s => Builder(s).AddLocalGpt(Path("first")).AddLocalGpt(Path("second")), "AddLocalGpt");

        void Refused(Action<IServiceCollection> register, string named)
            => Assert.Contains(named, Assert.Throws<InvalidOperationException>(() => register(new ServiceCollection())).Message,
                StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Local_embeddings_take_the_place_of_a_models_own_whichever_comes_first(bool first)
    {
        using var encoders = FixtureArchive.Extract("models-encoders");
        var services = new ServiceCollection();
        if (first)
            services.AddLocalEmbeddings(encoders.At("st-max-cls-concat"));
        services.AddLocalGpt(Path("first"), Options);
        if (!first)
            services.AddLocalEmbeddings(encoders.At("st-max-cls-concat"));
        using var provider = services.BuildServiceProvider();
        var generator = Assert.Single(provider.GetServices<IEmbeddingGenerator<string, Embedding<float>>>());
        Assert.NotNull(generator.GetService<LocalEncoder>());
    }

    [Fact]
    public void The_embeddings_of_somebody_else_are_not_pushed_aside()
    {
        var own = TinyGpt.Create().AsEmbeddingGenerator();
        using var provider = new ServiceCollection().AddSingleton(own).AddLocalGpt(Path("first"), Options).BuildServiceProvider();
        Assert.Same(own, provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>());
        own.GetService<LocalGpt>()!.Dispose();
    }

    [Fact]
    public async Task A_model_that_is_loaded_already_stays_its_owners()
    {
        using var model = TinyGpt.Create();
        await using (var provider = new ServiceCollection().AddLocalGpt(model).BuildServiceProvider())
        {
            Assert.Same(model, provider.GetRequiredService<LocalGpt>());
            Assert.Same(model, provider.GetRequiredService<IChatClient>().GetService<LocalGpt>());
        }

        using (var services = (ServiceProvider)Kernel.CreateBuilder().AddLocalGpt(model).Build().Services)
            Assert.Same(model, services.GetRequiredService<LocalGpt>());
        Assert.True(model.CountTokens("still there") > 0);
    }

    [Fact]
    public async Task Loading_says_what_on_which_device_and_how_long()
    {
        var log = new RecordingLogger();
        await using var provider = new ServiceCollection().AddSingleton<ILoggerFactory>(log).AddLocalGpt(Path("first"), Options)
            .BuildServiceProvider();
        await provider.GetRequiredService<IChatClient>().GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 1 });
        var (level, message) = Assert.Single(log.Entries, entry => entry.Message.Contains("was loaded", StringComparison.Ordinal));
        Assert.Equal(LogLevel.Information, level);
        Assert.Matches(@"first was loaded on cpu in \d+ ms", message);
    }

    [Fact]
    public async Task A_missing_file_says_so_and_can_be_put_in_place_later()
    {
        var log = new RecordingLogger();
        var missing = _folder.At("models", "none.gguf");
        await using var provider = new ServiceCollection().AddSingleton<ILoggerFactory>(log)
            .AddLocalGpt(missing).AddLocalGpt(Path("later"), Options, "later").BuildServiceProvider();
        var error = await Assert.ThrowsAsync<CheckpointException>(() => provider.GetRequiredService<IChatClient>().GetResponseAsync(Hello));
        Assert.Equal($"{missing}: there is no such file. Give the path of a GGUF file that exists.", error.Message);
        Assert.Contains(log.Entries, entry => entry.Level == LogLevel.Error);

        var later = provider.GetRequiredKeyedService<IChatClient>("later");
        await Assert.ThrowsAsync<CheckpointException>(() => later.GetResponseAsync(Hello));
        SavedModel.Save(Path("later"));
        Assert.NotNull(await later.GetResponseAsync(Hello, new ChatOptions { MaxOutputTokens = 1 }));
    }

    [Theory]
    [InlineData("none.gguf")]
    [InlineData("models/none.gguf")]
    public void A_missing_gguf_file_is_not_taken_for_a_model_of_the_hub(string path)
        => Assert.Contains("there is no such file", Assert.Throws<CheckpointException>(() => LocalGpt.Load(path)).Message,
            StringComparison.Ordinal);

    [Fact]
    public async Task Loading_reports_each_tensor()
    {
        var reports = new List<ProgressReport>();
        using var model = await LocalGpt.LoadAsync(Path("first"), Options, new Collecting(reports));
        Assert.NotEmpty(reports);
        Assert.All(reports, report => Assert.Equal("load", report.Stage));
        Assert.Equal(reports[^1].Total, reports[^1].Completed);
        Assert.Equal(Enumerable.Range(1, reports.Count).Select(i => (long)i), reports.Select(report => report.Completed));
    }

    [Fact]
    public async Task The_health_check_tells_loading_loaded_and_failed_apart()
    {
        var services = new ServiceCollection().AddLogging().AddLocalGpt(Path("first"), Options)
            .AddLocalGpt(_folder.At("none.gguf"), serviceId: "broken");
        services.AddHealthChecks().AddLocalGpt().AddLocalGpt("broken", name: "broken");
        services.AddLocalGptWarmUp();
        await using var provider = services.BuildServiceProvider();
        var checks = provider.GetRequiredService<HealthCheckService>();
        Assert.Equal(HealthStatus.Degraded, (await checks.CheckHealthAsync()).Entries["local-gpt"].Status);

        foreach (var hosted in provider.GetServices<IHostedService>()
            .Where(service => service.GetType().Assembly == typeof(LocalGptChatClient).Assembly))
            await hosted.StartAsync(default);
        await Assert.ThrowsAsync<CheckpointException>(() => provider.GetRequiredKeyedService<IChatClient>("broken")
            .GetResponseAsync(Hello));
        var report = await checks.CheckHealthAsync();
        Assert.Equal(HealthStatus.Healthy, report.Entries["local-gpt"].Status);
        Assert.Equal("cpu", report.Entries["local-gpt"].Data["device"]);
        Assert.Equal(HealthStatus.Unhealthy, report.Entries["broken"].Status);
        Assert.Contains("no such file", report.Entries["broken"].Description, StringComparison.Ordinal);

        await using var empty = new ServiceCollection().AddLocalGptWarmUp().BuildServiceProvider();
        Assert.Contains("AddLocalGpt", Assert.Throws<InvalidOperationException>(() => empty.GetServices<IHostedService>().ToList()).Message,
            StringComparison.Ordinal);
    }

    public static TheoryData<string> Methods
        => [.. typeof(LocalGptKernelBuilderExtensions).GetMethods().Where(m => m.IsStatic).Select(m => m.Name).Distinct()];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Every_method_is_there_on_both_builders_and_refuses_missing_arguments_by_name(string method)
    {
        foreach (var (type, first, builder) in ((Type, Type, object)[])[
            (typeof(LocalGptKernelBuilderExtensions), typeof(IKernelBuilder), Kernel.CreateBuilder()),
            (typeof(LocalGptServiceCollectionExtensions), typeof(IServiceCollection), new ServiceCollection())])
        {
            var found = type.GetMethods()
                .Single(m => m.Name == method && m.GetParameters() is [var p, var path, ..] && p.ParameterType == first
                    && path.Name == "path");
            object?[] Arguments(object? target, object? path)
                => [target, path, .. Enumerable.Repeat<object?>(null, found.GetParameters().Length - 2)];
            Assert.IsType<ArgumentNullException>(
                Assert.ThrowsAny<Exception>(() => found.Invoke(null, Arguments(null, "x"))).InnerException);
            Assert.Equal("path",
                Assert.IsAssignableFrom<ArgumentException>(
                    Assert.ThrowsAny<Exception>(() => found.Invoke(null, Arguments(builder, null))).InnerException).ParamName);
            Assert.Equal("path",
                Assert.IsAssignableFrom<ArgumentException>(
                    Assert.ThrowsAny<Exception>(() => found.Invoke(null, Arguments(builder, " "))).InnerException).ParamName);
        }
    }

    private static IKernelBuilder Builder(IServiceCollection services)
    {
        var builder = Kernel.CreateBuilder();
        foreach (var descriptor in services)
            builder.Services.Add(descriptor);
        return builder;
    }

    private string Path(string name) => _folder.At(name);

    private sealed class Collecting(List<ProgressReport> reports) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) => reports.Add(value);
    }
}
