using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Kotonoha.Client;
using Kotonoha.Server.Keys;

namespace Kotonoha.Server.Tests;

/// <summary>Documents, searches and answers through the typed client and the real server.</summary>
public sealed class KnowledgeTests
{
    private const string Tea =
        "# Tea\n\nThe kettle is descaled every 14 days with citric acid. The blue kettle belongs to the third floor.\n";

    [Fact]
    public async Task Answers_cite_the_documents_literally_whole_and_as_they_come()
    {
        await using var server = await RunningServer.StartAsync(withHandbook: true);
        using var client = new KotonohaClient(server.Address);
        Assert.Equal([new CollectionInfo("handbook", false, 3)], await client.ListCollectionsAsync());
        var hits = (await client.SearchAsync("handbook", new SearchRequest("ferry to Tobishima", 2))).Hits;
        Assert.Equal("ferry.txt", hits[0].Source);

        var answer = await client.AskAsync("handbook", new AskRequest("When was the lighthouse of Minase built?"));
        Assert.True(answer.Found);
        Assert.Contains("1884", answer.Citations[0].Quote, StringComparison.Ordinal);
        Assert.Equal("extraction", answer.AnsweredBy);
        using var form = await server.Http.PostAsync("/api/knowledge/collections/handbook/ask", new StringContent(
            "{\"question\": \"When was the lighthouse of Minase built?\"}", Encoding.UTF8, "application/x-www-form-urlencoded"));
        Assert.Contains("1884", await form.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False((await client.AskAsync("handbook", new AskRequest("What is the capital of Mongolia?"))).Found);

        var updates = new List<object?>();
        await foreach (var update in client.AskStreamingAsync("handbook", new AskRequest("When was the lighthouse of Minase built?")))
            updates.Add(update);
        Assert.IsType<SearchResponse>(updates[0]);
        Assert.Equal(answer.Text, Assert.IsType<AnswerInfo>(updates[^1]).Text);

        // A model that writes nonsense changes nothing: what it writes is not supported, and sentences are quoted.
        var written = await client.AskAsync("handbook", new AskRequest("When was the lighthouse of Minase built?", Model: "tiny"));
        Assert.Contains("1884", written.Text, StringComparison.Ordinal);
        var missing = await Assert.ThrowsAsync<KotonohaServerException>(() => client.AskAsync("nothing", new AskRequest("x")));
        Assert.Equal((HttpStatusCode.NotFound, "collection_not_found"), (missing.Status, missing.Code));
        var readOnly = await Assert.ThrowsAsync<KotonohaServerException>(
            () => client.UploadAsync("handbook", "tea.md", new MemoryStream(Encoding.UTF8.GetBytes(Tea))));
        Assert.Equal("collection_read_only", readOnly.Code);
    }

    [Fact]
    public async Task Documents_come_in_step_by_step_and_go_and_stay_over_a_restart()
    {
        using var folder = new TemporaryFolder();
        await using (var server = await RunningServer.StartAsync(options => options with { Home = folder.Path }))
        {
            using var client = new KotonohaClient(server.Address);
            await client.CreateCollectionAsync("kitchen");
            Assert.Equal("collection_exists",
                (await Assert.ThrowsAsync<KotonohaServerException>(() => client.CreateCollectionAsync("kitchen"))).Code);
            var upload = await client.UploadAsync("kitchen", "guides/お茶 & tea.md", new MemoryStream(Encoding.UTF8.GetBytes(Tea)));
            var steps = new List<UploadInfo>();
            await foreach (var step in client.WatchUploadAsync("kitchen", upload.Id))
                steps.Add(step);
            Assert.Equal(UploadState.Stored, steps[^1].State);
            Assert.Equal(["guides/お茶 & tea.md"], (await client.ListDocumentsAsync("kitchen")).Select(document => document.Source));

            var broken = await client.UploadAsync("kitchen", "broken.pdf", new MemoryStream("%PDF-1.4 nothing"u8.ToArray()));
            await foreach (var step in client.WatchUploadAsync("kitchen", broken.Id))
                broken = step;
            Assert.Equal(UploadState.Failed, broken.State);
            Assert.NotEmpty(broken.Problem!);
        }

        // What was acknowledged and not read yet when the process ended is read after the next start.
        var pending = Guid.CreateVersion7().ToString("N");
        folder.Write(Path.Combine("uploads", pending + ".bin"), "The red kettle belongs to the fifth floor.");
        folder.Write(Path.Combine("uploads", pending + ".json"), JsonSerializer.Serialize(new
        {
            info = new UploadInfo(pending, "kitchen", "red.txt", 42, UploadState.Reading, null, [], DateTimeOffset.UtcNow),
            caller = "anonymous",
            tenant = (string?)null,
            groups = Array.Empty<string>(),
        }, KotonohaClient.Format));
        await using (var server = await RunningServer.StartAsync(options => options with { Home = folder.Path }))
        {
            using var client = new KotonohaClient(server.Address);
            await foreach (var step in client.WatchUploadAsync("kitchen", pending))
                Assert.NotEqual(UploadState.Failed, step.State);
            Assert.Equal(2, (await client.ListDocumentsAsync("kitchen")).Count);
            var answer = await client.AskAsync("kitchen", new AskRequest("Which floor does the red kettle belong to?"));
            Assert.Contains("fifth floor", answer.Text, StringComparison.Ordinal);
            await client.DeleteDocumentAsync("kitchen", "guides/お茶 & tea.md");
            Assert.Equal(["red.txt"], (await client.ListDocumentsAsync("kitchen")).Select(document => document.Source));
            await client.DeleteCollectionAsync("kitchen");
            Assert.Empty(await client.ListCollectionsAsync());
            Assert.False(Directory.Exists(folder.At("collections", "kitchen")));
        }
    }

    [Fact]
    public async Task Tenants_see_their_own_documents_only()
    {
        string admin = "", acme = "", other = "", narrow = "";
        await using var server = await RunningServer.StartAsync(before: home =>
        {
            var keys = new KeyFile(home);
            admin = keys.Add(new ApiKey { Id = "", Hash = "", Name = "admin", IsAdministrator = true }).Secret;
            acme = keys.Add(new ApiKey { Id = "", Hash = "", Name = "acme", Tenant = "acme" }).Secret;
            other = keys.Add(new ApiKey { Id = "", Hash = "", Name = "other", Tenant = "other" }).Secret;
            narrow = keys.Add(new ApiKey { Id = "", Hash = "", Name = "narrow", Collections = ["elsewhere"] }).Secret;
        });
        using var administrator = new KotonohaClient(server.Address, admin);
        using var first = new KotonohaClient(server.Address, acme);
        using var second = new KotonohaClient(server.Address, other);
        using var third = new KotonohaClient(server.Address, narrow);
        await administrator.CreateCollectionAsync("shared");
        Assert.Equal(HttpStatusCode.Forbidden,
            (await Assert.ThrowsAsync<KotonohaServerException>(() => first.CreateCollectionAsync("mine"))).Status);
        var upload = await first.UploadAsync("shared", "tea.md", new MemoryStream(Encoding.UTF8.GetBytes(Tea)));
        await foreach (var step in first.WatchUploadAsync("shared", upload.Id))
            Assert.NotEqual(UploadState.Failed, step.State);

        Assert.Single(await first.ListDocumentsAsync("shared"));
        Assert.Empty(await second.ListDocumentsAsync("shared"));
        Assert.Empty((await second.SearchAsync("shared", new SearchRequest("kettle descaled"))).Hits);
        Assert.NotEmpty((await first.SearchAsync("shared", new SearchRequest("kettle descaled"))).Hits);
        Assert.Equal(HttpStatusCode.NotFound,
            (await Assert.ThrowsAsync<KotonohaServerException>(() => second.GetUploadAsync("shared", upload.Id))).Status);
        Assert.Equal(HttpStatusCode.NotFound,
            (await Assert.ThrowsAsync<KotonohaServerException>(() => second.DeleteDocumentAsync("shared", "tea.md"))).Status);
        Assert.Equal(HttpStatusCode.NotFound,
            (await Assert.ThrowsAsync<KotonohaServerException>(() => third.ListDocumentsAsync("shared"))).Status);
        Assert.Empty(await third.ListCollectionsAsync());

        // The other tenant cannot put a document of its own in its place.
        var theirs = await second.UploadAsync("shared", "tea.md", new MemoryStream("Nonsense about kettles."u8.ToArray()));
        await foreach (var step in second.WatchUploadAsync("shared", theirs.Id))
            theirs = step;
        Assert.Equal(UploadState.Failed, theirs.State);
        Assert.Contains("14 days", (await first.SearchAsync("shared", new SearchRequest("kettle"))).Hits[0].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../escape.md")]
    [InlineData("..%2f..%2fescape.md")]
    [InlineData("a/%2e%2e/%2e%2e/b.md")]
    [InlineData("%2fetc%2fpasswd")]
    [InlineData("C:%5Cx.md")]
    [InlineData("a%00b.md")]
    [InlineData("a%0ab.md")]
    [InlineData("file:%2f%2f%2fetc%2fpasswd")]
    public async Task A_name_that_leads_elsewhere_is_refused(string name)
    {
        await using var server = await RunningServer.StartAsync();
        using var client = new KotonohaClient(server.Address);
        await client.CreateCollectionAsync("c");
        using var request = new HttpRequestMessage(
            HttpMethod.Put, new Uri($"{server.Address}api/knowledge/collections/c/documents/{name}", new UriCreationOptions
            {
                DangerousDisablePathAndQueryCanonicalization = true,
            }))
        {
            Content = new StringContent("x"),
        };
        using var response = await server.Http.SendAsync(request);
        Assert.InRange((int)response.StatusCode, 400, 499);
        Assert.Empty(await client.ListDocumentsAsync("c"));
    }

    [Fact]
    public async Task A_document_that_is_too_large_is_refused_and_leaves_nothing()
    {
        await using var server = await RunningServer.StartAsync(options => options with { MaxUploadBytes = 2000, MaxRequestBytes = 1024 });
        using var client = new KotonohaClient(server.Address);
        await client.CreateCollectionAsync("c");
        var large = new MemoryStream(new byte[3000]);
        var refused = await Assert.ThrowsAsync<KotonohaServerException>(() => client.UploadAsync("c", "a.txt", large));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.Status);
        Assert.False(Directory.Exists(Path.Combine(server.Home, "uploads")));
        await client.UploadAsync("c", "a.txt", new MemoryStream(Encoding.UTF8.GetBytes(new string('a', 1500))));
    }

    [Theory]
    [InlineData("film.mp4")]
    [InlineData("archive.zip")]
    [InlineData("README")]
    public async Task A_file_that_no_reader_reads_is_refused_at_once(string name)
    {
        await using var server = await RunningServer.StartAsync();
        using var client = new KotonohaClient(server.Address);
        await client.CreateCollectionAsync("c");
        var refused = await Assert.ThrowsAsync<KotonohaServerException>(() => client.UploadAsync("c", name, new MemoryStream([1, 2, 3])));
        Assert.Equal((HttpStatusCode.UnsupportedMediaType, "unsupported_file_type"), (refused.Status, refused.Code));
        Assert.Contains($"'{name}'", refused.Message, StringComparison.Ordinal);
        Assert.Contains(" .docx ", refused.Message, StringComparison.Ordinal);
        using var listed = await server.Http.GetAsync("/api/knowledge/collections/c/uploads");
        Assert.Equal("[]", await listed.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task The_interface_is_described_by_OpenAPI()
    {
        await using var server = await RunningServer.StartAsync();
        var document = await server.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        var paths = document.GetProperty("paths");
        var ask = paths.GetProperty("/api/knowledge/collections/{collection}/ask").GetProperty("post");
        Assert.True(ask.GetProperty("requestBody").GetProperty("content").TryGetProperty("application/json", out _));
        var schemas = document.GetProperty("components").GetProperty("schemas");
        Assert.True(schemas.GetProperty("AnswerInfo").GetProperty("properties").TryGetProperty("citations", out _));
    }
}
