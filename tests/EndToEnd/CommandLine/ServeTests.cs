using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Kotonoha.Cli.Training;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha serve</c>, <c>keys</c> and <c>mcp</c> as processes.</summary>
[Trait("Category", "EndToEnd")]
public sealed class ServeTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TemporaryFolder _folder = new();
    private readonly string _documents;

    public ServeTests()
    {
        _folder.Write(Path.Combine("docs", "tea.md"), "# Tea\n\nThe kettle is descaled every 14 days with citric acid.\n");
        _documents = _folder.At("docs");
        SavedModel.Save(_folder.At("tiny"));
    }

    private string Home => _folder.At("home");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_served_folder_and_model_answer_callers_with_a_key_until_the_server_is_interrupted()
    {
        var (made, key, _) = CliProcess.Run(["keys", "add", "ann", "--home", Home]);
        Assert.Equal(0, made);
        using var server = CliProcess.Start(
            ["serve", "--docs", _documents, "--home", Home, "--model", $"tiny={_folder.At("tiny")}", "--url", "http://127.0.0.1:0",
                "--set", "max-running=4"]);
        using var http = new HttpClient { BaseAddress = await AddressAsync(server) };
        using (var stranger = await http.GetAsync("/v1/models"))
            Assert.Equal(HttpStatusCode.Unauthorized, stranger.StatusCode);
        http.DefaultRequestHeaders.Add("Authorization", $"Bearer {key.Trim()}");
        var models = await http.GetFromJsonAsync<JsonElement>("/v1/models");
        Assert.Equal("tiny", models.GetProperty("data")[0].GetProperty("id").GetString());
        using (var asked = await http.PostAsJsonAsync(
            "/api/knowledge/collections/docs/ask", new { question = "How often is the kettle descaled?" }))
            Assert.Contains("14 days", await asked.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using (var said = await http.PostAsJsonAsync(
            "/v1/chat/completions", new { model = "tiny", max_tokens = 3, messages = new[] { new { role = "user", content = "hello" } } }))
            Assert.Equal(HttpStatusCode.OK, said.StatusCode);
        server.Interrupt();
        Assert.True(await server.WaitForExitAsync(Patience));
        Assert.Equal(0, server.ExitCode);
    }

    [Fact]
    public async Task The_server_trains_on_a_served_folder_by_the_command_that_it_is()
    {
        _folder.Write(Path.Combine("docs", "kettles.txt"), string.Concat(Enumerable.Repeat("The kettle is descaled. ", 40)));
        using var server = CliProcess.Start(
            ["serve", "--docs", _documents, "--home", Home, "--no-model", "--url", "http://127.0.0.1:0"]);
        using var http = new HttpClient { BaseAddress = await AddressAsync(server) };
        var recipes = await http.GetFromJsonAsync<JsonElement>("/api/training/recipes");
        Assert.Equal(RecipeRunner.Recipes.Keys,
            recipes.EnumerateArray().Select(recipe => recipe.GetProperty("name").GetString()!).Order(StringComparer.Ordinal));
        var settings = new { recipe = "text", collection = "docs", depth = 1, steps = 3, batch = 2, context = 8, vocabulary = 280 };
        using (var cost = await http.PostAsJsonAsync("/api/training/cost", settings))
            Assert.Equal(48, (await cost.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("tokens").GetInt64());
        using (var started = await http.PostAsJsonAsync("/api/training/runs", new { name = "kettle", settings }))
            Assert.Equal(HttpStatusCode.Created, started.StatusCode);
        string? state;
        do
            state = (await http.GetFromJsonAsync<JsonElement>("/api/training/runs/kettle")).GetProperty("state").GetString();
        while (state == "running");
        Assert.Equal("finished", state);
    }

    [Theory]
    [InlineData("max-runing=4", "setting 'max-runing': is not known")]
    [InlineData("max-running=0", "setting 'max-running': is 0; from 1 to 4096")]
    public void A_setting_that_cannot_be_used_is_one_message_at_the_start(string setting, string says)
    {
        var (code, _, error) = CliProcess.Run(["serve", "--no-docs", "--home", Home, "--set", setting]);
        Assert.Equal(2, code);
        Assert.StartsWith($"kotonoha: {says}", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Documents_are_asked_over_standard_input_and_output()
    {
        await using var client = await McpClient.CreateAsync(new StdioClientTransport(new StdioClientTransportOptions
        {
            Command = "dotnet",
            Arguments = [Path.Combine(AppContext.BaseDirectory, "Kotonoha.Cli.dll"), "mcp", "--docs", _documents, "--home", Home],
        }));
        var answer = await client.CallToolAsync(
            "ask", new Dictionary<string, object?> { ["question"] = "How often is the kettle descaled?" });
        Assert.Contains("14 days", Assert.IsType<TextContentBlock>(answer.Content[0]).Text, StringComparison.Ordinal);
        Assert.Equal("tea.md", Assert.Single(await client.ListResourcesAsync()).Name);
    }

    private static async Task<Uri> AddressAsync(CliProcess server)
    {
        const string Says = "Kotonoha serves at ";
        for (var end = DateTime.UtcNow + Patience; DateTime.UtcNow < end; await Task.Delay(50))
            if (server.Error.Split('\n').FirstOrDefault(line => line.StartsWith(Says, StringComparison.Ordinal)) is { } line)
                return new Uri(line[Says.Length..].Trim());
        throw new TimeoutException(server.Error);
    }
}
