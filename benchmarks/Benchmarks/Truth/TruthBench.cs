using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Kotonoha.Readers;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>Bar 6: are answers true, and is what is not in the documents left unanswered?</summary>
internal static class TruthBench
{
    private const int PerHalf = 250;
    private static readonly double[] Sweep = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6];

    /// <summary><c>truth DATA [--seed N] [--tuning] [--misses] [--sweep]</c>: the whole measurement through the library.</summary>
    internal static async Task<int> RunAsync(string[] args)
    {
        bool tuning = args.Contains("--tuning");
        var data = TruthData.Draw(args[0], Seed(args), PerHalf, tuning);
        var folder = Directory.CreateTempSubdirectory("kotonoha-truth-");
        try
        {
            await using var knowledge = await IndexAsync(data, folder.FullName);
            var thresholds = args.Contains("--sweep") ? Sweep : [Options(args).Threshold];
            var scores = thresholds.ToDictionary(threshold => threshold, _ => new TruthScore());
            double asking = 0;
            foreach (var gold in data.Answerable.Concat(data.Unanswerable))
            {
                var start = Stopwatch.GetTimestamp();
                var answer = await knowledge.AskAsync(gold.Question, null, Options(args) with { Threshold = thresholds.Min() });
                asking += Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                var quotes = await QuotesAsync(answer, Path.Combine(folder.FullName, "docs"));
                foreach (var threshold in thresholds)
                {
                    bool found = answer.Found && answer.Citations[0].Score >= threshold;
                    scores[threshold].Add(gold, found, found ? quotes : []);
                }

                if (args.Contains("--misses") && !IsRight(gold, answer))
                    Console.WriteLine($"- {gold.Question}\n  gold: {string.Join(" / ", gold.Answers.Distinct())}\n  "
                        + $"{(answer.Found ? answer.Citations[0].Score + " " + answer.Citations[0].Quote : "(not found)")}");
            }

            foreach (var (threshold, score) in scores)
                Console.WriteLine(
                    string.Create(CultureInfo.InvariantCulture, $"seed {Seed(args)}, {(tuning ? "tuning" : "measured")} questions, "
                    + $"threshold {threshold:F2}: {score}; {asking / (2 * PerHalf):F1} ms a question"));
            return scores.Values.All(score => score.IsTrue) ? 0 : 1;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<List<(string Quote, string InSource)>> QuotesAsync(Answer answer, string documents)
    {
        var quotes = new List<(string, string)>();
        foreach (var citation in answer.Citations)
            quotes.Add(
                (citation.Quote,
                    (await DocumentReaders.Default.ReadFileAsync(
                        Path.Combine(documents, citation.Source))).Text[citation.Start..citation.End]));
        return quotes;
    }

    private static bool IsRight(GoldQuestion gold, Answer answer)
        => gold.Answers.Count == 0
            ? !answer.Found
            : answer.Found && gold.Answers.Any(a => answer.Citations[0].Quote.Contains(a, StringComparison.Ordinal));

    /// <summary>
    /// <c>truth-file DOCS QUESTIONS.jsonl [--threshold N] [--embedding-model DIR] [--scorer-weight W] [--scorer-candidates N]</c>: the same
    /// for any folder, with every question on a line.
    /// </summary>
    internal static async Task<int> RunFileAsync(string[] args)
    {
        var folder = Directory.CreateTempSubdirectory("kotonoha-truth-");
        try
        {
            using var encoder = Option(args, "--embedding-model") is { } model ? LocalEncoder.Load(model) : null;
            using var embedder = encoder?.AsEmbeddingGenerator();
            await using var knowledge = embedder is null
                ? Open(folder.FullName)
                : new KnowledgeBase(EmbeddedStore.Open(Path.Combine(folder.FullName, "kb.db")), embedder);
            await knowledge.SyncFolderAsync(args[0]);
            var score = new TruthScore();
            var options = Options(args);
            if (embedder is not null)
                options = options with
                {
                    Scorer = new EmbeddingSentenceScorer(embedder),
                    ScorerWeight = double.Parse(Option(args, "--scorer-weight") ?? "1", CultureInfo.InvariantCulture),
                    ScorerCandidates = int.Parse(Option(args, "--scorer-candidates") ?? "40", CultureInfo.InvariantCulture),
                };
            foreach (var gold in GoldQuestion.ReadFile(args[1]))
            {
                var answer = await knowledge.AskAsync(gold.Question, null, options);
                score.Add(gold, answer.Found, await QuotesAsync(answer, args[0]));
                var best = (await knowledge.TraceAsync(gold.Question, options, default))?.Candidates.FirstOrDefault();
                Console.WriteLine($"{(IsRight(gold, answer) ? "right" : "WRONG")} {best?.Probability:F2} "
                    + $"{(gold.Answers.Count == 0 ? "(unanswerable) " : "")}{gold.Question}\n    {best?.Passage.Chunk.Source}: "
                    + $"{best?.Sentence.Normalized}");
            }

            Console.WriteLine(score);
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static AskOptions Options(string[] args)
        => Option(args, "--threshold") is { } threshold
            ? new AskOptions { Threshold = double.Parse(threshold, CultureInfo.InvariantCulture) }
            : new AskOptions();

    internal static KnowledgeBase Open(string folder)
        => new(EmbeddedStore.Open(Path.Combine(folder, "kb.db")), new SvdEmbedder(Path.Combine(folder, "embedder")));

    /// <summary>
    /// <c>truth-data DATA FOLDER [--seed N]</c>: writes docs/, questions.txt and gold.json, for a measurement through the command line.
    /// </summary>
    internal static int WriteData(string[] args)
    {
        var data = TruthData.Draw(args[0], Seed(args), PerHalf, tuning: false);
        WriteDocuments(data, args[1]);
        GoldQuestion[] questions = [.. data.Answerable, .. data.Unanswerable];
        File.WriteAllLines(Path.Combine(args[1], "questions.txt"), questions.Select(question => question.Question));
        File.WriteAllText(Path.Combine(args[1], "gold.json"), JsonSerializer.Serialize(questions));
        Console.Error.WriteLine($"seed {Seed(args)}: {data.Documents.Count} documents, {questions.Length} questions");
        return 0;
    }

    /// <summary><c>truth-score FOLDER ANSWERS.jsonl</c>: scores the command line's answers to what <c>truth-data</c> wrote.</summary>
    internal static async Task<int> ScoreAsync(string[] args)
    {
        var questions = JsonSerializer.Deserialize<GoldQuestion[]>(File.ReadAllText(Path.Combine(args[0], "gold.json")))!;
        var lines = File.ReadLines(args[1]).Where(line => line.Length > 0).ToArray();
        if (lines.Length != questions.Length)
        {
            Console.Error.WriteLine($"{questions.Length} questions, but {lines.Length} answers");
            return 1;
        }

        var score = new TruthScore();
        for (int i = 0; i < lines.Length; i++)
        {
            using var answer = JsonDocument.Parse(lines[i]);
            var root = answer.RootElement;
            if (root.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.String)
                throw new InvalidDataException($"answer {i + 1} is an error: {error.GetString()}");
            if (root.GetProperty("question").GetString() != questions[i].Question)
                throw new InvalidDataException($"answer {i + 1} belongs to another question");
            var quotes = new List<(string, string)>();
            foreach (var citation in root.GetProperty("citations").EnumerateArray())
            {
                var path = Path.Combine(args[0], "docs", citation.GetProperty("source").GetString()!);
                var text = (await DocumentReaders.Default.ReadFileAsync(path)).Text;
                var quote = citation.GetProperty("quote").GetString()!;
                // These documents are plain text: the quotation must stand in the file itself too.
                bool inFile = File.ReadAllText(path).Contains(quote, StringComparison.Ordinal);
                quotes.Add((quote, inFile ? text[citation.GetProperty("start").GetInt32()..citation.GetProperty("end").GetInt32()] : ""));
            }

            score.Add(questions[i], root.GetProperty("found").GetBoolean(), quotes);
        }

        Console.WriteLine(score);
        return score.IsTrue ? 0 : 1;
    }

    internal static async Task<KnowledgeBase> IndexAsync(TruthData data, string folder)
    {
        WriteDocuments(data, folder);
        var knowledge = Open(folder);
        await knowledge.SyncFolderAsync(Path.Combine(folder, "docs"));
        return knowledge;
    }

    internal static string? Option(string[] args, string name)
        => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;

    private static int Seed(string[] args) => int.Parse(Option(args, "--seed") ?? "1", CultureInfo.InvariantCulture);

    private static void WriteDocuments(TruthData data, string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "docs"));
        foreach (var (name, text) in data.Documents)
            File.WriteAllText(Path.Combine(folder, "docs", name), text, new UTF8Encoding(false));
    }
}
