using System.Diagnostics;
using System.Globalization;
using Kotonoha.Readers;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>readers FOLDER [--rounds 7] [--processes N]</c>: reads a folder's documents in this process and in child processes, as many at a time
/// as there are cores;
/// the first round of each (with its compilation, and with the start of the child processes) and the median of the others.
/// </summary>
internal static class ReadersBenchmark
{
    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length == 0)
        {
            await Console.Error.WriteLineAsync("usage: benchmarks readers FOLDER [--rounds 7] [--processes N]");
            return 2;
        }

        var options = Arguments.Parse(args[1..], "rounds", "processes");
        int rounds = int.Parse(options.GetValueOrDefault("rounds", "7"), CultureInfo.InvariantCulture);
        int processes = int.Parse(options.GetValueOrDefault("processes",
            Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);
        var files = Directory.EnumerateFiles(args[0], "*", SearchOption.AllDirectories)
            .Where(file => DocumentReaders.Default.TryGet(file, out _)).Order(StringComparer.Ordinal).ToList();
        var ways = new (string Name, DocumentReaders Readers, List<double> Seconds)[] { ("in process", DocumentReaders.InProcess, []),
            ("child processes", DocumentReaders.InChildProcesses(new ReaderProcessOptions { MaxProcesses = processes }), []) };
        for (int round = 0; round < rounds; round++)
            foreach (var (_, readers, seconds) in ways)
                seconds.Add(await ReadAsync(files, readers));
        Console.WriteLine($"{files.Count} documents, {Environment.ProcessorCount} cores");
        foreach (var (name, _, seconds) in ways)
        {
            var others = seconds.Skip(1).Order().ToList();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name}: first {seconds[0]:F3} s, then {(others.Count == 0 ? 0 : others[others.Count / 2]):F3} s"));
        }

        return 0;
    }

    private static async Task<double> ReadAsync(List<string> files, DocumentReaders readers)
    {
        var watch = Stopwatch.StartNew();
        await Parallel.ForEachAsync(files, async (file, token) => await readers.ReadFileAsync(file, token));
        return watch.Elapsed.TotalSeconds;
    }
}
