using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Qdrant;
using Kotonoha.EndToEnd.Support;
using Kotonoha.Rag;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>The command over a Qdrant server that somebody else uses too.</summary>
[Trait("Category", "EndToEnd")]
[Trait("Needs", "qdrant")]
public sealed partial class QdrantCommandTests : IAsyncLifetime
{
    private static readonly string Cache
        = Environment.GetEnvironmentVariable("KOTONOHA_TEST_CACHE") ?? Path.Combine(Path.GetTempPath(), "kotonoha-test-qdrant");

    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _rest = new(new SocketsHttpHandler { UseProxy = false });
    private QdrantServerProcess _server = null!;

    public async Task InitializeAsync()
    {
        _server = await QdrantServerProcess.StartAsync(await QdrantServerProcess.InstallAsync(Cache), _folder.At("qdrant"));
        _rest.BaseAddress = _server.RestAddress;
        _folder.Write("docs/tea.md", "# Tea\n\nGreen tea is steeped for two minutes at seventy degrees.\n");
        _folder.Write("docs/rice.md", "# Rice\n\nRice is soaked for half an hour before it is cooked.\n");
    }

    public async Task DisposeAsync()
    {
        _rest.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("--1")]
    [InlineData("--1--documents")]
    public async Task A_collection_that_somebody_deleted_is_made_anew_by_the_next_ingest(string suffix)
    {
        Assert.Equal(2, Added(Run("ingest", _server.Address)));
        var collection = await CollectionAsync(suffix);
        using (var deleted = await _rest.DeleteAsync($"collections/{collection}"))
            Assert.True(deleted.IsSuccessStatusCode);
        var asked = Run("ask", _server.Address, "--no-model", "How long is green tea steeped?");
        Assert.NotEqual(0, asked.ExitCode);
        Assert.Contains("run 'kotonoha ingest'", asked.Error, StringComparison.Ordinal);

        Assert.Equal(2, Added(Run("ingest", _server.Address)));
        asked = Run("ask", _server.Address, "--no-model", "How long is green tea steeped?");
        using var answer = JsonDocument.Parse(asked.Output);
        Assert.Contains("two minutes", answer.RootElement.GetProperty("answer").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, Added(Run("ingest", _server.Address)));
        Assert.Equal(2, Added(Run("ingest", _server.Address, "--rebuild")));
    }

