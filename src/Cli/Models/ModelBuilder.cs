using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kotonoha.ChatTemplates;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Text;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Readers;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Models;

/// <summary>Builds the GPT of a folder of documents: tokenizer first, then the model, with a fixed number of steps.</summary>
internal static class ModelBuilder
{
    public const int DefaultSteps = 1200;
    private const int VocabularySize = 2048, Layers = 4, Heads = 4, Width = 128, Context = 128, Windows = 12;
    private const ulong Seed = 1;
    private const int LeastCharacters = 200, ReasonsShown = 5;

    /// <summary>Whether the workspace has a completely trained model.</summary>
    public static bool Exists(Workspace workspace)
        => File.Exists(Path.Combine(workspace.Model, "latest")) && File.Exists(CompletedMark(workspace));

    /// <summary>Deletes the model, so that the next training begins anew.</summary>
    public static void Forget(Workspace workspace)
    {
        File.Delete(CompletedMark(workspace));
        if (Directory.Exists(workspace.Model))
            Directory.Delete(workspace.Model, recursive: true);
    }

    /// <summary>The steps of the finished model.</summary>
    public static int? StepsOf(Workspace workspace)
        => Exists(workspace)
            && int.TryParse(File.ReadAllText(CompletedMark(workspace)), NumberStyles.Integer, CultureInfo.InvariantCulture, out int steps)
            ? steps
            : null;

