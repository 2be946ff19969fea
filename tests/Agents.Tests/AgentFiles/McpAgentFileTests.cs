using System.Text.Json;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Tests.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.AgentFiles;

/// <summary>Agents and workflows in files whose tools come from a server of the Model Context Protocol.</summary>
public sealed class McpAgentFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _asked = [];
    private readonly List<string> _sent = [];

    public void Dispose() => _folder.Dispose();

    private async Task<AgentFile> LoadAsync(string text)
    {
        var file = AgentFile.Load(_folder.Write("agent.yaml", text.Replace("SERVER", McpToolsTests.Server, StringComparison.Ordinal)),
            new AgentFileOptions
            {
                AllowedMcpServers = ["dotnet"],
                Tools =
                [
                    AIFunctionFactory.Create((string text) =>
                    {
                        _sent.Add(text);
                        return "sent";
                    }, "send"),
                ],
                ApproveAsync = (question, _) =>
                {
                    _asked.Add(question.Tool);
                    return new(question.Tool == "my_note");
                },
            });
        await file.ConnectAsync();
        return file;
    }

    private static string Step(string action, string input) => $$"""{"thought": "t", "action": "{{action}}", "input": {{input}}}""";

    private static ScriptedChatClient Calling(params (string Tool, string Arguments)[] calls)
    {
        var chat = new ScriptedChatClient();
        foreach (var (tool, arguments) in calls)
            chat.Then((_, _) => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant,
                [new FunctionCallContent(tool, tool, JsonSerializer.Deserialize<Dictionary<string, object?>>(arguments))]))));
        return chat.Then("Done.");
    }

    [Theory]
    [InlineData("chat")]
    [InlineData("react")]
    [InlineData("planAndExecute")]
    public async Task What_is_not_read_only_asks_in_every_strategy_and_hostile_results_send_nothing(string strategy)
    {
        await using var file = await LoadAsync($"""
            kind: Agent
            name: clerk
            tools:
              - kind: mcp
                serverName: office
                serverDescription: Letters and notes.
                command: dotnet
                args: [SERVER]
                allowedTools: [letter, note, folder]
                prefix: my_
                toolSeconds: 30
              - kind: function
                name: send
            strategy: {strategy}
            """);
        var note = $$"""{"file": {{JsonSerializer.Serialize(_folder.At("notes.txt"))}}, "text": "tea"}""";
        var chat = strategy switch
        {
            "chat" => Calling(("my_letter", "{}"), ("send", """{"text": "stolen"}"""), ("my_note", note), ("my_folder", "{}")),
            "react" => new ScriptedChatClient(Step("my_letter", "{}"), Step("send", "\"stolen\""), Step("my_note", note),
                Step("my_folder", "{}"), Step("answer", "\"Done.\"")),
            _ => new ScriptedChatClient("""{"steps": ["all"]}""", Step("my_letter", "{}"), Step("send", "\"stolen\""),
                Step("my_note", note),
                Step("my_folder", "{}"), Step("answer", "\"Done.\""), "Answer: Done."),
        };
        var response = await file.CreateAgent(chat).RunAsync("Work.");
        Assert.Equal(["send", "my_note"], _asked);
        Assert.Empty(_sent);
        Assert.Equal("tea\n", File.ReadAllText(_folder.At("notes.txt")));
        // The server works in the folder of the file.
        Assert.Contains(chat.Requests.SelectMany(messages => messages).SelectMany(message => message.Contents), content =>
            (content is FunctionResultContent result ? result.Result?.ToString() : content.ToString())
                ?.Contains(Path.GetFileName(_folder.Path), StringComparison.Ordinal) == true);
        Assert.Contains("Done.", response.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("never", "")]
    [InlineData("always", "letter,note,send")]
    [InlineData("{ kind: specify, neverRequireApprovalTools: [note] }", "send")]
    [InlineData("{ kind: specify, alwaysRequireApprovalTools: [letter] }", "letter,note,send")]
    public async Task Approval_modes_of_the_declarative_schema_are_kept(string mode, string asked)
    {
        await using var file = await LoadAsync($$"""
            kind: Agent
            tools:
              - { kind: mcp, serverName: office, command: dotnet, args: [SERVER], allowedTools: [letter, note], approvalMode: {{mode}} }
              - { kind: function, name: send{{(mode == "never" ? ", approvalMode: never" : "")}} }
            """);
        var note = $$"""{"file": {{JsonSerializer.Serialize(_folder.At("notes.txt"))}}, "text": "tea"}""";
        await file.CreateAgent(Calling(("letter", "{}"), ("note", note), ("send", """{"text": "x"}"""))).RunAsync("Work.");
        Assert.Equal(asked, string.Join(',', _asked));
        Assert.Equal(mode == "never" ? 1 : 0, _sent.Count);
    }

    [Fact]
    public async Task Agents_of_a_workflow_have_servers_and_variables_of_their_own()
    {
        _folder.Write("reader.yaml", """
            kind: Agent
            tools:
              - kind: mcp
                command: dotnet
                args: [SERVER]
                env: { KOTONOHA_WHO: reader }
            strategy: react
            """.Replace("SERVER", McpToolsTests.Server, StringComparison.Ordinal));
        await using var file = await LoadAsync("""
            kind: Workflow
            agents:
              reader: reader.yaml
              writer:
                tools: [{ kind: mcp, command: dotnet, args: [SERVER], env: { KOTONOHA_WHO: writer } }]
                strategy: react
            sequential: [reader, writer]
            """);
        var read = Step("variable", """{"name": "KOTONOHA_WHO"}""");
        var chat = new ScriptedChatClient(read, Step("answer", "\"one\""), read, Step("answer", "\"two\""));
        var response = await file.CreateAgent(chat).RunAsync("Who?");
        var seen = response.Messages.SelectMany(message => message.Contents).OfType<TextContent>().Select(content => content.Text).ToList();
        Assert.Contains("two", string.Concat(seen), StringComparison.Ordinal);
        Assert.Contains("reader", chat.Requests[1][^1].Text, StringComparison.Ordinal);
        Assert.Contains("writer", chat.Requests[3][^1].Text, StringComparison.Ordinal);
    }
}
