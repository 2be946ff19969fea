using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Encoding and training against the npm binding of Hugging Face's Rust tokenizers, in turn on one thread, in seconds of processor time: <c>tokenizer-peer FOLDER FILE TOKENIZER.json…</c>
/// (FOLDER: where the binding is installed). See scripts/bench-tokenizers.
/// </summary>
internal static class TokenizerPeer
{
    private const int Rounds = 7;
    private const int TrainingRounds = 3;
    private const int DefaultVocabulary = 30_000;

    public static int Run(string[] args)
    {
        if (args.Length < 3 || !Directory.Exists(args[0]) || !File.Exists(args[1]))
        {
            Console.Error.WriteLine("usage: benchmarks tokenizer-peer FOLDER FILE TOKENIZER.json... (scripts/bench-tokenizers installs the peer)");
            return 2;
        }

        var file = Path.GetFullPath(args[1]);
        var text = File.ReadAllText(file);
        var lines = text.Split('\n').Select(line => line + "\n").ToArray();
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
        using var peer = Start(args[0]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Machine.Describe()}; {megabytes:F2} MB of {Path.GetFileName(file)}, line by line, processor time, best of {Rounds} in turn"));
        foreach (var path in args.Skip(2).Select(Path.GetFullPath))
        {
            var tokenizer = Tokenizer.Load(path).WithTruncation(null).WithPadding(null);
            var ids = new List<int>();
            var (here, there) = (double.MaxValue, double.MaxValue);
            int tokens = 0;
            for (int round = 0; round < Rounds; round++)
            {
                ids.Clear();
                var start = Used();
                foreach (var line in lines)
                    tokenizer.Encode(line, ids, addSpecialTokens: false, parseSpecialTokens: true);
                here = Math.Min(here, (Used() - start).TotalSeconds);
                var answer = Ask(peer, new { op = "encode", tokenizer = path, lines = file });
                (there, tokens) = (Math.Min(there, answer.Seconds), answer.Tokens);
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{path}: here {megabytes / here:F1} MB/s, peer {megabytes / there:F2} MB/s, {there / here:F1}x; {ids.Count:N0} tokens{(ids.Count == tokens ? "" : $", peer {tokens:N0}")}"));
        }

        var (train, peerTrain) = (double.MaxValue, double.MaxValue);
        for (int round = 0; round < TrainingRounds; round++)
        {
            var start = Used();
            _ = Tokenizer.TrainByteLevelBpe(TextCorpus.From(file), DefaultVocabulary, minFrequency: 0);
            train = Math.Min(train, (Used() - start).TotalSeconds);
            peerTrain = Math.Min(peerTrain, Ask(peer, new { op = "train", file }).Seconds);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"BPE training to {DefaultVocabulary:N0}: here {train:F2} s, peer {peerTrain:F2} s, {peerTrain / train:F2}x"));
        peer.StandardInput.Close();
        peer.WaitForExit();
        return 0;
    }

    /// <summary>The processor time of this process so far: on a busy machine the clock says nothing.</summary>
    private static TimeSpan Used() => Environment.CpuUsage.TotalTime;

    private static Process Start(string folder)
    {
        var start = new ProcessStartInfo("node") { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "peers", "hf-tokenizer-speed.mjs"));
        start.Environment["TOKENIZERS_PARALLELISM"] = "false";
        start.Environment["RAYON_NUM_THREADS"] = "1";
        return Process.Start(start)!;
    }

    private static (double Seconds, int Tokens) Ask(Process peer, object command)
    {
        peer.StandardInput.WriteLine(JsonSerializer.Serialize(command));
        peer.StandardInput.Flush();

        // The binding draws its progress between the answers.
        string? line;
        while ((line = peer.StandardOutput.ReadLine()) is not null && !line.StartsWith('{'))
        {
        }

        using var answer = JsonDocument.Parse(line ?? throw new InvalidOperationException("The peer has ended."));
        return (answer.RootElement.GetProperty("seconds").GetDouble(), answer.RootElement.GetProperty("tokens").GetInt32());
    }
}
