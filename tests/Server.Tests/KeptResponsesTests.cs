using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Kotonoha.Server.Keys;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;

namespace Kotonoha.Server.Tests;

/// <summary>Responses that a caller asked to store stay over a restart, within limits, for that caller alone, and encrypted.</summary>
public sealed class KeptResponsesTests : IDisposable
{
    private const string Word = "zanzibarquux";

    private readonly TemporaryFolder _folder = new();
    private readonly Clock _clock = new();

    private string Home => _folder.At("home");

    private string FilePath => Path.Combine(Home, "responses.db");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_stored_response_is_read_gone_on_with_and_deleted_after_a_restart()
    {
        JsonElement kept, passing, unsaid;
        string? continuation;
        object[] conversation =
        [
            new { role = "user", content = Word },
            new { type = "function_call", call_id = "c1", name = "count", arguments = """{"to": 3, "deep": [[{"a": null}]]}""" },
            new { type = "function_call_output", call_id = "c1", output = "1 2 3" },
            new { role = "user", content = "と" },
        ];
        await using (var server = await StartAsync())
        {
            kept = await CreateAsync(server, new { input = conversation, store = true, max_output_tokens = 6 });
            passing = await CreateAsync(server, new { input = Word, store = false, max_output_tokens = 2 });
            unsaid = await CreateAsync(server, new { input = Word, max_output_tokens = 2 });
            continuation = TextOf(await ContinueAsync(server, kept));
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, HttpMethod.Get, unsaid));
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, HttpMethod.Get, passing));
        }

        foreach (var file in Directory.EnumerateFiles(Home, "*", SearchOption.AllDirectories))
            Assert.False(Encoding.UTF8.GetString(await File.ReadAllBytesAsync(file)).Contains(Word, StringComparison.Ordinal), file);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
        await using (var server = await StartAsync())
        {
            Assert.True(JsonElement.DeepEquals(
                kept, await server.Http.GetFromJsonAsync<JsonElement>($"/v1/responses/{IdOf(kept)}")));
            Assert.Equal(continuation, TextOf(await ContinueAsync(server, kept)));
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, HttpMethod.Get, unsaid));
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, HttpMethod.Get, passing));
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, HttpMethod.Delete, kept));
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, HttpMethod.Delete, kept));
        }

        await using (var server = await StartAsync())
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, HttpMethod.Get, kept));
    }

    [Fact]
    public async Task A_streamed_response_can_be_gone_on_with_as_soon_as_its_last_event_is_there()
    {
        await using var server = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/responses")
        {
            Content = JsonContent.Create(new { model = "tiny", input = "hello", store = true, stream = true, max_output_tokens = 4 }),
        };
        using var answer = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() is { } line)
            if (line.StartsWith("data: {\"type\":\"response.incomplete\"", StringComparison.Ordinal))
            {
                var last = JsonElement.Parse(line["data: ".Length..]).GetProperty("response");
                Assert.True(JsonElement.DeepEquals(
                    last, await server.Http.GetFromJsonAsync<JsonElement>($"/v1/responses/{IdOf(last)}")));
                return;
            }

        Assert.Fail("There was no last event.");
    }

    [Fact]
    public async Task Another_keys_response_is_not_there_before_and_after_a_restart()
    {
        var keys = new KeyFile(Home);
        var one = keys.Add(new ApiKey { Id = "", Hash = "", Name = "one" }).Secret;
        var two = keys.Add(new ApiKey { Id = "", Hash = "", Name = "two" }).Secret;
        JsonElement first, second;
        await using (var server = await StartAsync())
        {
            first = await CreateAsync(server, new { input = "a", store = true, max_output_tokens = 2 }, one);
            second = await CreateAsync(server, new { input = "b", store = true, max_output_tokens = 2 }, two);
            await CheckAsync(server);
        }

        await using (var server = await StartAsync())
            await CheckAsync(server);

        // Not either where somebody writes it to the other's name.
        await using (var file = new SqliteConnection($"Data Source={FilePath};Pooling=False"))
        {
            await file.OpenAsync();
            using var command = file.CreateCommand();
            command.CommandText = "UPDATE responses SET caller = (SELECT caller FROM responses WHERE id = $two) WHERE id = $one";
            command.Parameters.AddWithValue("$one", IdOf(first));
            command.Parameters.AddWithValue("$two", IdOf(second));
            Assert.Equal(1, await command.ExecuteNonQueryAsync());
        }

        await using (var server = await StartAsync())
        {
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, HttpMethod.Get, first, two));
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, HttpMethod.Get, second, two));
        }

        async Task CheckAsync(RunningServer server)
        {
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, HttpMethod.Get, first, two));
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, HttpMethod.Delete, first, two));
            using var further = await SendAsync(server, HttpMethod.Post, "/v1/responses",
                new { model = "tiny", input = "c", previous_response_id = IdOf(first) }, two);
            Assert.Equal(HttpStatusCode.NotFound, further.StatusCode);
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, HttpMethod.Get, first, one));
        }
    }

    [Fact]
    public async Task The_oldest_leave_beyond_the_count_the_bytes_and_the_days()
    {
        List<JsonElement> all = [];
        await using (var server = await StartAsync(options => options with { ResponsesKept = 2, ResponsesDays = 10 }))
        {
            await AddAsync(server, "x");
            await AddAsync(server, "x");
            await AddAsync(server, "x");
            await ExpectAsync(server, false, true, true);
            _clock.Days = 9;
            await AddAsync(server, "x");
            await ExpectAsync(server, false, false, true, true);
            _clock.Days = 10;
            await ExpectAsync(server, false, false, false, true);
        }

        // A response stays that is larger than all may be together.
        await using (var server = await StartAsync())
        {
            await AddAsync(server, "x");
            await ExpectAsync(server, false, false, true, true, true);
        }

        await using (var server = await StartAsync(options => options with { ResponsesBytes = 1024 }))
        {
            await ExpectAsync(server, false, false, false, false, true);
            await AddAsync(server, new string('x', 900));
            await ExpectAsync(server, false, false, false, false, false, true);
        }

        // None is kept; what is asked to be stored can be gone on with until the server stops.
        await using (var server = await StartAsync(options => options with { ResponsesKept = 0 }))
        {
            await AddAsync(server, "x");
            await ExpectAsync(server, false, false, false, false, false, false, true);
        }

        await using (var server = await StartAsync())
            await ExpectAsync(server, false, false, false, false, false, false, false);

        async Task AddAsync(RunningServer server, string input)
            => all.Add(await CreateAsync(server, new { input, store = true, max_output_tokens = 2 }));

        async Task ExpectAsync(RunningServer server, params bool[] isThere)
            => Assert.Equal(isThere, await Task.WhenAll(all.Select(
                async response => await StatusAsync(server, HttpMethod.Get, response) == HttpStatusCode.OK)));
    }

    [Fact]
    public async Task A_file_that_is_none_keeps_the_server_from_starting_and_stays_as_it_is()
    {
        Directory.CreateDirectory(Home);
        await File.WriteAllTextAsync(FilePath, new string('x', 5000));
        var error = await Assert.ThrowsAsync<Foundation.KotonohaException>(() => StartAsync());
        Assert.Contains(FilePath, error.Message, StringComparison.Ordinal);
        Assert.Equal(new string('x', 5000), await File.ReadAllTextAsync(FilePath));
    }

    [Theory]
    [InlineData("responses-kept", "-1")]
    [InlineData("responses-bytes", "1")]
    [InlineData("responses-days", "0")]
    [InlineData("responses-days", "99999999")]
    public void Limits_that_cannot_be_used_are_refused_by_name(string name, string value)
        => Assert.Equal(name, Assert.Throws<ServerSettingException>(
            () => ServerSettings.Set(new ServerOptions { Home = _folder.Path }, name, value).Validate()).Setting);

    private Task<RunningServer> StartAsync(Func<ServerOptions, ServerOptions>? change = null) => RunningServer.StartAsync(
        options => (change?.Invoke(options) ?? options) with { Home = Home },
        services: builder => builder.Services.AddSingleton<TimeProvider>(_clock));

    private static string IdOf(JsonElement response) => response.GetProperty("id").GetString()!;

    private static string? TextOf(JsonElement response)
        => response.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString();

    private static Task<JsonElement> ContinueAsync(RunningServer server, JsonElement response)
        => CreateAsync(server, new { input = "and then", store = false, previous_response_id = IdOf(response), max_output_tokens = 8 });

    private static async Task<JsonElement> CreateAsync(RunningServer server, object body, string? key = null)
    {
        using var response = await SendAsync(server, HttpMethod.Post, "/v1/responses", body, key);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    private static async Task<HttpStatusCode> StatusAsync(
        RunningServer server, HttpMethod method, JsonElement response, string? key = null)
    {
        using var answer = await SendAsync(server, method, $"/v1/responses/{IdOf(response)}", null, key);
        return answer.StatusCode;
    }

    private static async Task<HttpResponseMessage> SendAsync(
        RunningServer server, HttpMethod method, string path, object? body, string? key)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        return await server.Http.SendAsync(request);
    }

    private sealed class Clock : TimeProvider
    {
        private static readonly DateTimeOffset Start = DateTimeOffset.Parse("2030-01-01T00:00:00Z", CultureInfo.InvariantCulture);

        public int Days { get; set; }

        public override DateTimeOffset GetUtcNow() => Start.AddDays(Days);
    }
}
