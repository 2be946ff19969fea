// Pretrains a small BERT on unlabelled text (masked words), then teaches it topics from a few labelled texts, and does the latter once more
// without pretraining.
// Usage: dotnet run -c Release -- STEPS [TEXT LABELLED.tsv]    (label, tab, text on each line; without files: generated texts)
using System.Globalization;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Samples.PretrainBert;
using Kotonoha.Tokenizers;

if (args.Length is not (1 or 3))
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS [TEXT LABELLED.tsv]");
    return 1;
}

int steps = int.Parse(args[0], CultureInfo.InvariantCulture);

// 1. Much text without labels, few texts with them; of the labelled ones one in forty is learned, the others are held out.
string[] unlabelled = args.Length > 1 ? [.. TextCorpus.From(args[1])] : Topics.Texts(800, seed: 1);
var labelled = args.Length > 1 ? ReadLabelled(args[2]) : Topics.Labelled(320, seed: 2);
string[] labels = [.. labelled.Select(text => text.Label).Distinct().Order(StringComparer.Ordinal)];
LabeledText[] all = [.. labelled.Select(text => new LabeledText(text.Text, Array.IndexOf(labels, text.Label)))];
LabeledText[] few = all[..(all.Length / 40)], heldOut = all[few.Length..];

// 2. A WordPiece tokenizer and an encoder with random weights.
var tokenizer = Tokenizer.TrainWordPiece(unlabelled, new WordPieceTrainingOptions { VocabularySize = 1000 });
var config = BertConfig.Tiny with
{
    VocabularySize = tokenizer.VocabularySize,
    Positions = 32,
    Width = 64,
    Layers = 2,
    FeedForwardWidth = 256,
    HiddenDropout = 0,
    AttentionDropout = 0,
};
using var fresh = Bert.Create(config, seed: 1);
using var pretrained = Bert.Create(config with { Head = EncoderHead.MaskedLanguageModel }, seed: 1);

// 3. Pretraining: a third of the words (BERT: 15%, of longer texts) is hidden, and the model says what stood there.
string[][] documents = [.. unlabelled.Select(text => (string[])[text])];
int cut = documents.Length * 9 / 10;
using (var task = new MaskedLanguageModeling(pretrained, tokenizer, documents[..cut], documents[cut..],
    new MaskedLanguageModelingOptions { MaskedShare = 0.3 }))
{
    var trainer = new Trainer(
        new TrainingOptions { Steps = steps, BatchSize = 32, ContextLength = 16, LearningRate = 3e-3, EvaluateEvery = steps });
    Console.WriteLine($"hidden words before pretraining: {Text(await trainer.MeasureAsync(task))}");
    Console.WriteLine($"hidden words after {steps} steps:   {Text((await trainer.RunAsync(task)).Measurements)}");
}

// 4. A classifier on top, learned from the few labels.
Console.WriteLine($"{labels.Length} topics, {few.Length} labelled texts, {heldOut.Length} held out:");
Console.WriteLine($"words of the labelled texts: {Share(Topics.SharedWords(few, heldOut))}");
Console.WriteLine($"without pretraining:         {Share(await ClassifyAsync(fresh))}");
Console.WriteLine($"pretrained:                  {Share(await ClassifyAsync(pretrained))}");
return 0;

async Task<double> ClassifyAsync(Bert body)
{
    using var model = body.WithHead(EncoderHead.SequenceClassification, labels, seed: 1);
    using var task = new TextClassification(model, tokenizer, few, heldOut);
    var options = new TrainingOptions { Steps = 60, BatchSize = 16, ContextLength = 16, LearningRate = 1e-3, EvaluateEvery = 60 };
    var result = await new Trainer(options).RunAsync(task);
    return result.Measurements.Single(m => m.Name == "accuracy").Value;
}

string Share(double share)
{
    var interval = Statistics.Wilson((int)Math.Round(share * heldOut.Length), heldOut.Length);
    return string.Create(CultureInfo.InvariantCulture, $"{100 * share:F1}% right ({100 * interval.Low:F1}–{100 * interval.High:F1})");
}

static string Text(IReadOnlyList<Measurement> measured)
    => string.Join(", ", measured.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Name} {m.Value:F3}")));

static (string Label, string Text)[] ReadLabelled(string file)
    => [.. File.ReadLines(file).Select(line => line.Split('\t', 2)).Select(parts => (parts[0], parts[1]))];
