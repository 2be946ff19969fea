using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Kotonoha.Tests.Support;

namespace Kotonoha.Benchmarks.Serving;

/// <summary>
/// <c>server-load [--model PATH] [--streams 64] [--minutes 10] [--tokens 64] [--seed 1]</c>: so many people chat with the server at the
/// same time, one in five leaves in the middle: errors, memory, times to the first token and per token; before that, what 16 streams give
/// against one.
/// </summary>
internal static class ServerLoad
{
    private const int Leaving = 5, Parallel = 16;
    private const double SpeedBar = 4, MemoryBar = 1.1;
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(10);
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "model", "streams", "minutes", "tokens", "seed");
        double Number(string name, double otherwise)
            => options.TryGetValue(name, out var text) ? double.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        int streams = (int)Number("streams", 64), tokens = (int)Number("tokens", 64), seed = (int)Number("seed", 1);
        var time = TimeSpan.FromMinutes(Number("minutes", 10));
        var folder = Directory.CreateTempSubdirectory("kotonoha-server-load-").FullName;
        try
        {
            var model = options.GetValueOrDefault("model", Path.Combine(folder, "model"));
            if (!options.ContainsKey("model"))
                SavedModel.Save(model, contextLength: 1024);
            Say(Invariant, $"Machine: {Machine.Describe()}; seed {seed}; {Path.GetFileName(model)}, {streams} streams, "
                + $"{time.TotalMinutes:F1} minutes");
            var (server, _) = await ServerProcess.StartAsync(Path.Combine(folder, "home"), model, Parallel);
            using var _2 = server;
            await StreamAsync(server, tokens, 0, null);
            double one = await SpeedAsync(server, 1, tokens), many = await SpeedAsync(server, Parallel, tokens);
            Say(Invariant, $"one stream {one:F1} tokens/s, {Parallel} streams {many:F1}: {many / one:F1} times");
            bool isWell = await LoadAsync(server, streams, time, tokens, seed);
            return isWell && many >= SpeedBar * one ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<bool> LoadAsync(ServerProcess server, int streams, TimeSpan time, int tokens, int seed)
    {
        var (first, each, errors) = (new ConcurrentBag<double>(), new ConcurrentBag<double>(), new ConcurrentBag<string>());
        int done = 0, left = 0;
        var clock = Stopwatch.StartNew();
        var memory = new List<long>();
        var people = Enumerable.Range(0, streams).Select(async person =>
        {
            var random = new Random(seed * 1000 + person);
            while (clock.Elapsed < time)
            {
                int? leaves = random.Next(Leaving) == 0 ? random.Next(1, tokens) : null;
                try
                {
                    var told = await StreamAsync(server, tokens, random.Next(), leaves);
                    first.Add(told.First);
                    foreach (var gap in told.Gaps)
                        each.Add(gap);
                    Interlocked.Increment(ref leaves is null ? ref done : ref left);
                }
                catch (Exception exception) when (exception is HttpRequestException or IOException or InvalidDataException)
                {
                    errors.Add(exception.Message);
                }
            }
        }).ToArray();
        var all = Task.WhenAll(people);
        while (await Task.WhenAny(all, Task.Delay(Rest)) != all)
            memory.Add(server.WorkingSet);
        await all;
        long begin = memory.Count > 2 ? memory[memory.Count / 3] : server.WorkingSet, end = server.WorkingSet;
        Say(Invariant, $"{done} answers and {left} left in the middle in {clock.Elapsed.TotalSeconds:F0} s, {errors.Count} errors"
            + $"{(errors.IsEmpty ? "" : $" ({errors.First()})")}");
        Say(Invariant, $"to the first token: p50 {Part(first, 0.5):F0} ms, p95 {Part(first, 0.95):F0}, p99 {Part(first, 0.99):F0}; "
            + $"per token: p50 {Part(each, 0.5):F1} ms, p95 {Part(each, 0.95):F1}, p99 {Part(each, 0.99):F1}");
        Say(Invariant, $"memory after a third of the time {begin / 1048576.0:F0} MB, at the end {end / 1048576.0:F0} MB");
        return errors.IsEmpty && end <= MemoryBar * begin;
    }

    private static async Task<double> SpeedAsync(ServerProcess server, int streams, int tokens)
    {
        var clock = Stopwatch.StartNew();
        var told = await Task.WhenAll(Enumerable.Range(0, streams).Select(i => StreamAsync(server, 4 * tokens, i, null)));
        return told.Sum(one => one.Tokens) / clock.Elapsed.TotalSeconds;
    }

    private static Task<(double First, IReadOnlyList<double> Gaps, int Tokens)> StreamAsync(
        ServerProcess server, int tokens, int seed, int? leavesAfter) => StreamAsync(
            server,
            new
            {
                model = ServerProcess.Model,
                prompt = $"Note {seed}: the",
                max_tokens = tokens,
                ignore_eos = true,
                seed = seed % 1000,
                temperature = 1,
                stream = true,
                stream_options = new { include_usage = true },
            },
            leavesAfter);

    /// <summary>Sends a completion that streams and tells its usage; reads it to its end, or leaves after so many pieces.</summary>
    /// <returns>Milliseconds to the first piece and between pieces, and the tokens that were written.</returns>
    public static async Task<(double First, IReadOnlyList<double> Gaps, int Tokens)> StreamAsync(
        ServerProcess server, object body, int? leavesAfter)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = JsonContent.Create(body) };
        var clock = Stopwatch.StartNew();
        using var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode)
            throw new InvalidDataException($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        double first = 0, last = 0;
        var gaps = new List<double>();
        int used = 0;
        for (int pieces = 0; pieces != leavesAfter && await reader.ReadLineAsync() is { } line;)
        {
            if (line is "data: [DONE]")
                return (first, gaps, used);
            if (!line.StartsWith("data: ", StringComparison.Ordinal))
                continue;
            var data = JsonElement.Parse(line["data: ".Length..]);
            if (data.TryGetProperty("error", out var error))
                throw new InvalidDataException(error.GetRawText());
            if (data.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
                used = usage.GetProperty("completion_tokens").GetInt32();
            if (data.GetProperty("choices").GetArrayLength() == 0)
                continue;
            double now = clock.Elapsed.TotalMilliseconds;
            if (pieces++ == 0)
                first = now;
            else
                gaps.Add(now - last);
            last = now;
        }

        return leavesAfter is null ? throw new InvalidDataException("The stream ended without its mark.") : (first, gaps, used);
    }

    private static double Part(IEnumerable<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))];
    }

    private static void Say(
        IFormatProvider culture, [InterpolatedStringHandlerArgument(nameof(culture))] ref DefaultInterpolatedStringHandler text)
        => Console.WriteLine(string.Create(culture, ref text));
}