    /// <summary>Trains the model of a workspace, or goes on with a training that was interrupted.</summary>
    public static async Task BuildAsync(Workspace workspace, int steps, int? threads, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var (documents, tokenizer) = await ProgressDisplay.RunAsync(progress => PrepareAsync(workspace, progress, cancellationToken));
        var data = Path.Combine(workspace.Root, "training-data");
        using var dataset = Tokenise(data, tokenizer, documents);
        BeginRun(workspace, steps, dataset);
        using var model = Gpt2.Create(
            Gpt2Config.Tiny with
            {
                VocabularySize = tokenizer.VocabularySize,
                Layers = Layers,
                Heads = Heads,
                Width = Width,
                ContextLength = Context
            },
            Seed);
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"Training a GPT from scratch on {documents.Count} documents ({documents.Sum(d => d.Document.Text.Length):N0} characters): "
                + $"{model.ParameterCount:N0} parameters ({Layers} layers, {Heads} heads, {Width} wide, context {Context}), vocabulary "
                + $"{tokenizer.VocabularySize}, {dataset.Train.Count:N0} tokens, {steps} steps …"));
        double before = HeldOutLoss();
        var result = await ProgressDisplay.RunAsync(progress => new Trainer(model, Options(workspace, tokenizer, steps, threads ?? 0))
            .RunAsync(dataset, new TrainingSink(progress), cancellationToken));
        double after = HeldOutLoss();
        AtomicFile.WriteText(CompletedMark(workspace), string.Create(CultureInfo.InvariantCulture, $"{result.Steps}\n"));
        dataset.Dispose();
        Directory.Delete(data, recursive: true);
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"Trained in {watch.Elapsed.TotalSeconds:F1} s ({result.TokensPerSecond:N0} tokens/s): loss on held-out text "
                + $"{before:F2} before, {after:F2} after (nats a token); the model is in {workspace.Model}"));

        double HeldOutLoss()
            => Perplexity.Measure(model, dataset.Validation, threads: threads ?? 0, device: ComputeDevice.Current,
                cancellationToken: cancellationToken).Loss;
    }

    private static async Task<(List<(string Source, ExtractedDocument Document)> Documents, Tokenizer Tokenizer)> PrepareAsync(
        Workspace workspace, IProgress<ProgressReport> progress, CancellationToken cancellationToken)
    {
        var (documents, unread) = await FolderDocuments.ReadAsync(workspace.Documents, progress, cancellationToken);
        int characters = documents.Sum(d => d.Document.Text.Length);
        if (characters < LeastCharacters)
        {
            var message = new StringBuilder();
            message.Append(CultureInfo.InvariantCulture, $"'{workspace.Documents}' has {characters} characters of readable text; a model "
                + $"needs at least {LeastCharacters} (documents: {string.Join(", ", DocumentReaders.Default.Extensions)}); --no-model "
                + $"answers without one");
            foreach (var reason in unread.Take(ReasonsShown))
                message.Append("\n  ").Append(reason);
            throw new UsageException(message.ToString());
        }

        progress.Report(new ProgressReport("tokenizer", 0, null));
        var tokenizer = await Task.Run(
            () => Tokenizer.TrainByteLevelBpe(
                documents.Select(d => d.Document.Text),
                new BpeTrainingOptions { VocabularySize = VocabularySize, SpecialTokens = ChatTemplate.Kotonoha.ControlTokens },
                cancellationToken),
            cancellationToken);
        progress.Report(new ProgressReport("tokenizer", tokenizer.VocabularySize, tokenizer.VocabularySize));
        return (documents, tokenizer);
    }

    // An interrupted training goes on only where it is the same one: other documents or another number of steps begin anew, so that the
    // same documents and steps always give the same model.
    private static void BeginRun(Workspace workspace, int steps, TokenDataset dataset)
    {
        var run =
            string.Create(CultureInfo.InvariantCulture,
                $"{steps} {dataset.Train.Fingerprint:x16} {Layers} {Heads} {Width} {Context} {Windows} {Seed}\n");
        var file = Path.Combine(workspace.Root, "training-run");
        if (File.Exists(file) && File.ReadAllText(file) == run)
            return;
        Forget(workspace);
        AtomicFile.WriteText(file, run);
    }

    private static TrainingOptions Options(Workspace workspace, Tokenizer tokenizer, int steps, int threads)
    {
        int endOfText = tokenizer.TokenToId("<|endoftext|>")!.Value, endOfTurn = tokenizer.TokenToId("<|end|>")!.Value;
        return new TrainingOptions
        {
            Steps = steps,
            BatchSize = Windows,
            LearningRate = 2e-3,
            Seed = Seed,
            Device = ComputeDevice.Current,
            Threads = threads,
            Checkpoints = new TrainingCheckpoints(workspace.Model)
            {
                Every = Math.Max(1, steps / 4),
                Parts = new CheckpointParts
                {
                    TokenizerJson = Json(tokenizer),
                    TokenizerSettings =
                        new TokenizerSettings
                        {
                            BosToken = "<|endoftext|>",
                            EosToken = "<|endoftext|>",
                            ModelMaxLength = Context,
                            ChatTemplate = ChatTemplate.Kotonoha.Jinja
                        },
                    GenerationSettings = new GenerationSettings { BosTokenId = endOfText, EosTokenIds = [endOfTurn, endOfText] },
                },
            },
        };
    }

    private static TokenDataset Tokenise(string folder, Tokenizer tokenizer, List<(string Source, ExtractedDocument Document)> documents)
    {
        Directory.CreateDirectory(folder);
        var (train, heldOut) = FolderDocuments.Split(documents);
        var rows = new TrainingRows(tokenizer);
        var (trainFile, heldOutFile) = (Path.Combine(folder, "train.tokens"), Path.Combine(folder, "held-out.tokens"));
        using (var writer = new TokenFileWriter(trainFile, tokenizer.VocabularySize))
        using (var other = new TokenFileWriter(heldOutFile, tokenizer.VocabularySize))
        {
            foreach (var (source, document) in train)
                foreach (var row in rows.Of(document, BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(source)))))
                    writer.Add(row.Span);
            foreach (var (_, document) in heldOut)
                other.Add(rows.Of(document, 0).First().Span);

            // A single document: its last tenth is measured on.
            if (heldOut.Count == 0)
            {
                var ids = rows.Of(train[0].Document, 0).First().Span;
                other.Add(ids[^Math.Max(2, ids.Length / 10)..]);
            }

            writer.Complete();
            other.Complete();
        }

        return new TokenDataset(TokenFile.Open(trainFile), TokenFile.Open(heldOutFile));
    }

    private static string Json(Tokenizer tokenizer)
    {
        using var memory = new MemoryStream();
        tokenizer.Write(memory);
        return Encoding.UTF8.GetString(memory.GetBuffer(), 0, (int)memory.Length);
    }

    private static string CompletedMark(Workspace workspace) => Path.Combine(workspace.Root, "model-completed");
}

/// <summary>Shows the training as one bar: step, loss, tokens a second (time left is the bar's own column).</summary>
internal sealed class TrainingSink(IProgress<ProgressReport> progress) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => progress.Report(new ProgressReport(
        "train", value.Step, value.Steps,
        string.Create(CultureInfo.InvariantCulture, $"loss {value.Loss:F2}  {value.TokensPerSecond:N0} tokens/s")));
}

/// <summary>The documents of a folder as the model learns from them.</summary>
internal static class FolderDocuments
{
    // One file of every so many is held out, chosen by its name, so that the loss is measured on documents that the model has not seen.
    private const int HeldOutOneIn = 12;

