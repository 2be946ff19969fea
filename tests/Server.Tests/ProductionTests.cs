using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;
using Microsoft.Extensions.DependencyInjection;

namespace Kotonoha.Server.Tests;

/// <summary>Keys, limits, many users, stops: each against a server of its own.</summary>
public sealed class ProductionTests
{
    private static readonly object[] Hello = [new { role = "user", content = "hello" }];

    // Eight answers that no machine writes within the limits of these tests.
    private const int LongContext = 16_384, LongAnswer = 16_000;

    [Fact]
    public async Task Keys_say_who_may_use_what_and_how_often()
    {
        string all = "", narrow = "", gone = "";
        await using var server = await RunningServer.StartAsync(before: home =>
        {
            var keys = new KeyFile(home);
            all = keys.Add(new ApiKey { Id = "", Hash = "", Name = "all", IsAdministrator = true }).Secret;
            narrow = keys.Add(new ApiKey { Id = "", Hash = "", Name = "narrow", Models = ["other"], RequestsPerMinute = 3 }).Secret;
            gone = keys.Add(new ApiKey { Id = "", Hash = "", Name = "gone", Expires = DateTimeOffset.UtcNow.AddDays(-1) }).Secret;
        });
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, "/v1/models", null));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, "/v1/models", "wrong"));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, "/v1/models", all[..^1] + (all[^1] == '0' ? '1' : '0')));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, "/v1/models", gone));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/v1/models", all));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/metrics", all));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/health/live", null));

        // A model of others is not there, neither in lists nor to be asked.
        using (var listed = await SendAsync(server, "/v1/models", narrow))
            Assert.Empty((await listed.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("data").EnumerateArray());
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, "/v1/models/tiny", narrow));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(server, "/metrics", narrow));

        // Looking uses nothing of the rate up; what is to be computed does.
        foreach (var path in new[] { "/v1/models", "/api/tags", "/api/ps", "/api/version", "/health/ready", "/v1/models" })
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, path, narrow));
        for (int i = 0; i < 3; i++)
            using (var asked = await AskAsync())
                Assert.Equal(HttpStatusCode.NotFound, asked.StatusCode);
        using (var limited = await AskAsync())
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, limited.StatusCode);
            Assert.True(limited.Headers.RetryAfter!.Delta > TimeSpan.Zero);
        }

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/v1/models", narrow));

        // A key that is removed ends within a second, and the last one's end does not open the server.
        var file = new KeyFile(server.Home);
        foreach (var key in file.Keys)
            file.Remove(key.Id);
        await Task.Delay(1100);
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, "/v1/models", all));

        async Task<HttpResponseMessage> AskAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
            {
                Content = JsonContent.Create(new { model = "tiny", messages = Hello }),
            };
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {narrow}");
            return await server.Http.SendAsync(request);
        }
    }

    [Fact]
    public void The_file_of_keys_holds_no_key_and_only_its_owner_reads_it()
    {
        using var folder = new TemporaryFolder();
        var secret = new KeyFile(folder.Path).Add(new ApiKey { Id = "", Hash = "", Name = "one" }).Secret;
        var path = folder.At("keys.json");
        Assert.DoesNotContain(secret.Split('_')[2], File.ReadAllText(path), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal("one", new KeyFile(folder.Path).Find(secret)!.Name);
    }

    [Fact]
    public async Task A_full_queue_says_when_to_come_back_and_who_leaves_makes_room()
    {
        await using var server = await RunningServer.StartAsync(
            options => options with { MaxRunning = 1, MaxWaitingPerKey = 0 }, contextLength: LongContext);
        var queue = server.App.Services.GetRequiredService<FairQueue>();
        using var leaving = new CancellationTokenSource();
        var running = server.Http.PostAsJsonAsync("/v1/chat/completions",
            new { model = "tiny", messages = Hello, max_tokens = LongAnswer, n = 8, logit_bias = NoEnd() }, leaving.Token);
        await UntilAsync(() => queue.Running == 1);
        using (var refused = await server.Http.PostAsJsonAsync("/v1/chat/completions", new { model = "tiny", messages = Hello }))
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
            Assert.True(refused.Headers.RetryAfter!.Delta > TimeSpan.Zero);
            var error = (await refused.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error");
            Assert.Equal("queue_full", error.GetProperty("code").GetString());
            Assert.StartsWith(
                "No place is free ('max-running' is 1), and 0 requests of this caller wait, as many as may ('max-waiting-per-key')",
                error.GetProperty("message").GetString(), StringComparison.Ordinal);
        }

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await UntilAsync(() => queue.Running == 0);
        using var next = await server.Http.PostAsJsonAsync(
            "/v1/chat/completions", new { model = "tiny", messages = Hello, max_tokens = 2 });
        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
    }

    [Theory]
    [InlineData(null, null, true)]
    [InlineData(null, 0f, false)]
    [InlineData("""{"do_sample": false}""", null, false)]
    [InlineData("""{"do_sample": true, "top_k": 1}""", null, false)]
    [InlineData("""{"do_sample": true, "temperature": 1.5}""", 0f, true)]
    public async Task Without_a_temperature_tokens_are_drawn_unless_the_model_or_the_server_says_otherwise(
        string? generationConfig, float? setting, bool draws)
    {
        await using var server = await RunningServer.StartAsync(options => options with { Temperature = setting }, before: home =>
        {
            if (generationConfig is not null)
                File.WriteAllText(Path.Combine(CheckpointFolder.Resolve(Path.Combine(Path.GetDirectoryName(home)!, "tiny")),
                    GenerationSettings.FileName), generationConfig);
        });
        foreach (var (path, body, text) in new (string, JsonObject, Func<JsonElement, string?>)[]
        {
            ("/v1/chat/completions", new JsonObject { ["max_tokens"] = 16 },
                answer => answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()),
            ("/v1/completions", new JsonObject { ["prompt"] = "the" },
                answer => answer.GetProperty("choices")[0].GetProperty("text").GetString()),
            ("/v1/responses", new JsonObject { ["input"] = "the", ["max_output_tokens"] = 16 },
                answer => answer.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString()),
            ("/api/chat", new JsonObject { ["stream"] = false, ["options"] = new JsonObject { ["num_predict"] = 16 } },
                answer => answer.GetProperty("message").GetProperty("content").GetString()),
            ("/api/generate",
                new JsonObject { ["prompt"] = "the", ["stream"] = false, ["options"] = new JsonObject { ["num_predict"] = 16 } },
                answer => answer.GetProperty("response").GetString()),
        })
        {
            if (path.EndsWith("/completions", StringComparison.Ordinal) || path == "/api/chat")
                body["messages"] = JsonSerializer.SerializeToNode(Hello);
            Assert.Equal(draws, await SayAsync(body) != await SayAsync(body));

            // A request that says how is kept to, and a seed gives the same again.
            var settings = path.StartsWith("/api", StringComparison.Ordinal) ? body["options"]!.AsObject() : body;
            settings["seed"] = 3;
            Assert.Equal(await SayAsync(body), await SayAsync(body));
            settings.Remove("seed");
            settings["temperature"] = 0;
            Assert.Equal(await SayAsync(body), await SayAsync(body));

            async Task<string?> SayAsync(JsonObject asked)
            {
                asked["model"] = RunningServer.Model;
                using var response = await server.Http.PostAsJsonAsync(path, asked);
                response.EnsureSuccessStatusCode();
                return text(await response.Content.ReadFromJsonAsync<JsonElement>());
            }
        }
    }

    [Fact]
    public async Task Long_streams_run_side_by_side_in_a_cache_of_one_context_and_what_waits_for_room_is_told()
    {
        const int Streams = 4;
        await using var server = await RunningServer.StartAsync(
            options => ServerSettings.Set(options with { ContextLength = LongContext }, "cache-memory", "1K"), contextLength: LongContext);
        var answers = new List<(HttpResponseMessage Response, StreamReader Reader)>();
        for (int i = 0; i < Streams; i++)
            answers.Add(await BeginAsync("hello"));
        // All have begun; as they grow, the youngest have to pause.
        var load = server.App.Services.GetRequiredService<Workload>();
        await UntilAsync(() => load.Waiting > 0);
        Assert.True((await server.Http.GetFromJsonAsync<JsonElement>("/health/ready")).GetProperty("waiting").GetInt32() > 0);
        Assert.Matches(@"(?m)^kotonoha_requests_waiting\S* [1-9]", await server.Http.GetStringAsync("/metrics"));
        foreach (var (response, reader) in answers)
        {
            reader.Dispose();
            response.Dispose();
        }

        // Comes back when the first piece of the answer is there.
        async Task<(HttpResponseMessage, StreamReader)> BeginAsync(string content)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
            {
                Content = JsonContent.Create(new
                {
                    model = RunningServer.Model,
                    messages = new[] { new { role = "user", content } },
                    max_tokens = LongAnswer,
                    logit_bias = NoEnd(),
                    stream = true,
                }),
            };
            var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            response.EnsureSuccessStatusCode();
            var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            Assert.StartsWith("data: {", await reader.ReadLineAsync(), StringComparison.Ordinal);
            return (response, reader);
        }
    }

    [Fact]
    public async Task A_request_that_takes_too_long_ends_with_its_reason_also_in_a_stream()
    {
        await using var server = await RunningServer.StartAsync(
            options => options with { Deadline = TimeSpan.FromMilliseconds(400) }, contextLength: LongContext);

        // The model is loaded first, which a deadline does not cut.
        using (await server.Http.PostAsJsonAsync("/v1/chat/completions", new { model = "tiny", messages = Hello, max_tokens = 1 }))
            await UntilAsync(() => server.App.Services.GetRequiredService<ModelPool>().Loaded.Count == 1);
        var body = new { model = "tiny", messages = Hello, max_tokens = LongAnswer, n = 8, logit_bias = NoEnd(), seed = 1 };
        using (var late = await server.Http.PostAsJsonAsync("/v1/chat/completions", body))
            Assert.Equal("deadline_exceeded", late.IsSuccessStatusCode
                ? "it was faster than the deadline"
                : (await late.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error").GetProperty("code").GetString());
        using var streamed = await server.Http.PostAsJsonAsync(
            "/v1/chat/completions", new { body.model, body.messages, body.max_tokens, body.n, body.logit_bias, body.seed, stream = true });
        var text = await streamed.Content.ReadAsStringAsync();
        Assert.Contains("deadline_exceeded", text, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_stops_cuts_answers_only_after_its_grace_and_says_so()
    {
        var server = await RunningServer.StartAsync(
            options => options with { ShutdownTime = TimeSpan.FromMilliseconds(300) }, contextLength: LongContext);
        using var response = await server.Http.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
            {
                Content = JsonContent.Create(new
                {
                    model = "tiny",
                    messages = Hello,
                    max_tokens = LongAnswer,
                    n = 8,
                    seed = 1,
                    stream = true,
                    logit_bias = NoEnd(),
                }),
            },
            HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var reading = response.Content.ReadAsStringAsync();
        await server.App.StopAsync();
        Assert.Contains("server_stopping", await reading, StringComparison.Ordinal);
        await server.DisposeAsync();
    }

    [Fact]
    public async Task Models_take_turns_within_the_memory_that_there_is_and_leave_when_idle()
    {
        using var folder = new TemporaryFolder();
        var (first, second) = (folder.At("one"), folder.At("two"));
        SavedModel.Save(first, seed: 1);
        SavedModel.Save(second, seed: 2);
        long bytes = Directory.EnumerateFiles(first, "*.safetensors", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length);
        await using var server = await RunningServer.StartAsync(options => options with
        {
            Models = new Dictionary<string, string> { ["one"] = first, ["two"] = second },
            ModelMemoryBytes = bytes + (bytes / 2),
            ModelIdleTime = TimeSpan.FromMilliseconds(600),
        });
        var pool = server.App.Services.GetRequiredService<ModelPool>();
        foreach (var model in new[] { "one", "two", "one" })
        {
            using var answer = await server.Http.PostAsJsonAsync("/v1/chat/completions", new { model, messages = Hello, max_tokens = 1 });
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal([model], pool.Loaded.Select(loaded => loaded.Name));
        }

        // While one is used, there is no room for the other.
        using (await pool.TakeAsync("one", default))
        {
            using var busy = await server.Http.PostAsJsonAsync("/v1/chat/completions", new { model = "two", messages = Hello });
            Assert.Equal(HttpStatusCode.ServiceUnavailable, busy.StatusCode);
            Assert.NotNull(busy.Headers.RetryAfter);
        }

        await UntilAsync(() => pool.Loaded.Count == 0);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(server, "/health/loaded", null));
    }

    [Fact]
    public async Task Metrics_are_there_by_the_conventions_for_generative_models()
    {
        await using var server = await RunningServer.StartAsync();
        using (await server.Http.PostAsJsonAsync("/v1/chat/completions", new { model = "tiny", messages = Hello, max_tokens = 4 }))
        {
            // Only its traces matter.
        }

        var text = await server.Http.GetStringAsync("/metrics");
        foreach (var name in new[]
        {
            "gen_ai_server_request_duration_seconds_count", "gen_ai_server_time_to_first_token_seconds_bucket",
            "gen_ai_client_token_usage", "gen_ai_client_operation_duration_seconds_count", "kotonoha_requests_running",
            "http_server_request_duration_seconds_count",
        })
            Assert.Contains(name, text, StringComparison.Ordinal);
        Assert.Contains("gen_ai_request_model=\"tiny\"", text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/health/ready", null));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/health/loaded", null));
    }

    [Theory]
    [InlineData("Host", "evil.example", 403)]
    [InlineData("Host", "localhost", 200)]
    [InlineData("Origin", "http://evil.example", 403)]
    [InlineData("Origin", "null", 403)]
    [InlineData("Origin", "http://localhost:3000", 200)]
    public async Task Pages_of_strangers_cannot_call_the_server(string header, string value, int status)
    {
        await using var server = await RunningServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
        request.Headers.TryAddWithoutValidation(header, value);
        using var response = await server.Http.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_refused_before_it_is_read()
    {
        await using var server = await RunningServer.StartAsync(options => options with { MaxRequestBytes = 2048 });
        using var response = await server.Http.PostAsync("/v1/chat/completions",
            new StringContent(new string(' ', 5000), Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal("request_too_large", (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error")
            .GetProperty("code").GetString());
    }

    [Fact]
    public void An_address_that_others_reach_is_not_served_without_keys()
    {
        using var folder = new TemporaryFolder();
        var options = new ServerOptions { Home = folder.Path, Url = new Uri("http://0.0.0.0:0") };
        Assert.Equal("url", Assert.Throws<ServerSettingException>(() => KotonohaServer.Build(options)).Setting);
    }

    [Theory]
    [InlineData("""{"max-runing": 4}""", "max-runing")]
    [InlineData("""{"max-running": "many"}""", "max-running")]
    [InlineData("""{"max-running": 0}""", "max-running")]
    [InlineData("""{"url": "ftp://x"}""", "url")]
    [InlineData("""{"models": ["x"]}""", "models")]
    [InlineData("""["x"]""", "config")]
    public void A_setting_that_cannot_be_used_is_refused_by_its_name(string file, string name)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("server.json", file);
        var error = Assert.Throws<ServerSettingException>(
            () => ServerSettings.ReadFile(new ServerOptions { Home = folder.Path }, path).Validate());
        Assert.Equal(name, error.Setting);
    }

    [Fact]
    public void Settings_come_from_the_file_and_the_environment_before_it()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("a-model"));
        var path = folder.Write(
            "server.json", """{"max-running": 3, "model-memory": "2G", "models": {"a": "a-model", "b": "OWNER/NAME"}}""");
        var options = ServerSettings.ReadFile(new ServerOptions { Home = folder.Path }, path);
        options = ServerSettings.ReadEnvironment(options, [new("KOTONOHA_SERVER_MAX_RUNNING", "5"), new("PATH", "x")]);
        Assert.Equal(5, options.MaxRunning);
        Assert.Equal(2L << 30, options.ModelMemoryBytes);
        Assert.Equal(folder.At("a-model"), options.Models["a"]);
        Assert.Equal("OWNER/NAME", options.Models["b"]);
        Assert.Equal("nothing", Assert.Throws<ServerSettingException>(
            () => ServerSettings.ReadEnvironment(options, [new("KOTONOHA_SERVER_NOTHING", "5")])).Setting);
    }

    // A random model may choose its end at any time.
    private static Dictionary<string, int> NoEnd()
        => new[] { "<|endoftext|>", "<|end|>" }.ToDictionary(token => $"{TinyGpt.Tokenizer.TokenToId(token)}", _ => -100);

    private static async Task<HttpStatusCode> StatusAsync(RunningServer server, string path, string? key)
    {
        using var response = await SendAsync(server, path, key);
        return response.StatusCode;
    }

    private static Task<HttpResponseMessage> SendAsync(RunningServer server, string path, string? key)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        return server.Http.SendAsync(request);
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (int i = 0; i < 2000 && !holds(); i++)
            await Task.Delay(10);
        Assert.True(holds());
    }
}
