// Trains a small Transformer to translate, from two files whose lines belong together, and translates lines that it has not seen.
// Usage: dotnet run -c Release -- MODEL-FOLDER STEPS [SOURCE-FILE TARGET-FILE]    (without files: English numbers to Japanese ones)
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Samples.Translation;
using Kotonoha.Tokenizers;

if (args.Length is not (2 or 4))
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- MODEL-FOLDER STEPS [SOURCE-FILE TARGET-FILE]");
    return 1;
}

string folder = args[0];
int steps = int.Parse(args[1], CultureInfo.InvariantCulture);
var pairs = args.Length == 4 ? TranslationPair.ReadParallel(args[2], args[3]) : Numbers.Pairs();
TranslationPair[] train = [.. pairs.Where((_, i) => i % 10 != 0)], heldOut = [.. pairs.Where((_, i) => i % 10 == 0)];

// 1. One tokenizer for both languages. Sources and targets end with </s>; targets begin with <pad>.
var tokenizer = Tokenizer.TrainByteLevelBpe(
    train.SelectMany(p => (string[])[p.Source, p.Target]), vocabularySize: 600, specialTokens: ["<pad>", "</s>"]);
var settings = new SequenceSettings { EndTokenIds = [1], PadTokenId = 0 };

// 2. A Transformer with random weights: an encoder and a decoder of two layers each.
var model = Marian.Create(
    new MarianConfig
    {
        VocabularySize = tokenizer.VocabularySize,
        Width = 64,
        EncoderLayers = 2,
        DecoderLayers = 2,
        EncoderFeedForwardWidth = 256,
        DecoderFeedForwardWidth = 256,
    },
    seed: 1);
Console.WriteLine($"{model.ParameterCount:N0} parameters, {train.Length:N0} pairs, {heldOut.Length} held out, {steps} steps");

// 3. Training: each epoch has every pair once, in batches of similar length. It is saved in the Hugging Face layout.
using (var task = new Translation(model, tokenizer, settings, train, heldOut))
{
    var options = new TrainingOptions
    {
        Steps = steps,
        BatchSize = 32,
        LabelSmoothing = 0.1,
        Schedule = LearningRateSchedule.WarmupCosine(3e-3, 3e-4, steps / 10, steps),
        Optimizer = new AdamWOptions { Beta2 = 0.98, WeightDecay = 0.01 },
        EvaluateEvery = Math.Max(1, steps / 4),
        Checkpoints = new TrainingCheckpoints(folder),
    };
    await new Trainer(options).RunAsync(task, new TrainingDisplay());
}

model.Dispose();

// 4. The model at work, with four beams.
using var translator = SequenceToSequence.Load(folder);
var search = new SequenceOptions { Beams = new BeamSearchOptions { BeamCount = 4 } };
var found = await translator.GenerateAsync([.. heldOut.Select(p => p.Source)], search);
for (int i = 0; i < Math.Min(5, heldOut.Length); i++)
    Console.WriteLine($"{heldOut[i].Source} => {found[i].Text}");
int right = found.Zip(heldOut, (f, h) => f.Text == h.Target).Count(equal => equal);
Console.WriteLine($"right to the letter: {right} of {heldOut.Length}");
return 0;

internal sealed class TrainingDisplay : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        if (value.ValidationLoss is { } loss)
            Console.WriteLine($"step {value.Step}/{value.Steps}  loss {value.Loss:F2}  held-out loss {loss:F2}  "
                + $"{value.TimeLeft:m\\:ss} left");
    }
}