    /// <summary>Reads the documents; those that cannot be read come back as lines that say why.</summary>
    public static async Task<(List<(string Source, ExtractedDocument Document)> Documents, List<string> Unread)> ReadAsync(
        string folder, IProgress<ProgressReport> progress, CancellationToken cancellationToken)
    {
        var files = DocumentFiles.Of(folder, DocumentReaders.Default);
        var documents = new List<(string, ExtractedDocument)>();
        var unread = new List<string>();
        for (int i = 0; i < files.Count; i++)
        {
            progress.Report(new ProgressReport("read", i, files.Count, files[i].Source));
            try
            {
                var document = await DocumentReaders.Default.ReadFileAsync(files[i].Path, cancellationToken);
                if (!string.IsNullOrWhiteSpace(document.Text))
                    documents.Add((files[i].Source, document));
            }
            catch (Exception exception) when (exception is KotonohaException or IOException or UnauthorizedAccessException)
            {
                unread.Add($"{files[i].Source}: {exception.Message}");
            }
        }

        progress.Report(new ProgressReport("read", files.Count, files.Count));
        return (documents, unread);
    }

    /// <summary>Splits documents into those to learn from and those to measure on (at least one of each where there are two).</summary>
    public static (List<(string Source, ExtractedDocument Document)> Train,
        List<(string Source, ExtractedDocument Document)> HeldOut) Split(
        List<(string Source, ExtractedDocument Document)> documents)
    {
        // A document that is more than half of all text is never held out.
        long half = documents.Sum(d => (long)d.Document.Text.Length) / 2;
        var ordered = documents.OrderBy(d => d.Document.Text.Length > half)
            .ThenBy(d => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(d.Source))), StringComparer.Ordinal).ToList();
        int heldOut = documents.Count < 2 ? 0 : Math.Max(1, documents.Count / HeldOutOneIn);
        return (ordered[heldOut..], ordered[..heldOut]);
    }
}

/// <summary>
/// What the GPT of a folder learns from: the documents themselves, and for every sentence two short forms that put it to use: a question
/// answered by it (the form of a chat), and the sentence followed by a question that it answers (the form by which sentences are ranked).
/// The questions are headings and words of the sentence; nobody writes them by hand.
/// </summary>
internal sealed class TrainingRows(Tokenizer tokenizer)
{
    private const int MinSentence = 12, MaxSentence = 400, WordsInQuestion = 4;
    private readonly int _end = tokenizer.TokenToId("<|endoftext|>")!.Value;

    /// <summary>What stands between a sentence and the question that it answers.</summary>
    public const string QuestionMark = "\n\nQ: ";

    /// <summary>The rows of one document, in tokens: its text first.</summary>
    public IEnumerable<ReadOnlyMemory<int>> Of(ExtractedDocument document, int seed)
    {
        yield return Row(tokenizer.Encode(document.Text, addSpecialTokens: false));
        var random = new Random(seed);
        foreach (var block in document.Blocks)
        {
            if (block.Kind is not (BlockKind.Paragraph or BlockKind.ListItem))
                continue;
            var heading = block.HeadingPath?.Split(" › ")[^1] ?? document.Title;
            foreach (var span in SentenceSplitter.Split(document.Text, block.Start, block.End))
            {
                if (span.Length is < MinSentence or > MaxSentence)
                    continue;
                var sentence = document.Text[span.Start..span.End];
                var words = Words(sentence, random);
                if (words.Length == 0)
                    continue;
                yield return Row(tokenizer.Encode(sentence + QuestionMark + words, addSpecialTokens: false));
                yield return Row(
                    tokenizer.Encode(
                        sentence + QuestionMark + (heading is null ? Words(sentence, random) : $"{heading} {Words(sentence, random)}"),
                        addSpecialTokens: false));
                yield return ChatRow(heading ?? words, sentence);
            }
        }
    }

    // A few words of the sentence, in its order: neighbouring terms, so that Japanese gives pieces of words and not single characters.
    private static string Words(string sentence, Random random)
    {
        var terms = TextAnalyzer.Analyze(sentence);
        if (terms.Count == 0)
            return "";
        var text = new StringBuilder();
        int last = -1;
        foreach (int pick in Enumerable.Range(0, WordsInQuestion).Select(_ => random.Next(terms.Count)).Distinct().Order())
        {
            if (terms[pick].Start < last)
                continue;
            text.Append(text.Length > 0 ? " " : "").Append(sentence, terms[pick].Start, terms[pick].End - terms[pick].Start);
            last = terms[pick].End;
        }

        return text.ToString();
    }

    private int[] ChatRow(string question, string answer)
    {
        var ids = new List<int>();
        foreach (var segment
            in ChatTemplate.Kotonoha.Render([new ChatTurn(ChatTurn.User, question), new ChatTurn(ChatTurn.Assistant, answer)],
                addGenerationPrompt: false))
            tokenizer.Encode(segment.Text, ids, addSpecialTokens: false, parseSpecialTokens: segment.IsControl);
        return Row([.. ids]);
    }

    private int[] Row(int[] ids) => [.. ids, _end];
}
