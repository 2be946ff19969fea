using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Work;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Tests;

/// <summary>Prompts and answers are kept only when asked, encrypted, without personal data, and nowhere else; what tokens cost.</summary>
public sealed class PromptLogTests : IDisposable
{
    private const string Word = "zanzibarquux";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Words_of_prompts_are_in_no_log_no_trace_no_metric_and_no_file(bool isKept)
    {
        var told = new ConcurrentQueue<string>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity => told.Enqueue(string.Join(' ', [
                activity.DisplayName, .. activity.TagObjects.Select(tag => $"{tag.Value}"),
                .. activity.Events.SelectMany(entry => entry.Tags.Select(tag => $"{tag.Value}"))])),
        };
        ActivitySource.AddActivityListener(listener);
        var home = _folder.At("home");
        using var log = new RecordingLogger();
        await using (var server = await RunningServer.StartAsync(
            options => options with
            {
                Home = home,
                AuditLog = _folder.At("audit.log"),
                PromptLog = isKept ? _folder.At("prompts") : null,
            },
            services: builder =>
            {
                builder.Logging.SetMinimumLevel(LogLevel.Trace).AddFilter("Kotonoha", LogLevel.Trace);
                builder.Services.AddSingleton<ILoggerProvider>(log);
            }))
        {
            await AskAllAsync(server);
            Assert.DoesNotContain(Word, await server.Http.GetStringAsync("/metrics"), StringComparison.Ordinal);
        }

