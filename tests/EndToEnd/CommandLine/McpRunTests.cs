using System.Text.Json;
using Kotonoha.EndToEnd.Support;
using Kotonoha.Samples.ToolCalling;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha run</c> of an agent whose tools come from a server of the Model Context Protocol.</summary>
[Trait("Category", "EndToEnd")]
public sealed class McpRunTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Server { get; }
        = Repository.At("tests", "McpServer", "bin", Repository.Configuration, "net10.0", "Kotonoha.McpServer.dll");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_trained_model_calls_a_tool_of_a_server_that_the_file_names()
    {
        var file = _folder.Write("agent.yaml", $"""
            kind: Agent
            instructions: Be brief.
            model: tool-caller
            tools:
              - kind: mcp
                serverName: skies
                command: dotnet
                args: ["{Server}"]
                allowedTools: [weather]
                prefix: get_
            limits: {"{ modelCalls: 2 }"}
            """);
        var trace = _folder.At("trace.jsonl");
        string[] run =
        [
            "run", file, "--model", await ToolCallingGpt.FolderAsync(), "--input", "input=What is the weather in Kyoto?", "--trace", trace,
        ];
        var (code, output, error) = CliProcess.Run([.. run, "--allow-mcp", "dotnet"], _folder.Path);
        Assert.True(code == 0, error);
        Assert.NotEmpty(output.Trim());
        var observed = Assert.Single(File.ReadAllLines(trace).Select(line => JsonElement.Parse(line)),
            step => step.GetProperty("step").GetString() == "observation");
        Assert.Contains("Rain in Kyoto.", observed.GetRawText(), StringComparison.Ordinal);

        // Without leave nothing is started.
        (code, _, error) = CliProcess.Run(run, _folder.Path);
        Assert.Equal(1, code);
        Assert.Contains($"{file}, line 7: the file starts the program 'dotnet', which is not allowed;", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("command: dotnet\n    args: [SERVER, broken]", "line 3: The MCP server 's' does not start ('dotnet ")]
    [InlineData("url: http://127.0.0.1:9", "line 3: The MCP server 's' at http://127.0.0.1:9/ is not reached: its host is not one of the")]
    public void A_server_that_cannot_be_used_is_one_message(string server, string says)
    {
        var file = _folder.Write("agent.yaml", "kind: Agent\ntools:\n  - kind: mcp\n    serverName: s\n    "
            + server.Replace("SERVER", Server, StringComparison.Ordinal) + "\n");
        var (code, _, error) = CliProcess.Run(["run", file, "--allow-mcp", "dotnet", "--input", "input=x"], _folder.Path);
        Assert.Equal(1, code);
        Assert.Contains($"{file}, {says}", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }
}
