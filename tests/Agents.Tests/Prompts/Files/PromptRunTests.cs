using System.Text.Json;
using Kotonoha.Agents.Prompts;
using Kotonoha.Agents.Prompts.Files;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Prompts.Files;

public sealed class PromptRunTests : IDisposable
{
    private const string Agent = "kind: Prompt\nname: n\ninstructions: x\nmodel: { id: m, options: { temperature: 0.5 } }\n"
        + "outputSchema:\n  type: object\n  properties: { a: { type: integer, minimum: 1 } }\n  required: [a]\n  additionalProperties: "
            + "false\n";

    private static readonly Dictionary<string, object?> Hi = new() { ["input"] = "Hi" };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_answer_that_breaks_the_schema_goes_back_with_what_is_wrong()
    {
        using var client = new ScriptedChatClient()
            .Then("Sure!", usage: new UsageDetails { InputTokenCount = 5, OutputTokenCount = 2 })
            .Then("""{"a": 0}""", usage: new UsageDetails { InputTokenCount = 7, OutputTokenCount = 3 })
            .Then("```json\n{\"a\": 3}\n```", usage: new UsageDetails { InputTokenCount = 9, OutputTokenCount = 4 });
        var trace = new List<PromptTraceEvent>();
        var result = await Load(Agent).RunAsync(client, Hi, new PromptRunOptions { Trace = new Collector(trace) });
        Assert.Equal((3, 3), (result.Attempts, result.Json!.Value.GetProperty("a").GetInt32()));
        Assert.Equal((21, 9), (result.Usage!.InputTokenCount, result.Usage.OutputTokenCount));
        Assert.Equal([2, 4, 6], client.Requests.Select(request => request.Count));
        Assert.Contains("not JSON", client.Requests[1][^1].Text, StringComparison.Ordinal);
        Assert.Contains("\"minimum\"", client.Requests[2][^1].Text, StringComparison.Ordinal);
        Assert.All(client.Options, options => Assert.NotNull(((ChatResponseFormatJson)options!.ResponseFormat!).Schema));
        Assert.Equal(["Render 1", "Call 1", "Parse 1", "Call 2", "Parse 2", "Call 3", "Parse 3"],
            trace.Select(step => $"{step.Step} {step.Attempt}"));
        var lines = trace.Select(step => JsonDocument.Parse(step.ToJson()).RootElement).ToList();
        Assert.Equal("Hi", lines[0].GetProperty("messages")[1].GetProperty("content").GetString());
        Assert.Equal(5, lines[1].GetProperty("usage").GetProperty("input_tokens").GetInt32());
        Assert.Contains("not JSON", lines[2].GetProperty("problem").GetString(), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Null, lines[6].GetProperty("problem").ValueKind);
    }

    [Fact]
    public async Task Repairs_are_bounded_and_the_error_holds_the_last_answer()
    {
        using var client = new ScriptedChatClient("a", "b", "c");
        var exception = await Assert.ThrowsAsync<PromptOutputException>(
            () => Load(Agent).RunAsync(client, Hi, new PromptRunOptions { MaxRepairs = 1 }));
        Assert.Equal(("b", 2), (exception.Text, exception.Attempts));
        Assert.Equal(2, client.Requests.Count);
    }

    [Fact]
    public async Task A_stream_is_handed_on_and_checked_at_its_end()
    {
        using var client = new ScriptedChatClient("""{"a": 1}""", "no");
        var prompt = Load(Agent);
        Assert.Equal("""{"a": 1}""", (await prompt.RunStreamingAsync(client, Hi).ToChatResponseAsync()).Text);
        await Assert.ThrowsAsync<PromptOutputException>(() => prompt.RunStreamingAsync(client, Hi).ToChatResponseAsync());
    }

