using System.Text.Json;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Optimization;
using Kotonoha.Agents.Prompts.Files;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.AgentFiles;

/// <summary>Hosts that watch agents, try texts that are not saved yet, and hand on the tools.</summary>
public sealed class WatchedAgentFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Clients_and_tools_are_wrapped_with_the_name_of_their_agent()
    {
        var path = _folder.Write("sums.yaml", "kind: Agent\nname: sums\ntools: [calculator]\n");
        var seen = new List<string>();
        var file = AgentFile.Load(path, new AgentFileOptions
        {
            WrapClient = (agent, client) =>
            {
                seen.Add($"client of {agent}");
                return client;
            },
            WrapTool = (agent, tool) => AIFunctionFactory.Create(
                (string expression) =>
                {
                    seen.Add($"{agent} calls {tool.Name} with {expression}");
                    return "5";
                }, tool.Name),
        });
        var call = new FunctionCallContent("1", "calculator", new Dictionary<string, object?> { ["expression"] = "2 + 3" });
        var chat = new ScriptedChatClient()
            .Then((_, _) => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, [call]))))
            .Then("It is 5.");
        Assert.Equal("It is 5.", (await file.CreateAgent(chat).RunAsync("2 + 3?")).Text);
        Assert.Equal(["client of sums", "sums calls calculator with 2 + 3"], seen);
    }

    [Fact]
    public async Task The_tools_of_all_agents_are_made_for_other_callers_once_each()
    {
        var file = AgentFile.Load(_folder.Write("office.yaml", """
            kind: Workflow
            agents:
              a: { tools: [calculator, { kind: clock, approvalMode: always }] }
              b: { tools: [calculator] }
            sequential: [a, b]
            """));
        var tools = file.CreateTools();
        Assert.Equal(["calculator", "clock"], tools.Select(tool => tool.Name));
        var result = await tools[0].InvokeAsync(new AIFunctionArguments { ["expression"] = "6 * 7" });
        Assert.Contains("42", JsonSerializer.Serialize(result), StringComparison.Ordinal);
    }

    [Fact]
    public void Texts_stand_for_files_that_are_not_written_yet()
    {
        var agent = _folder.At("new.yaml");
        Assert.True(AgentFile.IsAgentFile(agent, "kind: Agent\n"));
        Assert.False(AgentFile.IsAgentFile(agent, "kind: Prompt\n"));
        Assert.Equal("x", AgentFile.Load(agent, new AgentFileOptions { Texts = Of(agent, "kind: Agent\nname: x\n") }).Name);
        var prompt = _folder.Write("old.yaml", "name: old\ntemplate: a\ntemplate_format: semantic-kernel\n");
        Assert.Equal("fresh", PromptFile.Load(prompt, new PromptFileOptions
        {
            Texts = Of(prompt, "name: fresh\ntemplate: a\ntemplate_format: semantic-kernel\n"),
        }).Name);

        static Dictionary<string, string> Of(string path, string text) => new() { [path] = text };
    }

    [Theory]
    [InlineData("kind: Agent\ntools:\n  - { kind: read_file, root: ../elsewhere }\n", 3)]
    [InlineData("kind: Workflow\nagents:\n  a: ../elsewhere/a.yaml\nsequential: [a]\n", 3)]
    public void What_agents_read_must_lie_in_the_folder_where_one_is_named(string text, int line)
    {
        _folder.Write("elsewhere/a.yaml", "kind: Agent\n");
        var path = _folder.Write("agents/a.yaml", text);
        AgentFile.Load(path);
        var error = Assert.Throws<PromptFileException>(
            () => AgentFile.Load(path, new AgentFileOptions { Folder = _folder.At("agents") }));
        Assert.Equal((line, PromptFileError.File), (error.Line, error.Error));
    }

    [Fact]
    public async Task Examples_may_lack_a_right_answer_where_nothing_is_scored()
    {
        const string Lines = "{\"a\": 1, \"expected\": \"one\"}\n\n{\"a\": 2}\n";
        var examples = await PromptDataset.ReadAsync("inputs", Lines, needsExpected: false);
        Assert.Equal([JsonValueKind.String, JsonValueKind.Null], examples.Select(example => example.Expected.ValueKind));
        var error = await Assert.ThrowsAsync<PromptDatasetException>(() => PromptDataset.ReadAsync("inputs", Lines, needsExpected: true));
        Assert.Equal(3, error.Line);
    }
}