    [Fact]
    public async Task A_backup_is_put_back_and_another_programs_collection_is_taken_in()
    {
        string[] rest = ["--qdrant-rest-url", _server.RestAddress.ToString(), "--qdrant-quantization", "int8", "--qdrant-on-disk", "true"];
        Run("ingest", _server.Address, rest);
        var made = Documents(["backup", _folder.At("backup"), .. rest]);
        Assert.True(made.ExitCode == 0, made.Error);
        Documents("delete", "tea.md");
        var restored = Documents(["restore", _folder.At("backup"), .. rest]);
        Assert.True(restored.ExitCode == 0, restored.Error);
        Assert.Contains("tea.md", Documents("list").Output, StringComparison.Ordinal);

        await PutAsync("collections/shop", """{"vectors":{"size":1,"distance":"Dot"}}""");
        await PutAsync(
            "collections/shop/points?wait=true",
            """{"points":[{"id":1,"vector":[1],"payload":{"about":"A kettle holds two litres.","item":"kettle"}}]}""");
        string[] from = ["import-collection", "shop", "--from", _server.Address.ToString()];
        var unknown = Documents(from);
        Assert.Equal(1, unknown.ExitCode);
        Assert.Contains("Name the fields (--text-field); its points have: about, item.", unknown.Error, StringComparison.Ordinal);
        var taken = Documents([.. from, "--text-field", "about", "--source-field", "item"]);
        Assert.True(taken.ExitCode == 0, taken.Error);
        Assert.Contains("1 documents stored, 1 chunks written, 0 points without a text", taken.Error, StringComparison.Ordinal);

        async Task PutAsync(string path, string json)
        {
            using var body = new StringContent(json, Encoding.UTF8, "application/json");
            using var response = await _rest.PutAsync(path, body);
            Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task Points_of_somebody_else_are_a_warning()
    {
        Run("ingest", _server.Address);
        var collection = await CollectionAsync("--1");
        const string theirs = """{"points":[{"id":1,"vector":{"bm25":{"indices":[1],"values":[1.0]}},"payload":{}}]}""";
        using (var body = new StringContent(theirs, Encoding.UTF8, "application/json"))
        using (var put = await _rest.PutAsync($"collections/{collection}/points?wait=true", body))
            Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        // More text: every chunk is read again, since the average length changes.
        File.AppendAllText(
            _folder.At("docs/rice.md"),
            "\nIt rests for ten minutes, under a lid, and is then turned over once with a wet paddle, while steam rises.\n");
        var (code, _, error) = Run("ingest", _server.Address);
        Assert.Equal(0, code);
        Assert.Matches(@"(?m)^Warning: The collection '.*' at .* holds points that Kotonoha did not write", error);
    }

    [Fact]
    public void A_rest_port_or_an_address_with_a_path_is_one_clear_error()
    {
        var (code, output, error) = Run("ingest", _server.RestAddress);
        Assert.Equal(1, code);
        Assert.Contains("is the REST port of a Qdrant server", error, StringComparison.Ordinal);
        Assert.Contains("by default 6334 (--qdrant-url)", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error + output, StringComparison.Ordinal);

        (code, _, error) = Run("ingest", new Uri(_server.Address, "collections"));
        Assert.Equal(2, code);
        Assert.Contains("--qdrant-url", error, StringComparison.Ordinal);
        Assert.Contains("6334", error, StringComparison.Ordinal);
    }

    /// <summary>What a message of the library tells the user to do must be possible.</summary>
    [Fact]
    public void Options_and_members_that_messages_of_the_stores_name_exist()
    {
        var options = IngestCommand.Create().Options.Concat(DocumentsCommand.Create().Subcommands.SelectMany(command => command.Options))
            .Select(option => option.Name).ToHashSet(StringComparer.Ordinal);
        Assert.Contains("--qdrant-url", options);
        var stores = Directory.EnumerateFiles(Repository.At("src", "Rag", "Stores"), "*.cs");
        string[] files = [Repository.At("src", "Rag", "KnowledgeBase.cs"), .. stores];
        var messages = files.SelectMany(file => Literal().Matches(File.ReadAllText(file))).Select(match => match.Value).ToList();
        var named = messages.SelectMany(message => OptionName().Matches(message)).Select(match => match.Value).Distinct().ToList();
        Assert.Contains("--rebuild", named);
        // The ledger's name ends so.
        Assert.Empty(named.Except(options).Except(["--documents"]));

        Type[] types = [typeof(KnowledgeBase), typeof(SyncOptions), typeof(QdrantStoreOptions)];
        var members = types.SelectMany(type => type.GetMembers().Select(member => $"{type.Name}.{member.Name}"));
        var namedMembers = messages.SelectMany(message => MemberName().Matches(message)).Select(match => match.Value).Distinct().ToList();
        Assert.Contains("QdrantStoreOptions.Address", namedMembers);
        Assert.Empty(namedMembers.Except(members));
    }

    private static int Added((int ExitCode, string Output, string Error) run)
    {
        Assert.True(run.ExitCode == 0, run.Error);
        return JsonDocument.Parse(run.Output.TrimEnd().Split('\n')[^1]).RootElement.GetProperty("added").GetArrayLength();
    }

    private (int ExitCode, string Output, string Error) Run(string command, Uri address, params string[] more)
        => CliProcess.Run([command, .. Workspace(address), .. more]);

    private (int ExitCode, string Output, string Error) Documents(params string[] arguments)
        => CliProcess.Run(["documents", .. arguments, .. Workspace(_server.Address)]);

    private string[] Workspace(Uri address)
        => ["--docs", _folder.At("docs"), "--home", _folder.At("home"), "--qdrant-url", address.ToString(), "--json"];

    /// <summary>The only collection whose name ends so.</summary>
    private async Task<string> CollectionAsync(string suffix)
    {
        using var json = JsonDocument.Parse(await _rest.GetStringAsync("collections"));
        return json.RootElement.GetProperty("result").GetProperty("collections").EnumerateArray()
            .Select(entry => entry.GetProperty("name").GetString()!).Single(name => name.EndsWith(suffix, StringComparison.Ordinal));
    }

    [GeneratedRegex("""
        "[^"\n]*"
        """)]
    private static partial Regex Literal();

    [GeneratedRegex("--[a-z]+(-[a-z]+)*")]
    private static partial Regex OptionName();

    [GeneratedRegex(@"\b(KnowledgeBase|SyncOptions|QdrantStoreOptions)\.\w+")]
    private static partial Regex MemberName();
}
