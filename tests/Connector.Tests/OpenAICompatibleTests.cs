using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;

namespace Kotonoha.Connector.Tests;

/// <summary>A server on the loopback that speaks chat completions and keeps what it was asked.</summary>
internal sealed class LoopbackCompletions : IDisposable
{
    private readonly HttpListener _listener = new();

    public LoopbackCompletions()
    {
        // A port that was free a moment ago may be taken now; then another is tried.
        for (int attempt = 0; ; attempt++)
        {
            using var probe = new TcpListener(IPAddress.Loopback, 0);
            probe.Start();
            int port = ((IPEndPoint)probe.LocalEndpoint).Port;
            probe.Stop();
            Endpoint = new Uri($"http://127.0.0.1:{port}/v1");
            _listener.Prefixes.Clear();
            _listener.Prefixes.Add($"http://127.0.0.1:{port}/");
            try
            {
                _listener.Start();
                break;
            }
            catch (HttpListenerException) when (attempt < 10)
            {
            }
        }

        _ = ServeAsync();
    }

    public Uri Endpoint { get; }

    public List<(string Path, string? Authorization, JsonElement Body)> Requests { get; } = [];

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                var context = await _listener.GetContextAsync();
                using var reader = new StreamReader(context.Request.InputStream);
                var body = JsonElement.Parse(await reader.ReadToEndAsync());
                lock (Requests)
                    Requests.Add((context.Request.Url!.AbsolutePath, context.Request.Headers["Authorization"], body));
                bool streams = body.TryGetProperty("stream", out var stream) && stream.GetBoolean();
                var said = $"{body.GetProperty("messages").GetArrayLength()} messages";
                context.Response.ContentType = streams ? "text/event-stream" : "application/json";
                var answer = streams
                    ? string.Concat(said.Split(' ').Select((word, i) => Chunk(i == 0 ? word : " " + word, null)))
                        + Chunk(null, "stop") + "data: [DONE]\n\n"
                    : JsonSerializer.Serialize(new
                    {
                        id = "c1",
                        @object = "chat.completion",
                        created = 1,
                        model = "m1",
                        choices = new[] { new { index = 0, finish_reason = "stop", message = new { role = "assistant", content = said } } },
                        usage = new { prompt_tokens = 3, completion_tokens = 2, total_tokens = 5 },
                    });
                await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(answer));
                context.Response.Close();
            }
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private static string Chunk(string? content, string? finish)
    {
        var delta = content is null ? (object)new { } : new { role = "assistant", content };
        return "data: " + JsonSerializer.Serialize(new
        {
            id = "c1",
            @object = "chat.completion.chunk",
            created = 1,
            model = "m1",
            choices = new[] { new { index = 0, delta, finish_reason = finish } },
        }) + "\n\n";
    }
}

public class OpenAICompatibleTests
{
    [Fact]
    public async Task A_registered_server_is_asked_by_the_protocol()
    {
        using var server = new LoopbackCompletions();
        var services = new ServiceCollection();
        services.AddOpenAICompatibleChatClient(server.Endpoint, "m1", "key1");
        await using var provider = services.BuildServiceProvider();
        var client = provider.GetRequiredService<IChatClient>();
        var schema = JsonElement.Parse("""{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}""");
        var response = await client.GetResponseAsync(
            [new(ChatRole.System, "S"), new(ChatRole.User, "Hi")],
            new ChatOptions
            {
                Temperature = 0.5f,
                MaxOutputTokens = 9,
                ResponseFormat = ChatResponseFormat.ForJsonSchema(schema, "answer")
            });
        Assert.Equal(("2 messages", 3, 2, "m1"),
            (response.Text, response.Usage!.InputTokenCount, response.Usage.OutputTokenCount, response.ModelId));
        var (path, authorization, body) = Assert.Single(server.Requests);
        Assert.Equal(("/v1/chat/completions", "Bearer key1"), (path, authorization));
        Assert.Equal("m1", body.GetProperty("model").GetString());
        Assert.Equal(0.5, body.GetProperty("temperature").GetDouble());
        Assert.Equal("Hi", body.GetProperty("messages")[1].GetProperty("content").GetString());
        Assert.Equal("json_schema", body.GetProperty("response_format").GetProperty("type").GetString());
    }

    [Fact]
    public async Task A_stream_comes_in_pieces_and_a_server_without_keys_is_asked_all_the_same()
    {
        using var server = new LoopbackCompletions();
        using var client = OpenAICompatibleChatClient.Create(server.Endpoint, "m1");
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync("Hi"))
            updates.Add(update);
        Assert.Equal(["1", " messages"], updates.Select(update => update.Text).Where(text => text.Length > 0));
        Assert.Equal(ChatFinishReason.Stop, updates.ToChatResponse().FinishReason);
    }

    [Fact]
    public async Task A_kernel_asks_the_server_under_its_service_id()
    {
        using var server = new LoopbackCompletions();
        var builder = Kernel.CreateBuilder().AddOpenAICompatibleChatClient(server.Endpoint, "m1", serviceId: "there");
        var kernel = builder.Build();
        Assert.NotNull(kernel.Services.GetRequiredKeyedService<IChatClient>("there").GetService<ChatClientMetadata>());
        var answer = await kernel.InvokePromptAsync("Hi",
            new KernelArguments(new PromptExecutionSettings { ServiceId = "there" }));
        Assert.Equal("1 messages", answer.ToString());
    }
}