    [Fact]
    public async Task A_call_of_a_tool_is_handed_to_the_caller()
    {
        using var client = new ScriptedChatClient().Then((_, _) => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant,
            [new FunctionCallContent("1", "t", new Dictionary<string, object?>())]))));
        var result = await Load(Agent).RunAsync(client, Hi);
        Assert.Null(result.Json);
        Assert.Single(result.Response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>());
    }

    [Fact]
    public async Task The_catalogue_opens_the_model_once_and_its_options_fill_in_what_the_prompt_leaves_open()
    {
        _folder.Write("models.yaml",
            "default: m\nmodels:\n  m: { path: here, options: { temperature: 0, max_tokens: 9, min_p: 0.5 } }\n  n: a/b\n");
        var opened = new List<ModelEntry>();
        var client = new ScriptedChatClient("""{"a": 1}""", """{"a": 2}""", "text");
        using var catalog = ModelCatalog.Load(_folder.At("models.yaml"), entry =>
        {
            opened.Add(entry);
            return client;
        });
        await catalog.RunAsync(Load(Agent), Hi);
        await catalog.RunAsync(Load(Agent), Hi);
        await catalog.RunAsync(Load("template: x\n"));
        Assert.Equal(_folder.At("here"), Assert.Single(opened).Location);
        Assert.Equal([(0.5f, 9), (0.5f, 9), (0f, 9)], client.Options.Select(options => (options!.Temperature, options.MaxOutputTokens)));
        Assert.Equal(0.5, client.Options[2]!.AdditionalProperties!["min_p"]);
        Assert.Equal("a/b", catalog.Find("n").Location);
    }

    private PromptFile Load(string text) => PromptFile.Load(_folder.Write("a.yaml", text));

    private sealed class Collector(List<PromptTraceEvent> steps) : IProgress<PromptTraceEvent>
    {
        public void Report(PromptTraceEvent value) => steps.Add(value);
    }
}

public class ExampleSelectorTests
{
    private static readonly FewShotExample[] Examples =
    [
        new("red apples", "fruit"), new("red apples today", "fruit"), new("fast red cars", "car"), new("slow trains", "train"),
            new("fast trains", "train"),
    ];

    [Fact]
    public async Task Similarity_puts_the_most_similar_first()
        => Assert.Equal(["red apples", "red apples today"], await Chosen(new SimilarityExampleSelector(2), "apples that are red"));

    [Theory]
    [InlineData(0, "red apples today")]
    [InlineData(0.2, "fast red cars")]
    [InlineData(0.9, "fast trains")]
    public async Task Diversity_avoids_what_is_there_already(double diversity, string second)
        => Assert.Equal(["red apples", second], await Chosen(new SimilarityExampleSelector(2, diversity: diversity), "fast red apples"));

    [Fact]
    public async Task Vectors_of_an_embedding_generator_decide_where_one_is_given()
    {
        using var generator = new Lengths();
        Assert.Equal(["slow trains", "fast trains"], await Chosen(new SimilarityExampleSelector(2, generator), new string('x', 11)));
        Assert.Equal(2, generator.Calls);
    }

    [Fact]
    public async Task Labels_are_shown_in_turn()
        => Assert.Equal(["red apples", "fast red cars", "slow trains", "red apples today"],
            await Chosen(new LabelBalancedExampleSelector(4), "x"));

    [Fact]
    public async Task A_chain_chooses_among_what_was_chosen()
        => Assert.Equal(["red apples"], await Chosen(
            new ChainedExampleSelector(new SimilarityExampleSelector(3), new BudgetExampleSelector(20)), "apples that are red"));

    private static async Task<IEnumerable<string>> Chosen(IExampleSelector selector, string input)
        => (await selector.SelectAsync(Examples, input)).Select(example => example.Input);

    /// <summary>A real generator of a simple kind: a text's direction is its length.</summary>
    private sealed class Lengths : IEmbeddingGenerator<string, Embedding<float>>
    {
        public int Calls { get; private set; }

        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
            IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
        {
            Calls++;
            return Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(text =>
                new Embedding<float>(new[] { MathF.Cos(text.Length / 10f), MathF.Sin(text.Length / 10f) }))));
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
