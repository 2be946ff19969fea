using Kotonoha.Server.Keys;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Kotonoha.Server.Tests;

/// <summary>The Model Context Protocol through its own client.</summary>
public sealed class McpTests
{
    [Fact]
    public async Task Tools_search_and_ask_the_documents()
    {
        await using var server = await RunningServer.StartAsync(withHandbook: true);
        await using var client = await ConnectAsync(server);
        Assert.Equal(["ask", "search"], (await client.ListToolsAsync()).Select(tool => tool.Name).Order(StringComparer.Ordinal));
        var found = await client.CallToolAsync(
            "search", new Dictionary<string, object?> { ["query"] = "ferry to Tobishima", ["limit"] = 1 });
        Assert.Contains("ferry.txt", Text(found), StringComparison.Ordinal);
        Assert.Equal("ferry.txt", found.StructuredContent!.Value.GetProperty("hits")[0].GetProperty("source").GetString());
        var answer = await client.CallToolAsync(
            "ask", new Dictionary<string, object?> { ["question"] = "When was the lighthouse of Minase built?" });
        Assert.Contains("1884", Text(answer), StringComparison.Ordinal);
        Assert.True(answer.StructuredContent!.Value.GetProperty("found").GetBoolean());
        var wrong = await client.CallToolAsync("search", new Dictionary<string, object?> { ["query"] = "x", ["collection"] = "nothing" });
        Assert.True(wrong.IsError);
    }

    [Fact]
    public async Task Agents_of_files_are_tools()
    {
        using var prompts = new TemporaryFolder();
        prompts.Write("helper.yaml", """
            kind: Agent
            name: helper
            description: Answers in a few words.
            instructions: Be brief.
            model:
              id: any
              options:
                temperature: 0
                maxOutputTokens: 8
            """);
        prompts.Write("broken.yaml", "kind: Agent\nname: broken\nstrategy: nothing\n");
        await using var server = await RunningServer.StartAsync(options => options with { Prompts = prompts.Path }, withHandbook: true);
        await using var client = await ConnectAsync(server);
        var tool = (await client.ListToolsAsync()).Single(tool => tool.Name.StartsWith("agent_", StringComparison.Ordinal));
        Assert.Equal("agent_helper", tool.Name);
        Assert.Equal("Answers in a few words.", tool.Description);
        var answer = await tool.CallAsync(new Dictionary<string, object?> { ["input"] = "Hello" });
        Assert.NotEqual(true, answer.IsError);
        Assert.NotEmpty(Text(answer));
        var wrong = await tool.CallAsync(new Dictionary<string, object?> { ["input"] = "Hello", ["model"] = "nothing" });
        Assert.True(wrong.IsError);
        await Assert.ThrowsAnyAsync<McpException>(async () => await client.CallToolAsync("agent_broken",
            new Dictionary<string, object?> { ["input"] = "x" }));
    }

    [Fact]
    public async Task Documents_are_resources_and_prompt_files_prompts()
    {
        using var prompts = new TemporaryFolder();
        prompts.Write("greet.prompty", """
            ---
            name: greet
            description: Greets somebody.
            inputs:
              name:
                type: string
            ---
            system:
            Be polite.

            user:
            Say hello to {{name}}.
            """);
        await using var server = await RunningServer.StartAsync(options => options with { Prompts = prompts.Path }, withHandbook: true);
        await using var client = await ConnectAsync(server);
        var resources = await client.ListResourcesAsync();
        Assert.Equal(["birds.md", "ferry.txt", "lighthouse.md"], resources.Select(resource => resource.Name).Order(StringComparer.Ordinal));
        var read = await client.ReadResourceAsync(resources.Single(resource => resource.Name == "birds.md").Uri);
        Assert.Contains("約四千羽の白鳥", Assert.IsType<TextResourceContents>(read.Contents[0]).Text, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<McpException>(async () => await client.ReadResourceAsync("kotonoha://handbook/..%2fkeys.json"));

        var template = Assert.Single(await client.ListResourceTemplatesAsync());
        var ferry = await template.ReadAsync(new Dictionary<string, object?> { ["collection"] = "handbook", ["document"] = "ferry.txt" });
        Assert.Contains("7:15", Assert.IsType<TextResourceContents>(ferry.Contents[0]).Text, StringComparison.Ordinal);
        var reference = new ResourceTemplateReference { Uri = template.UriTemplate };
        Assert.Equal(["handbook"], (await client.CompleteAsync(reference, "collection", "HAND")).Completion.Values);
        var documents = await client.CompleteAsync(new CompleteRequestParams
        {
            Ref = reference,
            Argument = new Argument { Name = "document", Value = "f" },
            Context = new CompleteContext { Arguments = new Dictionary<string, string> { ["collection"] = "handbook" } },
        });
        Assert.Equal(["ferry.txt"], documents.Completion.Values);

        var prompt = Assert.Single(await client.ListPromptsAsync());
        Assert.Equal("greet", prompt.Name);
        var rendered = await client.GetPromptAsync("greet", new Dictionary<string, object?> { ["name"] = "Hanae" });
        Assert.Contains("Say hello to Hanae.", ((TextContentBlock)rendered.Messages[^1].Content).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_asks_for_a_key_where_there_are_keys()
    {
        string secret = "";
        await using var server = await RunningServer.StartAsync(
            before: home => secret = new KeyFile(home).Add(new ApiKey { Id = "", Hash = "", Name = "one", Collections = ["none"] }).Secret,
            withHandbook: true);
        await Assert.ThrowsAnyAsync<Exception>(() => ConnectAsync(server));
        await using var client = await ConnectAsync(server, secret);
        Assert.Empty(await client.ListResourcesAsync());
    }

    private static Task<McpClient> ConnectAsync(RunningServer server, string? key = null) => McpClient.CreateAsync(
        new HttpClientTransport(new HttpClientTransportOptions
        {
            Endpoint = new Uri(server.Address, "/mcp"),
            TransportMode = HttpTransportMode.StreamableHttp,
            AdditionalHeaders = key is null ? null : new Dictionary<string, string> { ["Authorization"] = $"Bearer {key}" },
        }));

    private static string Text(CallToolResult result)
        => string.Concat(result.Content.OfType<TextContentBlock>().Select(block => block.Text));
}
