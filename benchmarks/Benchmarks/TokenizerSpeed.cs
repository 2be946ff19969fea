using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks;

/// <summary>How fast byte-level BPE trains, encodes and decodes a text file: <c>tokenizer FILE [VOCABULARY]</c>.</summary>
internal static class TokenizerSpeed
{
    private const int Rounds = 20;

    public static int Run(string[] args)
    {
        if (args.Length is 0 or > 2 || !File.Exists(args[0]))
        {
            Console.Error.WriteLine("usage: benchmarks tokenizer FILE [VOCABULARY]");
            return 2;
        }

        int vocabulary = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 8192;
        var text = File.ReadAllText(args[0]);
        var lines = TextCorpus.From(args[0]).ToArray();
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
        foreach (var pattern in Enum.GetValues<WordPattern>())
        {
            Tokenizer? tokenizer = null;
            var options = new BpeTrainingOptions { VocabularySize = vocabulary, Pattern = pattern };
            Report($"{pattern} train to {vocabulary}", megabytes, () => tokenizer = Tokenizer.TrainByteLevelBpe(lines, options));
            var ids = new List<int>();
            Report($"{pattern} encode, whole file", megabytes, () =>
            {
                ids.Clear();
                tokenizer!.Encode(text, ids);
            });
            Report($"{pattern} encode, line by line", megabytes, () =>
            {
                ids.Clear();
                foreach (var line in lines)
                    tokenizer!.Encode(line, ids);
            });
            long before = GC.GetAllocatedBytesForCurrentThread();
            ids.Clear();
            foreach (var line in lines)
                tokenizer!.Encode(line, ids);
            Console.WriteLine($"{pattern} allocates {GC.GetAllocatedBytesForCurrentThread() - before:N0} bytes for "
                + $"{lines.Length:N0} lines, {ids.Count:N0} tokens");
            Report($"{pattern} encode with offsets", megabytes, () => tokenizer!.EncodeWithOffsets(text));
            Report($"{pattern} decode", megabytes, () => tokenizer!.Decode(ids.ToArray()));
        }

        return 0;
    }

    /// <summary>The best of some rounds: what the code can do when the machine is free.</summary>
    private static void Report(string what, double megabytes, Action action)
    {
        double best = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{what}: {best:F3} s, {megabytes / best:F1} MB/s (best of {Rounds})"));
    }
}
