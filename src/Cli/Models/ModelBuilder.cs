using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Chat;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tokenizers;
using Kotonoha.LocalModel.Training;
using Kotonoha.Rag.Documents;

namespace Kotonoha.Cli.Models;

/// <summary>Builds the GPT of a folder of documents: tokenizer first, then the model, with a fixed number of steps.</summary>
internal static class ModelBuilder
{
    public const int DefaultSteps = 1200;
    private const int VocabularySize = 2048, Layers = 4, Heads = 4, Width = 128, Context = 128, Windows = 12;
    private const ulong Seed = 1;
    private const int LeastCharacters = 200;

    /// <summary>Whether the workspace has a completely trained model.</summary>
    public static bool Exists(Workspace workspace) => File.Exists(Path.Combine(workspace.Model, "latest")) && File.Exists(CompletedMark(workspace));

    /// <summary>Deletes the model, so that the next training begins anew.</summary>
    public static void Forget(Workspace workspace)
    {
        File.Delete(CompletedMark(workspace));
        if (Directory.Exists(workspace.Model))
            Directory.Delete(workspace.Model, recursive: true);
    }

    /// <summary>Trains the model of a workspace, or goes on with a training that was interrupted.</summary>
    public static async Task BuildAsync(Workspace workspace, int steps, int? threads, CancellationToken cancellationToken)
    {
        await ProgressDisplay.RunAsync(async progress =>
        {
            var documents = await FolderDocuments.ReadAsync(workspace.Documents, progress, cancellationToken);
            return await Task.Run(() => TrainAsync(workspace, documents, steps, threads ?? 0, progress, cancellationToken), cancellationToken);
        });
    }

    private static async Task<bool> TrainAsync(
        Workspace workspace,
        List<(string Source, ExtractedDocument Document)> documents,
        int steps,
        int threads,
        IProgress<ProgressReport> progress,
        CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        int characters = documents.Sum(d => d.Document.Text.Length);
        if (characters < LeastCharacters)
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"'{workspace.Documents}' has {characters} characters of readable text; a model needs at least {LeastCharacters} (documents: {string.Join(", ", DocumentReaders.Default.Extensions)})"));

        progress.Report(new ProgressReport("tokenizer", 0, null));
        var tokenizer = Tokenizer.TrainByteLevelBpe(
            documents.Select(d => d.Document.Text),
            new BpeTrainingOptions { VocabularySize = VocabularySize, SpecialTokens = ChatTemplate.Kotonoha.ControlTokens },
            cancellationToken);
        progress.Report(new ProgressReport("tokenizer", tokenizer.VocabularySize, tokenizer.VocabularySize));

        var data = Path.Combine(workspace.Root, "training-data");
        using var dataset = Tokenise(data, tokenizer, documents);
        using var model = Gpt2.Create(
            Gpt2Config.Tiny with { VocabularySize = tokenizer.VocabularySize, Layers = Layers, Heads = Heads, Width = Width, ContextLength = Context },
            Seed);
        double before = Perplexity.Measure(model, dataset.Validation, threads: threads, cancellationToken: cancellationToken).Loss;
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"Training a GPT from scratch on {documents.Count} documents ({characters:N0} characters): {model.ParameterCount:N0} parameters ({Layers} layers, {Heads} heads, {Width} wide, context {Context}), vocabulary {tokenizer.VocabularySize}, {dataset.Train.Count:N0} tokens, {steps} steps …"));

        int endOfText = tokenizer.TokenToId("<|endoftext|>")!.Value, endOfTurn = tokenizer.TokenToId("<|end|>")!.Value;
        var result = await new Trainer(model, new TrainingOptions
        {
            Steps = steps,
            BatchSize = Windows,
            LearningRate = 2e-3,
            Seed = Seed,
            Threads = threads,
            Checkpoints = new TrainingCheckpoints(workspace.Model)
            {
                Every = Math.Max(1, steps / 4),
                Parts = new CheckpointParts
                {
                    TokenizerJson = Json(tokenizer),
                    TokenizerSettings = new TokenizerSettings { BosToken = "<|endoftext|>", EosToken = "<|endoftext|>", ModelMaxLength = Context, ChatTemplate = ChatTemplate.Kotonoha.Jinja },
                    GenerationSettings = new GenerationSettings { BosTokenId = endOfText, EosTokenIds = [endOfTurn, endOfText] },
                },
            },
        }).RunAsync(dataset, new TrainingSink(progress), cancellationToken);
        double after = Perplexity.Measure(model, dataset.Validation, threads: threads, cancellationToken: cancellationToken).Loss;
        Foundation.IO.AtomicFile.WriteText(CompletedMark(workspace), string.Create(CultureInfo.InvariantCulture, $"{result.Steps}\n"));
        dataset.Dispose();
        Directory.Delete(data, recursive: true);
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"Trained in {watch.Elapsed.TotalSeconds:F1} s ({result.TokensPerSecond:N0} tokens/s): loss on held-out text {before:F2} before, {after:F2} after (nats a token); the model is in {workspace.Model}"));
        return true;
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

    /// <summary>Shows the training as one bar: step, loss, tokens a second (time left is the bar's own column).</summary>
    private sealed class TrainingSink(IProgress<ProgressReport> progress) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => progress.Report(new ProgressReport(
            "train", value.Step, value.Steps, string.Create(CultureInfo.InvariantCulture, $"loss {value.Loss:F2}  {value.TokensPerSecond:N0} tokens/s")));
    }
}