        string[] all = [.. told, .. log.Lines];
        Assert.Contains(all, line => line.Contains("tiny", StringComparison.Ordinal));
        Assert.DoesNotContain(all, line => line.Contains(Word, StringComparison.Ordinal));
        foreach (var file in Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories))
            Assert.False(Encoding.UTF8.GetString(await File.ReadAllBytesAsync(file)).Contains(Word, StringComparison.Ordinal), file);
        Assert.Equal(isKept, Directory.Exists(_folder.At("prompts")));
        Assert.Equal(isKept, Directory.Exists(Path.Combine(home, "prompt-keys")));
        if (!isKept)
            return;
        var kept = PromptLog.Read(_folder.At("prompts"), home).ToList();
        Assert.Equal(6, kept.Count(record => record.Prompt.Contains(Word, StringComparison.Ordinal)));
        Assert.All(kept, record => Assert.Equal("tiny", record.Model));
        Assert.All(kept, record => Assert.DoesNotContain("ann@example.com", record.Prompt, StringComparison.Ordinal));
        Assert.Contains(kept, record => record.Answer.Length > 0);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
                File.GetUnixFileMode(Path.Combine(home, "prompt-keys")));
    }

    [Fact]
    public async Task What_is_kept_is_read_by_key_and_time_and_not_without_its_keys()
    {
        string one = "", two = "";
        var home = _folder.At("home");
        await using (var server = await RunningServer.StartAsync(
            options => options with { Home = home, PromptLog = _folder.At("prompts"), PromptLogBytes = 1024 }, before: _ =>
            {
                var keys = new KeyFile(home);
                one = keys.Add(new ApiKey { Id = "", Hash = "", Name = "one" }).Secret;
                two = keys.Add(new ApiKey { Id = "", Hash = "", Name = "two" }).Secret;
            }))
            foreach (var key in new[] { one, two, one })
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
                {
                    Content = JsonContent.Create(new { model = "tiny", prompt = $"{Word} {new string('x', 300)}", max_tokens = 2 }),
                };
                request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
                using var response = await server.Http.SendAsync(request);
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            }

        var folder = _folder.At("prompts");
        Assert.Equal(3, Directory.GetFiles(folder).Length);
        Assert.Equal(["one", "two", "one"], PromptLog.Read(folder, home).Select(record => record.Name));
        Assert.Equal(2, PromptLog.Read(folder, home, caller: "one").Count());
        Assert.Single(PromptLog.Read(folder, home, caller: two.Split('_')[1]));
        Assert.Empty(PromptLog.Read(folder, home, since: DateTimeOffset.UtcNow.AddMinutes(1)));
        var path = Directory.GetFiles(folder).Order(StringComparer.Ordinal).First();
        var line = (await File.ReadAllTextAsync(path)).Trim();
        await File.WriteAllTextAsync(path, $"{line[..40]}{(line[40] == 'A' ? 'B' : 'A')}{line[41..]}\n{line}\n");
        Assert.Contains("line 1", Assert.Throws<Foundation.KotonohaException>(() => PromptLog.Read(folder, home).ToList()).Message,
            StringComparison.Ordinal);
        await File.WriteAllTextAsync(path, $"{line}\n{line}\n");
        Assert.Throws<Foundation.KotonohaException>(() => PromptLog.Read(folder, _folder.At("elsewhere")).ToList());
    }

    [Fact]
    public async Task Files_whose_days_are_over_are_deleted()
    {
        var (old, young) = (NameOf(30), NameOf(29));
        foreach (var name in new[] { old, young, "prompts-of-somebody.log" })
            _folder.Write(Path.Combine("prompts", name), "");
        await using (var server = await RunningServer.StartAsync(options => options with { PromptLog = _folder.At("prompts") }))
        using (await server.Http.PostAsJsonAsync("/v1/completions", new { model = "tiny", prompt = "x", max_tokens = 1 }))
        {
            // The first record begins a file.
        }

        Assert.False(File.Exists(_folder.At("prompts", old)));
        Assert.True(File.Exists(_folder.At("prompts", young)));
        Assert.True(File.Exists(_folder.At("prompts", "prompts-of-somebody.log")));

        static string NameOf(int days)
            => string.Create(CultureInfo.InvariantCulture, $"prompts-{DateTime.UtcNow.AddDays(-days):yyyyMMdd}-0001.log");
    }

    [Fact]
    public async Task Tokens_cost_what_the_table_says()
    {
        var path = _folder.Write("prices.json",
            """
            {"currency": "EUR", "models": {"tiny": {"prompt": 1000000, "completion": 10000000}, "*": {"prompt": 1, "completion": 0}}}
            """);
        await using var server = await RunningServer.StartAsync(options => options with { Prices = path });
        using (await server.Http.PostAsJsonAsync("/v1/completions", new
        {
            model = "tiny",
            prompt = "x",
            max_tokens = 3,
            logit_bias = new[] { "<|endoftext|>", "<|end|>" }.ToDictionary(end => $"{TinyGpt.Tokenizer.TokenToId(end)}", _ => -100),
        }))
        {
            // Only its traces matter.
        }

        var row = server.App.Services.GetRequiredService<UsageLedger>().Rows.Single();
        var prices = server.App.Services.GetRequiredService<PriceTable>();
        Assert.Equal(row.PromptTokens + 30m, prices.Cost("tiny", row.PromptTokens, row.CompletionTokens));
        Assert.Equal(2m, prices.Cost("another", 2_000_000, 7));
        var metric = (await server.Http.GetStringAsync("/metrics")).Split('\n').Single(
            line => line.StartsWith("kotonoha_cost", StringComparison.Ordinal));
        Assert.Contains("currency=\"EUR\"", metric, StringComparison.Ordinal);
        Assert.Matches($@"\}} {row.PromptTokens + 30}(\s|$)", metric);
    }

    [Theory]
    [InlineData("prices", "{}")]
    [InlineData("prices", """{"currency": "EUR", "models": {"a": {"prompt": -1, "completion": 0}}}""")]
    [InlineData("prices", """{"currency": "EUR", "models": {"a": {"prompt": "1"}}}""")]
    [InlineData("prices", null)]
    [InlineData("prompt-log-days", "0")]
    [InlineData("prompt-log-bytes", "1")]
    public void Settings_that_cannot_be_used_are_refused_by_name(string name, string? value)
    {
        var set = name == "prices" ? value is null ? _folder.At("nothing") : _folder.Write("prices.json", value) : value!;
        Assert.Equal(name, Assert.Throws<ServerSettingException>(
            () => ServerSettings.Set(new ServerOptions { Home = _folder.Path }, name, set).Validate()).Setting);
    }

    private static async Task AskAllAsync(RunningServer server)
    {
        var text = $"{Word} ann@example.com";
        var messages = new[] { new { role = "user", content = text } };
        foreach (var (path, body) in new (string, object)[]
        {
            ("/v1/chat/completions", new { model = "tiny", messages, max_tokens = 5 }),
            ("/v1/chat/completions", new { model = "tiny", messages, max_tokens = 5, stream = true }),
            ("/v1/completions", new { model = "tiny", prompt = text, max_tokens = 5 }),
            ("/v1/responses", new { model = "tiny", input = text, max_output_tokens = 5 }),
            ("/api/chat", new { model = "tiny", messages, options = new { num_predict = 5 } }),
            ("/api/generate", new { model = "tiny", prompt = text, options = new { num_predict = 5 } }),
        })
        {
            using var answer = await server.Http.PostAsJsonAsync(path, body);
            Assert.True(answer.IsSuccessStatusCode, path);
            await answer.Content.ReadAsStringAsync();
        }

        // What is wrong with a request is told without it.
        using var wrong = await server.Http.PostAsJsonAsync("/v1/chat/completions", new { model = "tiny", messages, temperature = Word });
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
    }
}
