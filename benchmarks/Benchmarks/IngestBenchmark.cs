using System.Globalization;
using System.Runtime.CompilerServices;
using Kotonoha.Rag;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>ingest [--documents 1000] [--seed 1] [--store embedded|qdrant] [--qdrant-url URL]</c>: brings generated documents into a store, then
/// once more unchanged; seconds by stage, memory on the way and at its peak.
/// </summary>
internal static class IngestBenchmark
{
    private const int MemorySamples = 10;

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "documents", "seed", "store", "qdrant-url");
        int documents = int.Parse(options.GetValueOrDefault("documents", "1000"), CultureInfo.InvariantCulture);
        int seed = int.Parse(options.GetValueOrDefault("seed", "1"), CultureInfo.InvariantCulture);
        var folder = Directory.CreateTempSubdirectory("kotonoha-ingest-").FullName;
        try
        {
            var sources = Path.Combine(folder, "documents");
            long bytes = new GeneratedDocuments(seed).Write(sources, documents);
            Print($"{documents} generated documents, {bytes / 1e6:F2} MB, seed {seed}, store "
                + $"{options.GetValueOrDefault("store", "embedded")}, {Environment.ProcessorCount} cores");
            await using var stores = await BenchmarkStores.StartAsync(options);
            await using var knowledge = new KnowledgeBase(stores.Open(), new SvdEmbedder(Path.Combine(folder, "embedders")));
            int acknowledged = 0;
            var memory = new List<string>();
            var report = await knowledge.SyncFolderAsync(sources, options: new SyncOptions
            {
                Acknowledged = _ =>
                {
                    if (++acknowledged % Math.Max(1, documents / MemorySamples) == 0)
                        memory.Add(Machine.Megabytes("VmRSS").ToString("F0", CultureInfo.InvariantCulture));
                },
            });
            if (report.Added.Count != documents || acknowledged != documents || report.Skipped.Count > 0)
                throw new InvalidOperationException($"{report.Added.Count} documents added, {acknowledged} acknowledged, "
                    + $"{report.Skipped.Count} skipped ({report.Skipped.FirstOrDefault()}).");
            double total = report.Timings["total"];
            Print($"{report.Chunks} chunks in {total:F2} s: {documents / total:F1} documents/s; "
                + $"{Environment.CpuUsage.TotalTime.TotalSeconds:F1} s of this process's processor time so far");
            foreach (var (stage, seconds) in report.Timings.Where(pair => pair.Key != "total"))
                Print($"  {stage}: {seconds:F2} s (threads added up, stages overlap)");
            var again = await knowledge.SyncFolderAsync(sources);
            Print($"again, {again.Unchanged.Count} unchanged: {again.Timings["total"]:F2} s");
            Print($"memory of this process after each {documents / MemorySamples} documents (VmRSS): {string.Join(", ", memory)} MB");
            Print($"peak memory of this process (VmHWM): {Machine.Megabytes("VmHWM"):F0} MB");
            if (stores.ServerProcessId is { } server)
                Print($"peak memory of the Qdrant server (VmHWM): {Machine.Megabytes("VmHWM", server):F0} MB");
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static void Print(DefaultInterpolatedStringHandler line) => Console.WriteLine(line.ToStringAndClear());
    }
}
