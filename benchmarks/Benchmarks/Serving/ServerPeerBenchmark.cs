using System.Diagnostics;
using System.Globalization;

namespace Kotonoha.Benchmarks.Serving;

/// <summary>
/// <c>server-peer FILE.gguf [--streams 16] [--tokens 64] [--rounds 3] [--threads N] --peer SCRIPT --peer-folder DIR</c>: concurrent streams
/// of the server over HTTP against as many sequences of one context of llama.cpp in its own process; the same GGUF file, the same tokens as
/// prompts, greedy, by turns in the same minute; medians. On a machine that is busy otherwise the processor seconds of one thread say more
/// (<c>--threads 1</c>).
/// </summary>
internal static class ServerPeerBenchmark
{
    private const int Context = 256;

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments.Length == 0)
        {
            Console.Error.WriteLine("usage: benchmarks server-peer FILE.gguf [--streams N] [--tokens N] [--rounds N] [--threads N] "
                + "--peer SCRIPT --peer-folder DIR");
            return 2;
        }

        var file = arguments[0];
        var options = Arguments.Parse(arguments[1..], "streams", "tokens", "rounds", "threads", "peer", "peer-folder");
        int Number(string name, int otherwise)
            => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        int streams = Number("streams", 16), tokens = Number("tokens", 64), rounds = Number("rounds", 3);
        int threads = Number("threads", Environment.ProcessorCount);
        Console.WriteLine(Machine.Describe());
        using var peer = LlamaPeer.Start(options["peer"], options["peer-folder"], out var reason);
        if (peer is null)
        {
            Console.Error.WriteLine($"server-peer: {reason}");
            return 1;
        }

        Console.WriteLine($"peer: {peer.Description}");
        peer.Load(file, Context, threads, singlePrecisionCache: false, streams);
        var folder = Directory.CreateTempSubdirectory("kotonoha-server-peer-").FullName;
        try
        {
            var (server, _) = await ServerProcess.StartAsync(Path.Combine(folder, "home"), Path.GetFullPath(file), streams, threads);
            using var _2 = server;
            var runs = new List<(Speed Ours, Speed Theirs)>();
            for (int round = 0; round <= rounds; round++)
            {
                // Other words first in each round: nothing of an earlier prompt is there to be taken.
                int[][] prompts = [.. Enumerable.Range(0, streams).Select(i => peer.Tokenize(string.Create(
                    CultureInfo.InvariantCulture, $"{round * streams + i} is the number of this note. It tells the story of")))];
                var run = (await OursAsync(server, prompts, tokens), Theirs(peer, prompts, tokens));
                if (round == 0) // the first warms up
                    continue;
                runs.Add(run);
                Console.WriteLine($"round {round}: here {run.Item1}; llama.cpp {run.Item2}");
            }

            double Median(Func<(Speed Ours, Speed Theirs), double> value) => runs.Select(value).Order().ElementAt(runs.Count / 2);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{Path.GetFileName(file)}, {streams} at a time, {tokens} tokens each, {threads} threads, medians of {rounds}: here "
                    + $"{Median(run => run.Ours.PerSecond):F1} tokens/s, llama.cpp {Median(run => run.Theirs.PerSecond):F1}, ratio "
                    + $"{Median(run => run.Ours.PerSecond / run.Theirs.PerSecond):F2}; by processor time "
                    + $"{Median(run => run.Ours.PerProcessorSecond / run.Theirs.PerProcessorSecond):F2}"));
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<Speed> OursAsync(ServerProcess server, int[][] prompts, int tokens)
    {
        var used = server.Processor;
        long start = Stopwatch.GetTimestamp();
        var told = await Task.WhenAll(prompts.Select(prompt => ServerLoad.StreamAsync(
            server,
            new
            {
                model = ServerProcess.Model,
                prompt,
                max_tokens = tokens,
                temperature = 0,
                stream = true,
                stream_options = new { include_usage = true },
            },
            leavesAfter: null)));
        double wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new Speed(told.Sum(one => one.Tokens), wall, (server.Processor - used).TotalSeconds);
    }

    private static Speed Theirs(LlamaPeer peer, int[][] prompts, int tokens)
    {
        var (ids, wall, processor) = peer.Batch(prompts, tokens);
        return new Speed(ids.Sum(own => own.Length), wall, processor);
    }

    private readonly record struct Speed(int Tokens, double Wall, double Processor)
    {
        public double PerSecond => Tokens / Wall;

        public double PerProcessorSecond => Tokens / Processor;

        public override string ToString() => string.Create(CultureInfo.InvariantCulture,
            $"{Tokens} tokens in {Wall:F2} s, {PerSecond:F1} a second, {Processor:F2} s of processors");
    }
}
