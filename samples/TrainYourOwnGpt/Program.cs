// Trains a small GPT on a text file, then completes prompts with it.
// Usage: dotnet run -c Release -- TEXT-FILE MODEL-FOLDER [STEPS] [PROMPT ...]
using System.Globalization;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

if (args.Length < 2)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- TEXT-FILE MODEL-FOLDER [STEPS] [PROMPT ...]");
    return 1;
}

string file = args[0], folder = args[1];
int steps = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 600;

// 1. A tokenizer that is learned from the text. The control tokens let a chat client talk to the model later.
var tokenizer =
    Tokenizer.TrainByteLevelBpe(TextCorpus.From(file), vocabularySize: 1024, specialTokens: ChatTemplate.Kotonoha.ControlTokens);

// 2. The text as tokens; its last tenth is held out.
using var dataset = TokenDataset.FromTokens(tokenizer.Encode(await File.ReadAllTextAsync(file)), tokenizer.VocabularySize);

// 3. A model with random weights, trained for a fixed number of steps.
var config = Gpt2Config.Tiny with { VocabularySize = tokenizer.VocabularySize, ContextLength = 64 };
using (var model = Gpt2.Create(config, seed: 1))
{
    Console.WriteLine($"{model.ParameterCount:N0} parameters, {dataset.Train.Count:N0} tokens, {steps} steps");
    Console.WriteLine($"loss on held-out text before: {Perplexity.Measure(model, dataset.Validation).Loss:F2}");
    await new Trainer(model, new TrainingOptions { Steps = steps }).RunAsync(dataset, new TrainingDisplay());
    Console.WriteLine($"loss on held-out text after:  {Perplexity.Measure(model, dataset.Validation).Loss:F2}");

    // 4. A checkpoint in the Hugging Face layout.
    Console.WriteLine($"saved: {model.Save(folder, CheckpointParts.Of(tokenizer, ChatTemplate.Kotonoha.Jinja))}");
}

// 5. The model at work.
using var gpt = LocalGpt.Load(folder);
foreach (var prompt in args.Length > 3 ? args[3..] : ["The "])
{
    Console.Write($"\n{prompt}");
    var request =
        GenerationRequest.FromPrompt(prompt) with
        {
            MaxOutputTokens = 48,
            Sampling = new SamplingOptions { Temperature = 0.8f, TopK = 40, Seed = 1 }
        };
    await foreach (var update in gpt.GenerateAsync(request))
        Console.Write(update.Text);
    Console.WriteLine();
}

return 0;

internal sealed class TrainingDisplay : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        if (value.Step % 50 == 0 || value.Step == value.Steps)
            Console.WriteLine($"step {value.Step}/{value.Steps}  loss {value.Loss:F2}  {value.TokensPerSecond:N0} tokens/s  "
                + $"{value.TimeLeft:m\\:ss} left");
    }
}
