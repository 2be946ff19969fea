using System.ClientModel;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Work;
using Microsoft.Extensions.DependencyInjection;
using OpenAI.Chat;

namespace Kotonoha.Server.Tests;

/// <summary>Tokens of keys: what is counted, what is refused, what is told, what stays over a restart.</summary>
public sealed class BudgetTests
{
    [Fact]
    public async Task A_key_that_has_used_its_tokens_of_the_day_is_told_when_the_next_one_begins()
    {
        var secret = "";
        var clock = new Clock(new DateTimeOffset(2030, 5, 4, 22, 30, 0, TimeSpan.Zero));
        await using var server = await StartAsync(clock, home => secret = Key(home, perDay: 100));
        using (var first = await ChatAsync(server, secret, maxTokens: 6))
        {
            Assert.Equal(HttpStatusCode.OK, first.StatusCode);
            long used = await UsedAsync(first);
            Assert.Equal("100", Header(first, "x-ratelimit-limit-tokens"));
            Assert.Equal($"{100 - used}", Header(first, "x-ratelimit-remaining-tokens"));
            Assert.Equal("1h30m0s", Header(first, "x-ratelimit-reset-tokens"));
            Assert.Equal(used, Ledger(server).Today(Id(secret)));
        }

        for (int i = 0; Ledger(server).Today(Id(secret)) < 100; i++)
        {
            Assert.True(i < 100);
            using var next = await ChatAsync(server, secret, maxTokens: 20);
            Assert.Equal(HttpStatusCode.OK, next.StatusCode);
        }

        using (var refused = await ChatAsync(server, secret))
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
            Assert.Equal(TimeSpan.FromMinutes(90), refused.Headers.RetryAfter!.Delta);
            Assert.Equal("0", Header(refused, "x-ratelimit-remaining-tokens"));
            var error = (await refused.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error");
            Assert.Equal("insufficient_quota", error.GetProperty("code").GetString());
            Assert.Equal("insufficient_quota", error.GetProperty("type").GetString());
        }

        // OpenAI's own client says it as it says OpenAI's.
        var thrown = await Assert.ThrowsAsync<ClientResultException>(
            () => server.OpenAI(secret).GetChatClient("tiny").CompleteChatAsync(new UserChatMessage("hello")));
        Assert.Equal(429, thrown.Status);
        Assert.Contains("insufficient_quota", thrown.Message, StringComparison.Ordinal);

        clock.Now += TimeSpan.FromMinutes(91);
        using var tomorrow = await ChatAsync(server, secret);
        Assert.Equal(HttpStatusCode.OK, tomorrow.StatusCode);
    }

    [Fact]
    public async Task A_minute_has_its_own_tokens_and_requests_theirs()
    {
        var secret = "";
        var clock = new Clock(new DateTimeOffset(2030, 5, 4, 12, 0, 40, TimeSpan.Zero));
        await using var server = await StartAsync(clock, home => secret = Key(home, perMinute: 1, perDay: 100_000, requests: 50));
        using (var first = await ChatAsync(server, secret))
        {
            Assert.Equal("1", Header(first, "x-ratelimit-limit-tokens"));
            Assert.Equal("50", Header(first, "x-ratelimit-limit-requests"));
            Assert.Equal("49", Header(first, "x-ratelimit-remaining-requests"));
            Assert.Equal("1m0s", Header(first, "x-ratelimit-reset-requests"));
        }

        using (var refused = await ChatAsync(server, secret))
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
            Assert.Equal(TimeSpan.FromSeconds(20), refused.Headers.RetryAfter!.Delta);
            Assert.Equal("20s", Header(refused, "x-ratelimit-reset-tokens"));
            Assert.Equal("rate_limit_exceeded", (await refused.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error")
                .GetProperty("code").GetString());
        }

        // What costs no tokens goes on.
        using (var list = await SendAsync(server, secret, new HttpRequestMessage(HttpMethod.Get, "/v1/models")))
            Assert.Equal(HttpStatusCode.OK, list.StatusCode);
        clock.Now += TimeSpan.FromSeconds(21);
        using var next = await ChatAsync(server, secret);
        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
    }

    [Fact]
    public async Task All_interfaces_count_what_they_tell_the_caller()
    {
        await using var server = await StartAsync(new Clock(DateTimeOffset.UnixEpoch), _ => { });
        var ledger = Ledger(server);
        long before = 0;
        foreach (var (path, body) in new (string, object)[]
        {
            ("/v1/chat/completions", new { model = "tiny", messages = Hello, max_tokens = 5, n = 3, seed = 1 }),
            ("/v1/completions", new { model = "tiny", prompt = new[] { "one", "two words" }, max_tokens = 5, n = 2, seed = 1 }),
            ("/v1/embeddings", new { model = "tiny", input = new[] { "one", "two words" } }),
            ("/v1/responses", new { model = "tiny", input = "hello", max_output_tokens = 5 }),
            ("/api/chat", new { model = "tiny", messages = Hello, stream = false, options = new { num_predict = 5 } }),
            ("/api/embed", new { model = "tiny", input = "hello" }),
        })
        {
            using var answer = await server.Http.PostAsJsonAsync(path, body);
            var told = await answer.Content.ReadFromJsonAsync<JsonElement>();
            long expected = told.TryGetProperty("usage", out var usage)
                ? usage.GetProperty("total_tokens").GetInt64()
                : told.GetProperty("prompt_eval_count").GetInt64()
                    + (told.TryGetProperty("eval_count", out var written) ? written.GetInt64() : 0);
            Assert.True(expected > 0, path);
            await UntilAsync(() => ledger.Today("anonymous") > before);
            Assert.Equal((path, expected), (path, ledger.Today("anonymous") - before));
            before += expected;
        }

        using (await server.Http.PostAsJsonAsync("/api/knowledge/collections/handbook/ask", new { question = "How high is the tower?" }))
            Assert.Equal(before, ledger.Today("anonymous"));
        using (await server.Http.PostAsJsonAsync(
            "/api/knowledge/collections/handbook/ask", new { question = "How high is the tower of the lighthouse?", model = "tiny" }))
            await UntilAsync(() => ledger.Today("anonymous") > before);
    }

