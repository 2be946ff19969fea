using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Prompts.Files;

namespace Kotonoha.Agents.Tests.AgentFiles;

/// <summary>Files of agents and workflows that cannot be used: each says its line, its field and what to do.</summary>
public sealed class BrokenAgentFileTests
{
    [Theory]
    [InlineData("kind: Agnt\n", 1, "the kind 'Agnt' is none of an agent; an agent is 'kind: Agent', a workflow 'kind: Workflow'.")]
    [InlineData("name: x\n", 1, "the file has no 'kind'; an agent is 'kind: Agent', a workflow 'kind: Workflow'.")]
    [InlineData("kind: Agent\nname: [x\n", 3, "this is not valid YAML")]
    [InlineData("kind: Agent\ninstrctions: x\n", 2, "the field 'instrctions' is not known here; known are description, displayName, ")]
    [InlineData("kind: Agent\ntools:\n  - calculater\n", 3,
        "the tool 'calculater' is not known; write calculator, clock, read_file, fetch, query, mcp or function.")]
    [InlineData("kind: Agent\ntools:\n  - kind: read_file\n    root: nowhere\n", 4, "'root' is '")]
    [InlineData("kind: Agent\ntools:\n  - kind: read_file\n", 3,
        "the tool 'read_file' needs 'root': the folder below which files are read.")]
    [InlineData("kind: Agent\ntools:\n  - kind: clock\n    zone: Atlantis\n", 4,
        "'zone' is 'Atlantis', which is no time zone; write one such as Asia/Tokyo.")]
    [InlineData("kind: Agent\ntools:\n  - kind: clock\n    approvalMode: sometimes\n", 4,
        "'approvalMode' is 'sometimes'; write always or never.")]
    [InlineData("kind: Agent\ntools:\n  - kind: function\n    name: send\n", 3,
        "the tool 'send' is named, and no tools were given; give it (AgentFileOptions.Tools), or remove it.")]
    [InlineData("kind: Agent\ntools:\n  - mcp\n", 3,
        "the tool 'mcp' needs 'command' (the program of the server) or 'url' (its address).")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    serverName: files\n", 3,
        "the tool 'mcp' needs 'command' (the program of the server) or 'url' (its address).")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    command: files\n    url: https://example.com\n", 3,
        "the tool 'mcp' has both 'command' and an address; keep one of them.")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    command: npx\n", 4,
        "the file starts the program 'npx', which is not allowed; if you trust the file, allow it (AgentFileOptions.AllowedMcpServers, "
        + "--allow-mcp npx).")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: example.com/mcp\n", 4,
        "'example.com/mcp' is no address of a server; write one such as https://example.com/mcp.")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    connection:\n      kind: reference\n", 5,
        "the 'kind' of a connection is 'reference'; write anonymous with an 'endpoint', and in 'headers' what the server asks for")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    connection:\n      kind: anonymous\n", 5,
        "'connection' needs 'endpoint': the address of the server.")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    connection: { kind: anonymous, endpoint: x }\n", 4,
        "the tool 'mcp' has both 'url' and 'connection'; keep one of them.")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    allowedTools: []\n", 5, "'allowedTools' is empty")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    headers: [x]\n", 5,
        "'headers' must be a mapping of names to texts, not a list.")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    headers:\n      key: ${env:HOME}\n", 6,
        "the environment variable 'HOME' is not allowed")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    toolSeconds: soon\n", 5,
        "'toolSeconds' must be a number above 0, not 'soon'.")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    approvalMode: specify\n", 5,
        "'approvalMode' is 'specify'; write always or never, or a mapping with 'kind: specify'")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    allowedTools: [read]\n    approvalMode:\n"
        + "      kind: specify\n      neverRequireApprovalTools: [write]\n", 7,
        "'approvalMode' names the tool 'write', which is not among 'allowedTools'.")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    approvalMode:\n      kind: specify\n"
        + "      alwaysRequireApprovalTools: [a]\n      neverRequireApprovalTools: [a]\n", 6,
        "'approvalMode' says always and never of 'a'; keep one of them.")]
    [InlineData("kind: Agent\ntools:\n  - kind: mcp\n    url: https://a.example\n    transport: sse\n", 5,
        "the field 'transport' is not known here; known are allowedTools, ")]
    [InlineData("kind: Agent\nstrategy: guess\n", 2,
        "the strategy 'guess' is not known; write chat, chainOfThought, selfConsistency, react, planAndExecute, treeOfThoughts or "
        + "reflexion.")]
    [InlineData("kind: Agent\nstrategy:\n  kind: react\n  maxSteps: many\n", 4,
        "'maxSteps' must be a whole number of at least 1, not 'many'.")]
    [InlineData("kind: Agent\nstrategy:\n  kind: react\n  samples: 3\n", 4,
        "the field 'samples' is not known here; known are kind, maxSameActions, maxSteps, toolSeconds.")]
    [InlineData("kind: Agent\nstrategy: chainOfThought\ntools: [clock]\n", 2,
        "the strategy 'chainOfThought' calls no tools; write react or planAndExecute, or remove 'tools'.")]
    [InlineData("kind: Agent\nlimits:\n  tokens: 0\n", 3, "'tokens' must be a whole number of at least 1, not '0'.")]
    [InlineData("kind: Agent\nlimits:\n  seconds: 5\n", 3,
        "'limits.seconds' is kept by strategies only; name a 'strategy' (chainOfThought, selfConsistency, react, planAndExecute, "
        + "treeOfThoughts or reflexion), or remove it.")]
    [InlineData("kind: Agent\nlanguage: fr\n", 2, "the language 'fr' is not known; write en, ja or auto.")]
    [InlineData("kind: Agent\ninstructions: ${env:HOME}\n", 2, "the environment variable 'HOME' is not allowed")]
    [InlineData("kind: Workflow\nsequential: [a]\n", 1, "the workflow has no 'agents'.")]
    [InlineData("kind: Workflow\nagents: { a: { instructions: x } }\n", 1,
        "the workflow does not say who works after whom; write one of sequential, concurrent, handoff, groupChat or graph.")]
    [InlineData("kind: Workflow\nagents: { a: { instructions: x } }\nsequential: [a]\nconcurrent: [a]\n", 1,
        "the workflow says 'sequential' and 'concurrent'; keep one of them.")]
    [InlineData("kind: Workflow\nagents:\n  a: { instructions: x }\nsequential:\n  - a\n  - b\n", 6,
        "there is no agent 'b'; the workflow has 'a'.")]
    [InlineData("kind: Workflow\nagents:\n  a: missing.yaml\nsequential: [a]\n", 3, "'a' is the agent in '")]
    [InlineData("kind: Workflow\nagents:\n  a: { name: b }\nsequential: [a]\n", 3,
        "the agent is 'a' in this workflow and 'name' says 'b'; remove 'name', or call it so.")]
    [InlineData("kind: Workflow\nagents: { a: { strategy: react }, b: { strategy: react } }\nhandoff:\n  start: a\n  to:\n    a: b\n", 6,
        "'a' hands over to 'b', which has no 'description'; it is what 'a' chooses by.")]
    [InlineData("kind: Workflow\nagents: { a: { strategy: react } }\ngraph:\n  start: a\n  edges:\n    - { from: a }\n", 6,
        "'to' is missing here: the name of an agent.")]
    [InlineData("kind: Workflow\nagents: { a: { strategy: react } }\ngraph:\n  start: a\n  edges:\n"
        + "    - { from: a, to: a, when: { says: x } }\n", 6,
        "a condition needs 'contains': a text that the last answer holds, in any case.")]
    [InlineData("kind: Workflow\ntrigger:\n  kind: OnConversationStart\n", 3,
        "'trigger' belongs to workflows of actions, which are not run here; write 'agents' and one of sequential, ")]
    public void A_broken_file_says_what_to_mend(string text, int line, string problem)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("agent.yaml", text);
        var error = Assert.Throws<PromptFileException>(() => AgentFile.Load(path));
        Assert.StartsWith($"{path}, line {line}: {problem}", error.Message, StringComparison.Ordinal);
        Assert.Equal(line, error.Line);
    }

    /// <summary>What only the server can say: the file is right, and what it asks for is not there.</summary>
    [Theory]
    [InlineData("command: kotonoha-no-such-program", "The MCP server 's' does not start ('kotonoha-no-such-program'): ")]
    [InlineData("command: dotnet\n    args: [SERVER, broken]", "The MCP server 's' does not start ('dotnet ")]
    [InlineData("command: dotnet\n    args: [SERVER]\n    allowedTools: weathr",
        "The MCP server 's' has no tool 'weathr'; it has 'weather'")]
    [InlineData("command: dotnet\n    args: [SERVER, clock]", "The MCP server 's' has a tool 'clock', a name that means something else")]
    [InlineData("command: dotnet\n    args: [SERVER]\n    approvalMode: { kind: specify, alwaysRequireApprovalTools: [erase] }",
        "'approvalMode' names the tool 'erase', which the server 's' does not offer; it offers 'weather', ")]
    [InlineData("url: http://127.0.0.1:9/mcp", "The MCP server 's' at http://127.0.0.1:9/mcp is not reached: its host is not one of the")]
    public async Task A_server_that_cannot_be_used_is_an_error_in_its_line(string server, string problem)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("agent.yaml", "kind: Agent\ntools:\n  - clock\n  - kind: mcp\n    serverName: s\n    "
            + server.Replace("SERVER", Tools.McpToolsTests.Server, StringComparison.Ordinal) + "\n");
        await using var file = AgentFile.Load(path, new AgentFileOptions { AllowedMcpServers = ["dotnet", "kotonoha-no-such-program"] });
        var error = await Assert.ThrowsAsync<PromptFileException>(() => file.ConnectAsync());
        Assert.StartsWith($"{path}, line 4: {problem}", error.Message, StringComparison.Ordinal);
        Assert.Equal((4, PromptFileError.Tool), (error.Line, error.Error));
    }

    [Fact]
    public async Task Two_tools_of_one_name_are_an_error_in_the_line_of_the_second()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("agent.yaml", $"kind: Agent\ntools:\n  - {{ kind: mcp, serverName: s, command: dotnet, args: "
            + $"[{Tools.McpToolsTests.Server}, read_file], allowedTools: read_file }}\n  - {{ kind: read_file, root: . }}\n");
        await using var file = AgentFile.Load(path, new AgentFileOptions { AllowedMcpServers = ["dotnet"] });
        var missing = Assert.Throws<InvalidOperationException>(() => file.CreateAgent(new ScriptedChatClient()));
        Assert.Contains("call ConnectAsync first", missing.Message, StringComparison.Ordinal);
        await file.ConnectAsync();
        var error = Assert.Throws<PromptFileException>(() => file.CreateAgent(new ScriptedChatClient()));
        Assert.StartsWith($"{path}, line 4: the agent already has a tool 'read_file', in line 3; remove one of them.", error.Message,
            StringComparison.Ordinal);
    }
}
