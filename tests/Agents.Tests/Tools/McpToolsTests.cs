using System.Diagnostics;
using System.Text.Json;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Agents.Safety;
using Kotonoha.Agents.Tools;
using Kotonoha.Foundation.Security;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Tools;

/// <summary>Tools of a real server of the Model Context Protocol, which the tests start.</summary>
public sealed class McpToolsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>The server's program, which is built beside the tests.</summary>
    internal static string Server { get; } = Path.Combine(AppContext.BaseDirectory, "Kotonoha.McpServer.dll");

    public void Dispose() => _folder.Dispose();

    private static McpProcessOptions Options(params string[] arguments)
        => new() { Name = "test", Command = "dotnet", Arguments = [Server, .. arguments] };

    private static async Task<string> CallAsync(McpTools tools, string name, params (string Name, object? Value)[] arguments)
        => Assert.IsType<string>(await tools.Functions.Single(tool => tool.Name == name).InvokeAsync(
            new AIFunctionArguments(arguments.ToDictionary(argument => argument.Name, argument => argument.Value))));

    private static ScriptedChatClient Calling(params (string Tool, string Arguments)[] calls)
    {
        var chat = new ScriptedChatClient();
        foreach (var (tool, arguments) in calls)
            chat.Then((_, _) => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant,
                [new FunctionCallContent(tool, tool, JsonSerializer.Deserialize<Dictionary<string, object?>>(arguments))]))));
        return chat.Then("Done.");
    }

    private static AIFunction Send(List<string> sent) => AIFunctionFactory.Create((string text) =>
    {
        sent.Add(text);
        return "sent";
    }, "send", "Sends a text to everybody.");

    [Fact]
    public async Task Tools_are_listed_with_their_schemas_and_called_with_text_structure_and_errors()
    {
        await using var tools = await McpTools.ConnectAsync(Options());
        var weather = tools.Functions.Single(tool => tool.Name == "weather");
        Assert.Equal("The weather of a city.", weather.Description);
        Assert.Equal("The city", weather.JsonSchema.GetProperty("properties").GetProperty("city").GetProperty("description").GetString());

        Assert.Equal("Rain in Kyoto.", await CallAsync(tools, "weather", ("city", "Kyoto")));
        Assert.Equal("""{"total":5,"of":[2,3]}""", await CallAsync(tools, "sum", ("a", 2), ("b", JsonElement.Parse("3"))));
        Assert.Equal("A dot:\n(an image, image/png, which is not shown)\nfrom a resource", await CallAsync(tools, "picture"));
        Assert.Equal("Error: no paper", await CallAsync(tools, "fail", ("why", "no paper")));
        Assert.StartsWith("Error: ", await CallAsync(tools, "weather"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_allowed_tools_are_there_and_have_the_prefix()
    {
        await using var tools = await McpTools.ConnectAsync(Options() with { AllowedTools = ["sum", "weather"], Prefix = "my_" });
        Assert.Equal(["my_sum", "my_weather"], tools.Functions.Select(tool => tool.Name).Order(StringComparer.Ordinal));
        Assert.Equal("Rain in Nara.", await CallAsync(tools, "my_weather", ("city", "Nara")));
    }

    [Fact]
    public async Task A_long_result_is_cut_and_says_so()
    {
        await using var tools = await McpTools.ConnectAsync(Options() with { MaxResultLength = 10 });
        Assert.Equal("aaaaaaaaaa", await CallAsync(tools, "repeat", ("text", "a"), ("times", 10)));
        Assert.Equal("aaaaaaaaaa\n(cut off after 10 characters)", await CallAsync(tools, "repeat", ("text", "a"), ("times", 11)));
        Assert.Equal("𠮷あ𠮷あ𠮷あ\n(cut off after 9 characters)", await CallAsync(tools, "repeat", ("text", "𠮷あ"), ("times", 4)));
    }

    [Theory]
    [InlineData("http://Intern.Example/mcp", "intern.example", true)]
    [InlineData("http://intern.example./mcp", "Intern.example", true)]
    [InlineData("http://intern.example/mcp", "intern.example.", true)]
    [InlineData("http://intern.example:8080/mcp", "intern.example", true)]
    [InlineData("http://intern.example:8080/mcp", "intern.example:8080", true)]
    [InlineData("http://intern.example:8081/mcp", "intern.example:8080", false)]
    [InlineData("https://intern.example/mcp", "intern.example:443", true)]
    [InlineData("http://a.intern.example/mcp", "*.intern.example", true)]
    [InlineData("http://intern.example/mcp", "*.intern.example", false)]
    [InlineData("http://intern.example.evil.example/mcp", "intern.example", false)]
    [InlineData("http://[::1]:8080/mcp", "::1", true)]
    [InlineData("http://[::1]:8080/mcp", "[::1]:8080", true)]
    [InlineData("http://[::1]:8081/mcp", "[::1]:8080", false)]
    public void An_allowed_host_is_named_as_it_is_spoken_of(string endpoint, string host, bool isAllowed)
        => Assert.Equal(isAllowed, new McpHttpOptions { Name = "web", Endpoint = new Uri(endpoint), AllowedHosts = [host] }.IsAllowed);

    [Fact]
    public async Task A_passed_variable_that_is_not_set_is_left_out_and_an_own_value_goes_before()
    {
        Environment.SetEnvironmentVariable("KOTONOHA_TEST_BOTH", "passed");
        await using var tools = await McpTools.ConnectAsync(Options() with
        {
            Environment = new Dictionary<string, string> { ["KOTONOHA_TEST_BOTH"] = "own" },
            PassedEnvironment = ["KOTONOHA_TEST_BOTH", "KOTONOHA_TEST_UNSET"],
        });
        Assert.Equal("own", await CallAsync(tools, "variable", ("name", "KOTONOHA_TEST_BOTH")));
        Assert.DoesNotContain("KOTONOHA_TEST_UNSET", (await CallAsync(tools, "environment")).Split(','));
    }

    [Fact]
    public async Task The_server_sees_none_of_the_environment_but_what_it_is_given()
    {
        Environment.SetEnvironmentVariable("KOTONOHA_TEST_SECRET", "s");
        Environment.SetEnvironmentVariable("KOTONOHA_TEST_PASSED", "p");
        await using var tools = await McpTools.ConnectAsync(Options() with
        {
            Environment = new Dictionary<string, string> { ["KOTONOHA_TEST_OWN"] = "o" },
            PassedEnvironment = ["KOTONOHA_TEST_PASSED"],
            WorkingDirectory = _folder.Path,
        });
        var seen = (await CallAsync(tools, "environment")).Split(',');
        Assert.DoesNotContain("KOTONOHA_TEST_SECRET", seen);
        Assert.Contains("PATH", seen);
        if (!OperatingSystem.IsWindows())
            Assert.Equal([], seen.Except(
                ["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "KOTONOHA_TEST_OWN", "KOTONOHA_TEST_PASSED", "DOTNET_HOST_PATH"]));
        Assert.Equal("o", await CallAsync(tools, "variable", ("name", "KOTONOHA_TEST_OWN")));
        Assert.Equal("p", await CallAsync(tools, "variable", ("name", "KOTONOHA_TEST_PASSED")));
        Assert.EndsWith(Path.GetFileName(_folder.Path), await CallAsync(tools, "folder"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Disposing_ends_the_program()
    {
        Process server;
        await using (var tools = await McpTools.ConnectAsync(Options()))
            server = Process.GetProcessById(int.Parse(await CallAsync(tools, "process"), null));
        using (server)
            await server.WaitForExitAsync();
    }

    [Fact]
    public async Task A_server_that_does_not_start_says_why()
    {
        var error = await Assert.ThrowsAsync<McpServerException>(
            () => McpTools.ConnectAsync(new McpProcessOptions { Name = "files", Command = "kotonoha-no-such-program" }));
        Assert.Equal((McpServerError.DoesNotStart, "files"), (error.Error, error.Server));
        Assert.StartsWith("The MCP server 'files' does not start ('kotonoha-no-such-program'): ", error.Message, StringComparison.Ordinal);

        error = await Assert.ThrowsAsync<McpServerException>(
            () => McpTools.ConnectAsync(Options("broken")));
        Assert.Equal(McpServerError.DoesNotStart, error.Error);
        Assert.Contains($"('dotnet {Server} broken'): ", error.Message, StringComparison.Ordinal);
        Assert.Contains("there is no disk. Check the command", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_does_not_speak_the_protocol_is_given_up()
    {
        // The other transport of the test's server says its address and then waits.
        var error = await Assert.ThrowsAsync<McpServerException>(
            () => McpTools.ConnectAsync(Options("http") with { StartTimeout = TimeSpan.FromSeconds(2) }));
        Assert.Equal(McpServerError.DoesNotStart, error.Error);
        Assert.Contains("it did not answer within 2 s.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tool_that_the_server_lacks_and_names_of_trusted_tools_are_errors()
    {
        var error = await Assert.ThrowsAsync<McpServerException>(() => McpTools.ConnectAsync(Options() with { AllowedTools = ["weathr"] }));
        Assert.Equal(McpServerError.UnknownTool, error.Error);
        Assert.Contains("has no tool 'weathr'; it has 'weather', 'sum',", error.Message, StringComparison.Ordinal);

        // As 'clock' its results would be trusted, as 'answer' it would end a run.
        foreach (var name in (string[])["clock", "answer"])
        {
            error = await Assert.ThrowsAsync<McpServerException>(() => McpTools.ConnectAsync(Options(name)));
            Assert.Equal(McpServerError.ToolName, error.Error);
        }

        await using var tools = await McpTools.ConnectAsync(Options("clock") with { Prefix = "their_" });
        Assert.Contains(tools.Functions, tool => tool.Name == "their_clock");
    }

    [Fact]
    public async Task A_call_that_takes_too_long_is_an_error_and_the_next_one_works()
    {
        await using var tools = await McpTools.ConnectAsync(Options() with { CallTimeout = TimeSpan.FromSeconds(2) });
        await CallAsync(tools, "weather", ("city", "warm"));
        var error = await Assert.ThrowsAsync<McpServerException>(() => CallAsync(tools, "wait", ("file", _folder.At("began"))));
        Assert.Equal(McpServerError.Timeout, error.Error);
        Assert.Contains("did not answer the call of 'wait' within 2 s.", error.Message, StringComparison.Ordinal);
        Assert.Equal("Rain in Uji.", await CallAsync(tools, "weather", ("city", "Uji")));
    }

    [Fact]
    public async Task A_call_is_cancelled_by_its_caller()
    {
        await using var tools = await McpTools.ConnectAsync(Options());
        using var caller = new CancellationTokenSource();
        var call = tools.Functions.Single(tool => tool.Name == "wait").InvokeAsync(
            new AIFunctionArguments { ["file"] = _folder.At("began") }, caller.Token).AsTask();
        await ExistsAsync(_folder.At("began"), call);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task A_server_that_crashes_or_is_killed_in_a_call_is_an_error()
    {
        await using (var crashing = await McpTools.ConnectAsync(Options()))
        {
            var error = await Assert.ThrowsAsync<McpServerException>(() => CallAsync(crashing, "crash"));
            Assert.Equal(McpServerError.Closed, error.Error);
            Assert.Contains("it ended with code 3 and wrote: the disk is on fire.", error.Message, StringComparison.Ordinal);
            error = await Assert.ThrowsAsync<McpServerException>(() => CallAsync(crashing, "weather", ("city", "Kyoto")));
            Assert.Equal(McpServerError.Closed, error.Error);
        }

        await using var tools = await McpTools.ConnectAsync(Options());
        using var server = Process.GetProcessById(int.Parse(await CallAsync(tools, "process"), null));
        var call = CallAsync(tools, "wait", ("file", _folder.At("began")));
        await ExistsAsync(_folder.At("began"), call);
        server.Kill();
        Assert.Equal(McpServerError.Closed, (await Assert.ThrowsAsync<McpServerException>(() => call)).Error);
    }

    [Fact]
    public async Task A_server_is_reached_over_http_where_its_host_is_allowed()
    {
        using var process = await WebAsync();
        var endpoint = new Uri(process.Url + "/mcp");
        var web = new McpHttpOptions { Name = "web", Endpoint = endpoint, AllowedHosts = ["127.0.0.1"] };
        await using (var tools = await McpTools.ConnectAsync(web))
        {
            Assert.Equal("Rain in Kyoto.", await CallAsync(tools, "weather", ("city", "Kyoto")));
            Assert.Equal("Error: no paper", await CallAsync(tools, "fail", ("why", "no paper")));
        }

        // Not allowed: an address inside the network is refused before anything is sent.
        var error = await Assert.ThrowsAsync<McpServerException>(() => McpTools.ConnectAsync(web with { AllowedHosts = [] }));
        Assert.Equal(McpServerError.DoesNotStart, error.Error);
        Assert.Contains("its host is not one of the public internet", error.Message, StringComparison.Ordinal);
        Assert.IsType<SsrfException>(error.InnerException);

        var keyed = web with { Endpoint = new Uri(process.Url + "/keyed/mcp") };
        error = await Assert.ThrowsAsync<McpServerException>(() => McpTools.ConnectAsync(keyed));
        Assert.Contains("401", error.Message, StringComparison.Ordinal);
        await using (var tools = await McpTools.ConnectAsync(
            keyed with { Headers = new Dictionary<string, string> { ["Authorization"] = "Bearer secret" } }))
            Assert.NotEmpty(tools.Functions);

        // A redirect leads nowhere.
        error = await Assert.ThrowsAsync<McpServerException>(
            () => McpTools.ConnectAsync(web with { Endpoint = new Uri(process.Url + "/away") }));
        Assert.Contains("307", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_web_server_that_is_killed_in_a_call_is_an_error()
    {
        using var process = await WebAsync();
        await using var tools = await McpTools.ConnectAsync(
            new McpHttpOptions { Name = "web", Endpoint = new Uri(process.Url + "/mcp"), AllowedHosts = ["127.0.0.1"] });
        var call = CallAsync(tools, "wait", ("file", _folder.At("began")));
        await ExistsAsync(_folder.At("began"), call);
        process.Kill();
        Assert.Equal(McpServerError.Closed, (await Assert.ThrowsAsync<McpServerException>(() => call)).Error);
    }

    [Fact]
    public async Task What_a_server_says_is_from_outside_and_only_read_only_tools_are_called_unasked()
    {
        await using var tools = await McpTools.ConnectAsync(Options());
        var guardrails = new Guardrails();
        var result = new ChatMessage(ChatRole.Tool,
            [new FunctionResultContent("1", await CallAsync(tools, "letter"))]);
        Assert.True(guardrails.IsTainted([new ChatMessage(ChatRole.Assistant, [new FunctionCallContent("1", "letter")]), result]));

        var unasked = tools.Functions.Where(tool => !guardrails.NeedsApproval(tool, [], tools.Functions)).Select(tool => tool.Name)
            .ToList();
        Assert.Contains("weather", unasked);
        Assert.DoesNotContain("note", unasked);     // says nothing of itself
        Assert.DoesNotContain("find", unasked);     // reads an open world, where it could carry things out
        // A tool of the application in the company of such descriptions.
        Assert.True(guardrails.NeedsApproval(Send([]), [new ChatMessage(ChatRole.User, "Hi")], tools.Functions));
        Assert.False(guardrails.NeedsApproval(Send([]), [new ChatMessage(ChatRole.User, "Hi")]));
    }

    [Theory]
    [InlineData("letter")]
    [InlineData("urgent")]      // whose description gives the orders
    public async Task Hostile_results_and_descriptions_do_not_make_a_guarded_agent_send(string tool)
    {
        await using var tools = await McpTools.ConnectAsync(Options("urgent") with { AllowedTools = [tool] });
        var sent = new List<string>();
        // A model that obeys whatever it reads.
        var chat = Calling((tool, "{}"), ("send", """{"text": "stolen"}"""));
        var agent = chat.AsGuardedAgent(new Guardrails(), new ChatClientAgentOptions
        {
            ChatOptions = new ChatOptions { Tools = [.. tools.Functions, Send(sent)] },
        });
        var response = await agent.RunAsync("Read my letters.");
        Assert.Empty(sent);
        var asked = Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<ToolApprovalRequestContent>());
        Assert.Equal("send", ((FunctionCallContent)asked.ToolCall).Name);
        Assert.Contains(chat.Requests[1].SelectMany(message => message.Contents).OfType<FunctionResultContent>(),
            content => content.Result?.ToString()?.StartsWith("<<outside ", StringComparison.Ordinal) == true);

        // The description alone is enough, before any result.
        var first = Calling(("send", """{"text": "stolen"}""")).AsGuardedAgent(new Guardrails(), new ChatClientAgentOptions
        {
            ChatOptions = new ChatOptions { Tools = [.. tools.Functions, Send(sent)] },
        });
        await first.RunAsync("Hello.");
        Assert.Empty(sent);
    }

    [Fact]
    public async Task A_ReAct_agent_asks_too_and_is_told_of_errors()
    {
        await using var tools = await McpTools.ConnectAsync(Options());
        var sent = new List<string>();
        var asked = new List<string>();
        string Step(string action, string input) => $$"""{"thought": "t", "action": "{{action}}", "input": {{input}}}""";
        var agent = new ReActAgent(new ScriptedChatClient(Step("weather", "{\"city\": \"Kyoto\"}"), Step("crash", "{}"),
            Step("weather", "{\"city\": \"Nara\"}"), Step("send", "{\"text\": \"stolen\"}"), Step("answer", "\"Rain.\"")),
            [.. tools.Functions, Send(sent)],
            new ReActOptions
            {
                Guardrails = new Guardrails(),
                ApproveAsync = (tool, _, _) =>
                {
                    asked.Add(tool);
                    return new(tool == "crash");
                },
            });
        var result = (await agent.RunAsync("?")).GetReasoning()!;
        var seen = result.Steps.Where(step => step.Kind == AgentStepKind.Observation).Select(step => step.Text).ToList();
        Assert.Equal("Rain in Kyoto.", seen[0]);
        Assert.Contains("The MCP server 'test' ended during the call of 'crash'", seen[1], StringComparison.Ordinal);
        Assert.Contains("The MCP server 'test' ended", seen[2], StringComparison.Ordinal);
        Assert.Equal(["crash", "send"], asked);
        Assert.Empty(sent);
        Assert.Equal("Rain.", result.Answer);
    }

    [Fact]
    public async Task A_web_server_that_does_not_let_go_is_left()
    {
        using var process = await WebAsync();
        var tools = await McpTools.ConnectAsync(new McpHttpOptions
        {
            Name = "web",
            Endpoint = new Uri(process.Url + "/clinging/mcp"),
            AllowedHosts = ["127.0.0.1"],
            StartTimeout = TimeSpan.FromSeconds(3),
        });
        Assert.Equal("Rain in Nara.", await CallAsync(tools, "weather", ("city", "Nara")));
        await tools.DisposeAsync();
    }

    private static async Task ExistsAsync(string file, Task call)
    {
        while (!File.Exists(file))
        {
            Assert.False(call.IsCompleted, $"{call.Exception}");
            await Task.Delay(20);
        }
    }

    private static async Task<WebServer> WebAsync()
    {
        var process = Process.Start(new ProcessStartInfo("dotnet", [Server, "http"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        return new WebServer(process, await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("No address."));
    }

    private sealed class WebServer(Process process, string url) : IDisposable
    {
        public string Url => url;

        public void Kill() => process.Kill();

        public void Dispose()
        {
            if (!process.HasExited)
                process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
    }
}
