using System.Net.Http.Json;
using System.Text.Json;
using Kotonoha.Server.Work;
using Microsoft.Extensions.DependencyInjection;

namespace Kotonoha.Server.Tests;

public sealed class LoadTests
{
    private const int Streams = 64;

    [Fact]
    public async Task Many_streams_with_people_leaving_give_each_the_text_that_it_gets_alone()
    {
        await using var server = await RunningServer.StartAsync(
            options => options with { MaxRunning = 8, MaxWaitingPerKey = Streams, MaxWaiting = Streams });
        var alone = new string[4];
        for (int seed = 0; seed < alone.Length; seed++)
            alone[seed] = await SayAsync(server.Http, seed, leavesAfter: null);
        var texts = await Task.WhenAll(Enumerable.Range(0, Streams).Select(
            i => SayAsync(server.Http, i % alone.Length, i % 3 == 0 ? 1 + (i % 5) : null)));
        for (int i = 0; i < Streams; i++)
            if (i % 3 == 0)
                Assert.StartsWith(texts[i], alone[i % alone.Length], StringComparison.Ordinal);
            else
                Assert.Equal(alone[i % alone.Length], texts[i]);

        var queue = server.App.Services.GetRequiredService<FairQueue>();
        for (int i = 0; i < 1000 && queue.Running > 0; i++)
            await Task.Delay(10);
        Assert.Equal((0, 0), (queue.Running, queue.Waiting));
    }

    // Reads the stream, to its end or until so many pieces are there.
    private static async Task<string> SayAsync(HttpClient http, int seed, int? leavesAfter)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = JsonContent.Create(new
            {
                model = RunningServer.Model,
                messages = new[] { new { role = "user", content = "hello" } },
                max_tokens = 40,
                seed,
                temperature = 1,
                stream = true,
            }),
        };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var text = "";
        for (int pieces = 0; pieces != leavesAfter && await reader.ReadLineAsync() is { } line;)
        {
            if (line is "data: [DONE]")
                return text;
            if (!line.StartsWith("data: ", StringComparison.Ordinal))
                continue;
            var delta = JsonElement.Parse(line["data: ".Length..]).GetProperty("choices")[0].GetProperty("delta");
            if (delta.TryGetProperty("content", out var content))
                text += content.GetString();
            pieces++;
        }

        Assert.NotNull(leavesAfter);
        return text;
    }
}
