using System.Diagnostics;
using System.Globalization;
using Kotonoha.Rag.VectorData;
using Microsoft.Extensions.VectorData;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>vector-store-kill [--kills 100] [--seed 1]</c>: a child process writes, changes and deletes records and says what is acknowledged; it
/// is killed at a random moment, and the file is read: nothing acknowledged may be missing and nothing may be half there.
/// </summary>
internal static class VectorStoreKill
{
    private const int Keys = 400;
    private const int Batch = 8;
    private const int Dimension = 32;
    private const int MaxDelayMs = 400;

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["child", var file, var start])
            return await WriteAsync(file, int.Parse(start, CultureInfo.InvariantCulture));
        var options = Arguments.Parse(args, "kills", "seed");
        int kills = int.Parse(options.GetValueOrDefault("kills", "100"), CultureInfo.InvariantCulture);
        var random = new Random(int.Parse(options.GetValueOrDefault("seed", "1"), CultureInfo.InvariantCulture));
        var folder = Directory.CreateTempSubdirectory("kotonoha-kill-").FullName;
        try
        {
            var path = Path.Combine(folder, "records.db");
            int acknowledged = 0, batches = 0;
            for (int kill = 0; kill < kills; kill++)
            {
                using var child = Start(path, acknowledged);
                int seen = 0;
                // The child is up once it has acknowledged something.
                while (child.StandardOutput.ReadLine() is { } line)
                {
                    acknowledged = int.Parse(line, CultureInfo.InvariantCulture);
                    if (seen++ == 0)
                        _ = Task.Delay(random.Next(MaxDelayMs)).ContinueWith(_ => child.Kill(), TaskScheduler.Default);
                }

                child.WaitForExit();
                batches += seen;
                int held = await CheckAsync(path, acknowledged);
                if (held < acknowledged)
                {
                    Console.WriteLine($"kill {kill + 1}: batch {acknowledged} was acknowledged, and the file holds {held}.");
                    return 1;
                }

                acknowledged = held;
            }

            Console.WriteLine($"{kills} kills in {batches} acknowledged batches of {Batch} records: nothing lost, nothing half there.");
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Batch n gives its keys the number n; every third batch deletes those of the batch before instead.
    private static async Task<int> WriteAsync(string path, int done)
    {
        using var store = new EmbeddedVectorStore(path);
        var items = store.GetCollection<int, Item>("items");
        await items.EnsureCollectionExistsAsync();
        for (int batch = done + 1; ; batch++)
        {
            if (batch % 3 == 0)
                await items.DeleteAsync(KeysOf(batch - 1));
            else
                await items.UpsertAsync(KeysOf(batch).Select(key => new Item { Key = key, Batch = batch, Vector = Vector(key, batch) }));
            Console.WriteLine(batch.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>The batch that the file holds: the last one acknowledged, or the one after it.</summary>
    private static async Task<int> CheckAsync(string path, int acknowledged)
    {
        using var store = new EmbeddedVectorStore(path);
        var items = store.GetCollection<int, Item>("items");
        var found = await items.GetAsync(_ => true, Keys, new() { IncludeVectors = true }).ToDictionaryAsync(item => item.Key);
        foreach (int last in new[] { acknowledged, acknowledged + 1 })
        {
            var expected = Expected(last);
            if (expected.Count != found.Count || expected.Any(pair => !found.TryGetValue(pair.Key, out var item) || item.Batch != pair.Value
                || !item.Vector.Span.SequenceEqual(Vector(pair.Key, pair.Value))))
                continue;
            foreach (var (key, batch) in expected.Take(3))
                if ((await items.SearchAsync(Vector(key, batch), 1).SingleAsync()).Record.Key != key)
                    return -1;
            return last;
        }

        return -1;
    }

    private static Dictionary<int, int> Expected(int last)
    {
        var expected = new Dictionary<int, int>();
        for (int batch = 1; batch <= last; batch++)
            foreach (int key in KeysOf(batch % 3 == 0 ? batch - 1 : batch))
                if (batch % 3 == 0)
                    expected.Remove(key);
                else
                    expected[key] = batch;
        return expected;
    }

    private static int[] KeysOf(int batch) => [.. Enumerable.Range(0, Batch).Select(i => (batch * 37 + i * 11) % Keys).Distinct()];

    private static float[] Vector(int key, int batch)
    {
        var random = new Random(key * 100_003 + batch);
        return [.. Enumerable.Range(0, Dimension).Select(_ => random.NextSingle() - 0.5f)];
    }

    private static Process Start(string path, int done)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(VectorStoreKill).Assembly.Location);
        foreach (var argument in new[] { "vector-store-kill", "child", path, done.ToString(CultureInfo.InvariantCulture) })
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    private sealed class Item
    {
        [VectorStoreKey]
        public int Key { get; set; }

        [VectorStoreData(IsIndexed = true)]
        public int Batch { get; set; }

        [VectorStoreVector(Dimension)]
        public ReadOnlyMemory<float> Vector { get; set; }
    }
}
