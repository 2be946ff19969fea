using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Kotonoha.Benchmarks.Serving;
using Kotonoha.Client;
using Kotonoha.Tests.Support;

namespace Kotonoha.Benchmarks.Fuzz;

/// <summary>
/// <c>fuzz-server COUNT SEED</c>: requests that are changed in one way, to the server in a process of its own: each is answered, no answer
/// is a 500, what is refused says why, and the server goes on.
/// </summary>
internal static class ServerFuzz
{
    private const int Callers = 4;

    public static async Task<int> RunAsync(string[] args)
    {
        int count = int.Parse(args[0], CultureInfo.InvariantCulture), seed = int.Parse(args[1], CultureInfo.InvariantCulture);
        var folder = Directory.CreateTempSubdirectory("kotonoha-fuzz-server-").FullName;
        try
        {
            var model = Path.Combine(folder, "model");
            SavedModel.Save(model, contextLength: 256);
            var (server, _) = await ServerProcess.StartAsync(Path.Combine(folder, "home"), model);
            using var _2 = server;
            using var client = new KotonohaClient(server.Address);
            await client.CreateCollectionAsync("handbook");
            var upload = await client.UploadAsync("handbook", "ferry.txt", new MemoryStream("The ferry leaves at 7:15."u8.ToArray()));
            await foreach (var _3 in client.WatchUploadAsync("handbook", upload.Id))
            {
            }

            int next = -1, wrong = 0;
            var statuses = new int[600];
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(async _ =>
            {
                while (Interlocked.Increment(ref next) is var i && i < count && !server.HasExited)
                {
                    var (path, body) = RequestMutator.Good[i % RequestMutator.Good.Count];
                    var sent = RequestMutator.Mutate(body, new Random(HashCode.Combine(seed, i)));
                    var (status, answer) = await SendAsync(server, path, sent);
                    Interlocked.Increment(ref statuses[status]);
                    if (status != 500 && (status < 400 || path == "/mcp" || IsTyped(answer)))
                        continue;
                    if (Interlocked.Increment(ref wrong) <= 10)
                        Console.WriteLine($"{path}: {status} {answer}\n  to {sent}");
                }
            }));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} requests, seed {seed}: {wrong} wrong answers, ")
                + string.Join(", ", statuses.Index().Where(s => s.Item > 0).Select(s => $"{s.Item} × {s.Index}"))
                + (server.HasExited ? "; the server has ended" : ""));
            return wrong == 0 && !server.HasExited ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(int Status, string Answer)> SendAsync(ServerProcess server, string path, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new ByteArrayContent(Encoding.Latin1.GetBytes(body))
            {
                Headers = { ContentType = new MediaTypeHeaderValue("application/json") },
            },
        };
        request.Headers.Accept.ParseAdd("application/json, text/event-stream");
        using var response = await server.Http.SendAsync(request);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    private static bool IsTyped(string answer)
    {
        try
        {
            using var json = JsonDocument.Parse(answer);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("error", out _);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
