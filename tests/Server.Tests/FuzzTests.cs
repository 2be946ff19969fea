using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Kotonoha.Server.Tests;

/// <summary>Requests that nobody would send: each is answered, with a typed body where it is refused, and the server goes on.</summary>
public sealed class FuzzTests
{
    private const int Rounds = 600;

    [Fact]
    public async Task No_request_makes_an_untyped_error_or_ends_the_server()
    {
        await using var server = await RunningServer.StartAsync(
            options => options with { Deadline = TimeSpan.FromSeconds(5) }, withHandbook: true);
        var random = new Random(20261129);
        var statuses = new Dictionary<int, int>();
        for (int i = 0; i < Rounds; i++)
        {
            var (path, body) = RequestMutator.Good[i % RequestMutator.Good.Count];
            var sent = i < RequestMutator.Good.Count ? body : RequestMutator.Mutate(body, random);
            using var request = new HttpRequestMessage(HttpMethod.Post, path)
            {
                Content = new ByteArrayContent(Encoding.Latin1.GetBytes(sent))
                {
                    Headers = { ContentType = new MediaTypeHeaderValue("application/json") },
                },
            };
            request.Headers.Accept.ParseAdd("application/json, text/event-stream");
            using var response = await server.Http.SendAsync(request);
            var answer = await response.Content.ReadAsStringAsync();
            int status = (int)response.StatusCode;
            statuses[status] = statuses.GetValueOrDefault(status) + 1;
            Assert.True(status != 500, $"{path} answered {status} {answer} to {sent}");
            if (i < RequestMutator.Good.Count)
                Assert.True(status < 400 && !answer.Contains("\"error\":{", StringComparison.Ordinal), $"{path}: {status} {answer}");
            if (status >= 400 && path != "/mcp")
                Assert.True(JsonElement.Parse(answer).TryGetProperty("error", out _), $"{path}: {status} {answer}");
        }

        // The mutations neither pass nor fail all.
        Assert.True(statuses.GetValueOrDefault(200) > 30 && statuses.GetValueOrDefault(400) > 100, string.Join(", ", statuses));
        Assert.Equal("ok", JsonElement.Parse(await server.Http.GetStringAsync("/health/ready")).GetProperty("status").GetString());
    }

    [Theory]
    [InlineData("/api/knowledge/collections/handbook/ask", """{"question":"When does the ferry leave?","history":[null]}""")]
    [InlineData("/api/knowledge/collections/handbook/ask", """{"question":"When does the ferry leave?","history":[{"role":"user"}]}""")]
    [InlineData("/v1/chat/completions", """
        {"model":"tiny","messages":[{"role":"user","content":"b"}],"max_tokens":3,"tools":[{"type":"function","function":
         {"name":"f","parameters":{"type":"object","properties":{"x":{"type":["a",1]}}}}}]}
        """)]
    public async Task What_a_longer_run_found_is_refused_with_a_reason(string path, string body)
    {
        await using var server = await RunningServer.StartAsync(withHandbook: true);
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await server.Http.PostAsync(path, content);
        var answer = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == 400, answer);
        Assert.True(JsonElement.Parse(answer).TryGetProperty("error", out _), answer);
    }
}
