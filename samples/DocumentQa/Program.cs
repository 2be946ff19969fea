// Answers questions from a folder of documents, with citations. A small GPT trained on the documents helps to rank their sentences.
// Usage: dotnet run -c Release -- DOCUMENT-FOLDER WORK-FOLDER STEPS QUESTION ...
using System.Globalization;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Kotonoha.Readers;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;
using Kotonoha.Tokenizers;

if (args.Length < 4)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- DOCUMENT-FOLDER WORK-FOLDER STEPS QUESTION ...");
    return 1;
}

string documents = args[0], work = args[1], modelFolder = Path.Combine(work, "gpt");
if (!Directory.Exists(modelFolder))
    await TrainAsync(int.Parse(args[2], CultureInfo.InvariantCulture));
using var gpt = LocalGpt.Load(modelFolder);

// The folder's documents go into the store; on the next run only what has changed does.
await using var knowledge =
    new KnowledgeBase(EmbeddedStore.Open(Path.Combine(work, "knowledge.db")), new SvdEmbedder(Path.Combine(work, "embedder")));
var report = await knowledge.SyncFolderAsync(documents);
Console.WriteLine($"{report.Added.Count} added, {report.Changed.Count} changed, {report.Removed.Count} removed, "
    + $"{report.Unchanged.Count} unchanged, {report.Skipped.Count} skipped");

foreach (var question in args[3..])
{
    var answer = await knowledge.AskAsync(question, options: new AskOptions { Scorer = new QuestionLikelihood(gpt) });
    Console.WriteLine($"\n{question}\n{answer.Text}");
    foreach (var citation in answer.Citations)
        Console.WriteLine(
            $"  [{citation.Number}] {citation.Source}{(citation.Page is { } page ? $", page {page}" : "")}: {citation.Quote}");
    foreach (var nearest in answer.Nearest)
        Console.WriteLine($"  nearest: {nearest.Source}");
}

return 0;

async Task TrainAsync(int steps)
{
    var texts = new List<string>();
    foreach (var file in Directory.EnumerateFiles(documents, "*", SearchOption.AllDirectories)
        .Where(file => DocumentReaders.Default.TryGet(file, out _)).Order(StringComparer.Ordinal))
    {
        try
        {
            texts.Add((await DocumentReaders.Default.ReadFileAsync(file)).Text);
        }
        catch (KotonohaException e)
        {
            Console.Error.WriteLine($"left out: {e.Message}");
        }
    }

    var tokenizer = Tokenizer.TrainByteLevelBpe(texts, vocabularySize: 1024);
    using var dataset = TokenDataset.FromTokens(tokenizer.Encode(string.Join("\n\n", texts)), tokenizer.VocabularySize);
    using var model = Gpt2.Create(Gpt2Config.Tiny with { VocabularySize = tokenizer.VocabularySize }, seed: 1);
    var result = await new Trainer(model, new TrainingOptions { Steps = steps, ContextLength = 64 }).RunAsync(dataset);
    model.Save(modelFolder, tokenizer);
    Console.WriteLine($"trained a GPT of {model.ParameterCount:N0} parameters in {result.Steps} steps, loss {result.Loss:F2}");
}

/// <summary>How likely the model finds the question after each sentence.</summary>
internal sealed class QuestionLikelihood(LocalGpt gpt) : ISentenceScorer
{
    public async ValueTask<IReadOnlyList<double>> ScoreAsync(
        string question, IReadOnlyList<string> sentences, CancellationToken cancellationToken = default)
        => [.. (await gpt.ScoreAsync([.. sentences.Select(sentence => (Fit(sentence), "\n" + Fit(question)))], cancellationToken)).Select(
            score => score.PerToken)];

    private string Fit(string text) => gpt.CountTokens(text) <= gpt.ContextLength / 3 ? text : Fit(text[..(text.Length / 2)]);
}
