using System.Globalization;
using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks.Training;

/// <summary>
/// <c>encoders --data DIR [--pretraining N] [--steps N] [--seed N] [--parts sst2,known,jsquad,jsts] [--model DIR]</c>: a small BERT
/// pretrained on unlabelled text and fine-tuned, beside the same encoder without pretraining and naive Bayes (SST-2); the same with a
/// pretrained encoder that --model names (known); answers and retrieval on JSQuAD, split by article; similarity on JSTS.
/// </summary>
internal static class EncoderBenchmark
{
    private static readonly string[] SpecialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "data", "pretraining", "steps", "seed", "parts", "model");
        int Number(string name, int otherwise)
            => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        if (!options.TryGetValue("data", out var data) || !Directory.Exists(data))
        {
            Console.WriteLine("skipped: data not found (--data DIR with sst2, wikitext-2, jsquad, jsts)");
            return 0;
        }

        int pretraining = Number("pretraining", 3000), steps = Number("steps", 1200), seed = Number("seed", 1);
        var parts = options.GetValueOrDefault("parts", "sst2,known,jsquad,jsts").Split(',');
        Console.WriteLine($"Machine: {Machine.Describe()}; seed {seed}");
        if (parts.Contains("sst2"))
            await SentimentAsync(data, pretraining, steps, (ulong)seed);
        if (parts.Contains("known"))
            await KnownAsync(data, options.GetValueOrDefault("model"), (ulong)seed);
        if (parts.Contains("jsquad") || parts.Contains("jsts"))
            await JapaneseAsync(data, pretraining, steps, (ulong)seed, parts);
        return 0;
    }

    private static async Task SentimentAsync(string data, int pretraining, int steps, ulong seed)
    {
        LabeledText[] train = Sst2(Path.Combine(data, "sst2", "train.txt")), dev = Sst2(Path.Combine(data, "sst2", "dev.txt"));
        string[][] documents = [.. Paragraphs(Path.Combine(data, "wikitext-2", "test.txt")),
            .. Paragraphs(Path.Combine(data, "wikitext-2", "valid.txt")), .. train.Select(t => t.Text).Chunk(8)];
        Console.WriteLine($"SST-2: {train.Length} sentences, {dev.Length} held out; naive Bayes {Share(NaiveBayes(train, dev))}");
        var tokenizer = WordPiece(documents.SelectMany(d => d), 6000);
        var config = BertConfig.Tiny with { VocabularySize = tokenizer.VocabularySize, Positions = 96, Width = 128, Layers = 4 };
        using var pretrained = await PretrainAsync(config, tokenizer, documents, pretraining, seed);
        using var fresh = Bert.Create(config, seed + 1);
        foreach (var (name, body) in ((string, Bert)[])[("without pretraining", fresh), ("pretrained", pretrained)])
        {
            using var model = body.WithHead(EncoderHead.SequenceClassification, ["negative", "positive"], seed);
            using var task = new TextClassification(model, tokenizer, train, dev);
            var result = await new Trainer(new TrainingOptions
            {
                Steps = steps,
                BatchSize = 32,
                ContextLength = 64,
                LearningRate = name == "pretrained" ? 5e-4 : 1e-3,
                EvaluateEvery = Math.Max(1, steps / 6),
                Seed = seed,
            }).RunAsync(task, new Every(Math.Max(1, steps / 6)));
            Console.WriteLine($"SST-2 {name}: {new Rate((int)Math.Round(Value(result, "accuracy") * dev.Length), dev.Length)} "
                + $"({result.Duration.TotalSeconds:F0} s)");
        }
    }

    // A pretrained encoder, and the same without its weights, fine-tuned on nine tenths of the sentences; the second one for three times as
    // many steps. The dev sentences are read once, at the end.
    private static async Task KnownAsync(string data, string? folder, ulong seed)
    {
        const int Steps = 200, Longer = 3, Stretch = 100;
        if (folder is null || !Directory.Exists(folder))
        {
            Console.WriteLine("skipped: model not found (--model DIR, a pretrained BERT such as all-MiniLM-L6-v2)");
            return;
        }

        LabeledText[] all = Sst2(Path.Combine(data, "sst2", "train.txt")), dev = Sst2(Path.Combine(data, "sst2", "dev.txt"));
        new Random((int)seed).Shuffle(all);
        LabeledText[] train = all[(all.Length / 10)..], watched = all[..(all.Length / 10)];
        var tokenizer = Tokenizer.Load(Path.Combine(folder, "tokenizer.json")).WithPadding(null).WithTruncation(null);
        using var known = (Bert)EncoderCheckpoint.Load(folder, EncoderHead.None);
        using var fresh = Bert.Create(known.Config, seed + 1);
        bool[] bayes = NaiveBayes(all, dev), without = await RightAsync(fresh, "without pretraining", Longer * Steps, 3e-4),
            with = await RightAsync(known, "pretrained", Steps, 1e-4);
        Console.WriteLine($"SST-2, {known.ParameterCount:N0} weights: pretrained {Share(with)}, without pretraining {Share(without)}, "
            + $"naive Bayes {Share(bayes)}");
        Compare("without pretraining", without);
        Compare("naive Bayes", bayes);

        async Task<bool[]> RightAsync(Bert body, string name, int steps, double rate)
        {
            using var model = body.WithHead(EncoderHead.SequenceClassification, ["negative", "positive"], seed);
            using var task = new TextClassification(model, tokenizer, train, watched);
            Console.WriteLine($"{name}, measured on a tenth of the training sentences:");
            var result = await new Trainer(new TrainingOptions
            {
                Steps = steps,
                BatchSize = 32,
                ContextLength = 64,
                LearningRate = rate,
                EvaluateEvery = Stretch,
                Seed = seed,
            }).RunAsync(task, new Every(Stretch));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {steps} steps in {result.Duration.TotalSeconds:F0} s"));
            return Right(model, tokenizer, dev);
        }

        // In points, of the same sentences: the interval is of the mean difference, the test McNemar's, exact.
        void Compare(string name, bool[] than)
        {
            double[] differences = [.. with.Zip(than, (a, b) => (a ? 1.0 : 0) - (b ? 1 : 0))];
            var interval = Statistics.PercentileInterval(Statistics.BootstrapMeans(differences));
            double p = Statistics.McNemarExact(differences.Count(d => d > 0), differences.Count(d => d < 0));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"pretrained over {name}: {100 * differences.Average():+0.0;-0.0} points "
                + $"({100 * interval.Low:F1} to {100 * interval.High:F1}), p = {p:G2}"));
        }
    }

    private static bool[] Right(EncoderModel model, Tokenizer tokenizer, LabeledText[] texts)
    {
        using var session = LocalModel.Devices.Device.Cpu.CreateInferenceSession();
        session.Load(model.Parameters);
        var right = new List<bool>();
        foreach (var some in texts.Chunk(32))
        {
            var batch = new LocalModel.Tensors.Batch();
            foreach (var text in some)
            {
                var ids = tokenizer.Encode(text.Text);
                batch.Append(ids, new int[ids.Length]);
            }

            var pass = session.Begin();
            var logits = pass.Read(model.Logits(pass, model.Forward(pass, batch), batch)).ToArray();
            right.AddRange(some.Select((text, i) => logits[2 * i + 1] > logits[2 * i] == text.Label > 0.5));
        }

        return [.. right];
    }

    private static Rate Share(bool[] right) => new(right.Count(r => r), right.Length);

    private static async Task JapaneseAsync(string data, int pretraining, int steps, ulong seed, string[] parts)
    {
        var (train, dev) = JSquad(Path.Combine(data, "jsquad", "valid-v1.3.json"));
        ScoredPair[] similar = Jsts(Path.Combine(data, "jsts", "train.jsonl")), valid = Jsts(Path.Combine(data, "jsts", "valid.jsonl"));
        string[][] documents = [.. train.Select(q => q.Passage).Distinct().Select(p => p.Split('。', StringSplitOptions.RemoveEmptyEntries)),
            .. similar.Select(p => p.First).Chunk(8),
            .. File.ReadLines(Path.Combine(data, "japanese-novel", "wagahaiwa_nekodearu.txt")).Where(l => l.Length > 3).Chunk(12)];
        var tokenizer = WordPiece(documents.SelectMany(d => d), 6000);
        var config = BertConfig.Tiny with { VocabularySize = tokenizer.VocabularySize, Positions = 192, Width = 128, Layers = 4 };
        using var pretrained = await PretrainAsync(config, tokenizer, documents, pretraining, seed);
        if (parts.Contains("jsquad"))
        {
            using var model = pretrained.WithHead(EncoderHead.QuestionAnswering, null, seed);
            using var task = new ExtractiveQuestionAnswering(model, tokenizer, train, [.. dev.Take(400)])
            {
                Score = (answer, right) => AnswerScore.Of(answer, right, AnswerLanguage.Japanese) is var score
                    ? (score.Exact, score.F1)
                    : default,
            };
            var result = await new Trainer(new TrainingOptions
            {
                Steps = steps,
                BatchSize = 16,
                ContextLength = 192,
                LearningRate = 5e-4,
                EvaluateEvery = steps,
                Seed = seed,
            }).RunAsync(task);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"JSQuAD ({train.Count} questions, 400 of held-out articles): EM {100 * Value(result, "exact_match"):F1}, "
                    + $"F1 {100 * Value(result, "f1"):F1} ({result.Duration.TotalSeconds:F0} s)"));

            using var retriever = pretrained.WithHead(EncoderHead.None, null, seed);
            TextPair[] pairs = [.. train.Select(q => new TextPair(q.Question, q.Passage))],
                held = [.. dev.Select(q => new TextPair(q.Question, q.Passage))];
            using var retrieval = new SentenceEmbeddings(retriever, tokenizer, pairs, held);
            var training = new TrainingOptions
            {
                Steps = steps,
                BatchSize = 16,
                ContextLength = 128,
                LearningRate = 3e-4,
                EvaluateEvery = steps,
                Seed = seed,
            };
            retrieval.Prepare(training);
            using (var session = LocalModel.Devices.Device.Cpu.CreateInferenceSession())
                Console.WriteLine("JSQuAD retrieval before: " + Text(retrieval.Measure(session, default)));
            Console.WriteLine("JSQuAD retrieval after contrastive training: "
                + Text((await new Trainer(training).RunAsync(retrieval)).Measurements));
        }

        if (!parts.Contains("jsts"))
            return;
        using var embedder = pretrained.WithHead(EncoderHead.None, null, seed);
        using var pairsTask = new SentenceEmbeddings(embedder, tokenizer, similar, valid);
        var options = new TrainingOptions
        {
            Steps = steps,
            BatchSize = 32,
            ContextLength = 64,
            LearningRate = 3e-4,
            EvaluateEvery = steps,
            Seed = seed,
        };
        Console.WriteLine("JSTS: " + Text((await new Trainer(options).RunAsync(pairsTask)).Measurements));
    }

    private static async Task<Bert> PretrainAsync(BertConfig config, Tokenizer tokenizer, string[][] documents, int steps, ulong seed)
    {
        var model = Bert.Create(config with { Head = EncoderHead.Pretraining }, seed);
        int cut = documents.Length - Math.Max(1, documents.Length / 20);
        using var task = new MaskedLanguageModeling(model, tokenizer, documents[..cut], documents[cut..]);
        var result = await new Trainer(new TrainingOptions
        {
            Steps = steps,
            BatchSize = 16,
            ContextLength = config.Positions,
            LearningRate = 1e-3,
            EvaluateEvery = Math.Max(1, steps / 4),
            Seed = seed,
        }).RunAsync(task, new Every(Math.Max(1, steps / 4)));
        Console.WriteLine($"pretrained {model.ParameterCount:N0} weights on {task.Size:N0} tokens: {Text(result.Measurements)} "
            + $"({result.Duration.TotalSeconds:F0} s, {result.TokensPerSecond:N0} tokens/s)");
        return model;
    }

    private static Tokenizer WordPiece(IEnumerable<string> texts, int size) => Tokenizer.TrainWordPiece(
        texts, new WordPieceTrainingOptions { VocabularySize = size, SpecialTokens = SpecialTokens, LimitAlphabet = 3000 });

    private static LabeledText[] Sst2(string path)
        => [.. File.ReadLines(path).Where(l => l.Length > 2).Select(l => new LabeledText(l[2..], l[0] - '0'))];

    private static IEnumerable<string[]> Paragraphs(string path)
    {
        foreach (var line in File.ReadLines(path))
            if (line.Length > 100 && !line.TrimStart().StartsWith('='))
                yield return [.. line.Split(" . ", StringSplitOptions.RemoveEmptyEntries).Select(s => s + " .")];
    }

    // The articles of the last fifth are held out.
    private static (IReadOnlyList<AnsweredQuestion> Train, IReadOnlyList<AnsweredQuestion> HeldOut) JSquad(string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(path));
        List<AnsweredQuestion> train = [], heldOut = [];
        JsonElement[] articles = [.. json.RootElement.GetProperty("data").EnumerateArray()];
        foreach (var (i, article) in articles.Index())
            foreach (var paragraph in article.GetProperty("paragraphs").EnumerateArray())
                foreach (var question in paragraph.GetProperty("qas").EnumerateArray())
                {
                    JsonElement[] answers = [.. question.GetProperty("answers").EnumerateArray()];
                    (i < articles.Length * 4 / 5 ? train : heldOut).Add(new AnsweredQuestion(
                        question.GetProperty("question").GetString()!, paragraph.GetProperty("context").GetString()!,
                        [.. answers.Select(a => a.GetProperty("text").GetString()!)], answers[0].GetProperty("answer_start").GetInt32()));
                }

        return (train, heldOut);
    }

    private static ScoredPair[] Jsts(string path) => [.. File.ReadLines(path).Select(line =>
    {
        using var json = JsonDocument.Parse(line);
        return new ScoredPair(json.RootElement.GetProperty("sentence1").GetString()!,
            json.RootElement.GetProperty("sentence2").GetString()!,
            json.RootElement.GetProperty("label").GetDouble());
    })];

    // Multinomial, with one added to each count.
    private static bool[] NaiveBayes(LabeledText[] train, LabeledText[] dev)
    {
        var counts = new Dictionary<string, double[]>(StringComparer.Ordinal);
        double[] words = [0, 0], texts = [0, 0];
        foreach (var text in train)
        {
            texts[(int)text.Label]++;
            foreach (var word in text.Text.Split(' '))
            {
                if (!counts.TryGetValue(word, out var both))
                    counts[word] = both = [0, 0];
                both[(int)text.Label]++;
                words[(int)text.Label]++;
            }
        }

        return [.. dev.Select(text =>
        {
            double score = Math.Log(texts[1] / texts[0]);
            foreach (var word in text.Text.Split(' '))
                if (counts.TryGetValue(word, out var both))
                    score += Math.Log((both[1] + 1) / (words[1] + counts.Count)) - Math.Log((both[0] + 1) / (words[0] + counts.Count));
            return score > 0 == text.Label > 0.5;
        })];
    }

    private static double Value(TrainingResult result, string name) => result.Measurements.Single(m => m.Name == name).Value;

    private static string Text(IEnumerable<Measurement> measured)
        => string.Join(", ", measured.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Name} {m.Value:F4}")));
}
