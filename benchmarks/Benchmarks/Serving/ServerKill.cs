using System.Globalization;
using System.Net;
using System.Text;
using Kotonoha.Client;
using Kotonoha.Tests.Support;

namespace Kotonoha.Benchmarks.Serving;

/// <summary>
/// <c>server-kill [--kills 50] [--seed 1]</c>: the server is killed at random moments under uploads and chats, and started again: what it
/// had acknowledged must be read and found, and it must be ready again soon.
/// </summary>
internal static class ServerKill
{
    private const int MostDelay = 3000, Chats = 3;
    private const string Collection = "kept";

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "kills", "seed");
        int kills = int.Parse(options.GetValueOrDefault("kills", "50"), CultureInfo.InvariantCulture);
        int seed = int.Parse(options.GetValueOrDefault("seed", "1"), CultureInfo.InvariantCulture);
        Console.WriteLine($"Machine: {Machine.Describe()}; seed {seed}");
        var random = new Random(seed);
        var folder = Directory.CreateTempSubdirectory("kotonoha-server-kill-").FullName;
        try
        {
            var (model, home) = (Path.Combine(folder, "model"), Path.Combine(folder, "home"));
            SavedModel.Save(model, contextLength: 256);
            var acknowledged = new List<string>();
            var starts = new List<double>();
            int chats = 0;
            for (int kill = 0; kill <= kills; kill++)
            {
                var (server, ready) = await ServerProcess.StartAsync(home, model);
                using var _ = server;
                starts.Add(ready.TotalSeconds);
                using var client = new KotonohaClient(server.Address);
                if (kill == 0)
                    await client.CreateCollectionAsync(Collection);
                if (kill == kills)
                    return await CheckAsync(client, acknowledged, starts, kills, chats);
                var dying = Task.Delay(random.Next(200, MostDelay)).ContinueWith(_ => server.Kill(), TaskScheduler.Default);
                var talking = Enumerable.Range(0, Chats).Select(_ => ChatAsync(server, dying)).ToArray();
                await UploadAsync(client, acknowledged, dying);
                await dying;
                chats += (await Task.WhenAll(talking)).Sum();
            }

            return 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"note-{number}.md");

    private static async Task UploadAsync(KotonohaClient client, List<string> acknowledged, Task dying)
    {
        while (!dying.IsCompleted)
        {
            var name = Name(acknowledged.Count);
            try
            {
                var text = Encoding.UTF8.GetBytes($"# {name}\n\nIts number is {name[5..^3]}.\n");
                await client.UploadAsync(Collection, name, new MemoryStream(text));
                acknowledged.Add(name);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
            {
                return;
            }
        }
    }

    private static async Task<int> ChatAsync(ServerProcess server, Task dying)
    {
        int answered = 0;
        while (!dying.IsCompleted)
        {
            try
            {
                using var content = new StringContent(
                    $$"""{"model": "{{ServerProcess.Model}}", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20}""",
                    Encoding.UTF8, "application/json");
                using var response = await server.Http.PostAsync("/v1/chat/completions", content);
                if (response.StatusCode == HttpStatusCode.OK)
                    answered++;
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
            {
                break;
            }
        }

        return answered;
    }

    private static async Task<int> CheckAsync(
        KotonohaClient client, List<string> acknowledged, List<double> starts, int kills, int chats)
    {
        var limit = DateTime.UtcNow.AddMinutes(5);
        var stored = new HashSet<string>(StringComparer.Ordinal);
        while (stored.Count < acknowledged.Count && DateTime.UtcNow < limit)
        {
            stored = [.. (await client.ListDocumentsAsync(Collection)).Select(document => document.Source)];
            await Task.Delay(200);
        }

        string[] lost = [.. acknowledged.Where(name => !stored.Contains(name))];
        int wrong = 0;
        foreach (var name in acknowledged.Except(lost).Where((_, i) => i % Math.Max(1, acknowledged.Count / 50) == 0))
        {
            var found = await client.SearchAsync(Collection, new SearchRequest($"{name} number") { Limit = 5 });
            wrong += found.Hits.Any(hit => hit.Source == name && hit.Text.Contains(name[5..^3], StringComparison.Ordinal)) ? 0 : 1;
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{kills} kills under {acknowledged.Count} acknowledged uploads and {chats} answered chats: {lost.Length} lost, {wrong} not "
                + $"found by search; ready after {starts.Order().ElementAt(starts.Count / 2):F1} s in the median, {starts.Max():F1} s at "
                + $"most"));
        return lost.Length + wrong == 0 && starts.Max() <= 5 ? 0 : 1;
    }
}
