using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Encoding and training against the npm binding of Hugging Face's Rust tokenizers, in turn on one thread, by processor time and by the
/// clock: <c>tokenizer-peer FOLDER FILE TOKENIZER.json…</c> (FOLDER: where the binding is installed). See scripts/bench-tokenizers.
/// </summary>
internal static class TokenizerPeer
{
    private const int Rounds = 11;
    private const int TrainingRounds = 3;
    private const int DefaultVocabulary = 30_000;

    public static int Run(string[] args)
    {
        if (args.Length < 3 || !Directory.Exists(args[0]) || !File.Exists(args[1]))
        {
            Console.Error.WriteLine(
                "usage: benchmarks tokenizer-peer FOLDER FILE TOKENIZER.json... (scripts/bench-tokenizers installs the peer)");
            return 2;
        }

        var file = Path.GetFullPath(args[1]);
        var text = File.ReadAllText(file);
        var texts = text.Split('\n').Select(line => line + "\n").ToArray();
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
        using var peer = Start(args[0]);
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture,
                $"{Machine.Describe()}; {megabytes:F2} MB of {Path.GetFileName(file)}, best of {Rounds} in turn"));
        foreach (var path in args.Skip(2).Select(Path.GetFullPath))
        {
            var tokenizer = Tokenizer.Load(path).WithTruncation(null).WithPadding(null);
            var ids = new List<int>();
            var (here, lines, batch) = (Cost.Highest, Cost.Highest, Cost.Highest);
            int tokens = 0;
            for (int round = 0; round < Rounds; round++)
            {
                ids.Clear();
                var start = Cost.Now;
                foreach (var line in texts)
                    tokenizer.Encode(line, ids, addSpecialTokens: false, parseSpecialTokens: true);
                here = here.Least(Cost.Now.Since(start));
                (var answer, tokens) = Ask(peer, new { op = "encode", tokenizer = path, lines = file });
                lines = lines.Least(answer);
                batch = batch.Least(Ask(peer, new { op = "batch", tokenizer = path, lines = file }).Cost);
            }

            Console.WriteLine($"{path}: {ids.Count:N0} tokens{(ids.Count == tokens ? "" : $", peer {tokens:N0}")}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  here, line by line                "
                + $"{megabytes / here.Processor,6:F1} MB/s of processor time, {megabytes / here.Clock,6:F1} MB/s by the clock"));
            Report("peer, line by line, ids read", lines);
            Report("peer, one batch, nothing read", batch);

            void Report(string what, Cost cost) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {what,-33} {megabytes / cost.Processor,6:F2} MB/s ({cost.Processor / here.Processor:F1}x),               "
                    + $"{megabytes / cost.Clock,6:F2} MB/s ({cost.Clock / here.Clock:F1}x)"));
        }

        var (train, peerTrain) = (Cost.Highest, Cost.Highest);
        for (int round = 0; round < TrainingRounds; round++)
        {
            var start = Cost.Now;
            _ = Tokenizer.TrainByteLevelBpe(TextCorpus.From(file), DefaultVocabulary, minFrequency: 0);
            train = train.Least(Cost.Now.Since(start));
            peerTrain = peerTrain.Least(Ask(peer, new { op = "train", file }).Cost);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"BPE training to {DefaultVocabulary:N0}: here {train.Processor:F2} s of processor time ({train.Clock:F2} s), peer "
                + $"{peerTrain.Processor:F2} s ({peerTrain.Clock:F2} s), {peerTrain.Processor / train.Processor:F2}x "
                + $"({peerTrain.Clock / train.Clock:F2}x)"));
        peer.StandardInput.Close();
        peer.WaitForExit();
        return 0;
    }

    private static Process Start(string folder)
    {
        var start = new ProcessStartInfo("node") { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "peers", "hf-tokenizer-speed.mjs"));
        start.Environment["TOKENIZERS_PARALLELISM"] = "false";
        start.Environment["RAYON_NUM_THREADS"] = "1";
        return Process.Start(start)!;
    }

    private static (Cost Cost, int Tokens) Ask(Process peer, object command)
    {
        peer.StandardInput.WriteLine(JsonSerializer.Serialize(command));
        peer.StandardInput.Flush();

        // The binding draws its progress between the answers.
        string? line;
        while ((line = peer.StandardOutput.ReadLine()) is not null && !line.StartsWith('{'))
        {
        }

        using var answer = JsonDocument.Parse(line ?? throw new InvalidOperationException("The peer has ended."));
        return (new Cost(answer.RootElement.GetProperty("seconds").GetDouble(), answer.RootElement.GetProperty("wall").GetDouble()),
            answer.RootElement.GetProperty("tokens").GetInt32());
    }

    /// <summary>Seconds of processor time and seconds by the clock: on a busy machine the first say more.</summary>
    private readonly record struct Cost(double Processor, double Clock)
    {
        public static Cost Highest => new(double.MaxValue, double.MaxValue);

        public static Cost Now => new(Environment.CpuUsage.TotalTime.TotalSeconds, (double)Stopwatch.GetTimestamp() / Stopwatch.Frequency);

        public Cost Since(Cost start) => new(Processor - start.Processor, Clock - start.Clock);

        public Cost Least(Cost other) => new(Math.Min(Processor, other.Processor), Math.Min(Clock, other.Clock));
    }
}