    [Fact]
    public async Task Who_leaves_before_the_end_has_used_what_was_written_until_then()
    {
        const int LongAnswer = 16_000;
        await using var server = await StartAsync(
            new Clock(DateTimeOffset.UnixEpoch), _ => { }, contextLength: LongAnswer + 384);

        // A client that is polite reads on for a while.
        using var http = new HttpClient(new SocketsHttpHandler { MaxResponseDrainSize = 0 }) { BaseAddress = server.Address };
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = JsonContent.Create(new
            {
                model = "tiny",
                messages = Hello,
                max_tokens = LongAnswer,
                n = 8,
                stream = true,
                logit_bias = new[] { "<|endoftext|>", "<|end|>" }.ToDictionary(end => $"{TinyGpt.Tokenizer.TokenToId(end)}", _ => -100),
            }),
        };
        using (var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            for (int i = 0; i < 60; i++)
                Assert.NotNull(await reader.ReadLineAsync());
        }

        await UntilAsync(() => Ledger(server).Today("anonymous") > 4);
        Assert.InRange(Ledger(server).Rows.Single().CompletionTokens, 4, (8 * LongAnswer) - 1);
        Assert.True(Ledger(server).Rows.Single().PromptTokens > 0);
    }

    [Fact]
    public async Task What_was_used_is_known_after_a_restart_and_a_broken_file_is_not_taken_for_nothing()
    {
        using var folder = new TemporaryFolder();
        var clock = new Clock(DateTimeOffset.UnixEpoch);
        await using (var server = await StartAsync(clock, home => { }, folder.Path))
        using (await ChatAsync(server, null))
            Assert.True(Ledger(server).Today("anonymous") > 0);
        await using (var server = await StartAsync(clock, home => { }, folder.Path))
        {
            Assert.True(Ledger(server).Today("anonymous") > 0);
            Assert.Equal(Ledger(server).Today("anonymous"), Ledger(server).ThisMinute("anonymous"));
            Assert.Equal(1, Ledger(server).Rows.Single().Requests);
            clock.Now += TimeSpan.FromDays(1);
            Assert.Equal(0, Ledger(server).Today("anonymous"));
        }

        File.WriteAllText(folder.At("usage.json"), "{\"days\": [");
        var error = await Assert.ThrowsAsync<Foundation.KotonohaException>(() => StartAsync(clock, home => { }, folder.Path));
        Assert.Contains("usage.json", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokens-per-day", "-1")]
    [InlineData("tokens-per-minute", "some")]
    public void A_limit_that_is_none_is_refused_by_its_name(string name, string value)
        => Assert.Equal(name, Assert.Throws<ServerSettingException>(
            () => ServerSettings.Set(new ServerOptions { Home = "home" }, name, value).Validate()).Setting);

    private static readonly object[] Hello = [new { role = "user", content = "hello" }];

    private static Task<RunningServer> StartAsync(Clock clock, Action<string> before, string? home = null, int contextLength = 1024)
        => RunningServer.StartAsync(
            options => home is null ? options : options with { Home = home }, withHandbook: true, before,
            builder => builder.Services.AddSingleton<TimeProvider>(clock), contextLength: contextLength);

    private static string Key(string home, long? perMinute = null, long? perDay = null, int? requests = null)
        => new KeyFile(home).Add(new ApiKey
        {
            Id = "",
            Hash = "",
            Name = "one",
            TokensPerMinute = perMinute,
            TokensPerDay = perDay,
            RequestsPerMinute = requests,
        }).Secret;

    private static string Id(string secret) => secret.Split('_')[1];

    private static UsageLedger Ledger(RunningServer server) => server.App.Services.GetRequiredService<UsageLedger>();

    private static string Header(HttpResponseMessage response, string name) => response.Headers.GetValues(name).Single();

    private static async Task<long> UsedAsync(HttpResponseMessage response)
        => (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("usage").GetProperty("total_tokens").GetInt64();

    private static Task<HttpResponseMessage> ChatAsync(RunningServer server, string? secret, int maxTokens = 2)
        => SendAsync(server, secret, new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = JsonContent.Create(new { model = "tiny", messages = Hello, max_tokens = maxTokens }),
        });

    private static Task<HttpResponseMessage> SendAsync(RunningServer server, string? secret, HttpRequestMessage request)
    {
        if (secret is not null)
            request.Headers.TryAddWithoutValidation("Authorization", string.Create(CultureInfo.InvariantCulture, $"Bearer {secret}"));
        return server.Http.SendAsync(request);
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (int i = 0; i < 2000 && !holds(); i++)
            await Task.Delay(10);
        Assert.True(holds());
    }

    private sealed class Clock(DateTimeOffset now) : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = now;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
