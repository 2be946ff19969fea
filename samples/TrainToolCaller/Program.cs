// Trains a small model from scratch that calls functions: a minute and a half on two cores. The other samples with tools run on it.
// Usage: dotnet run -c Release -- MODEL-FOLDER [STEPS]
using System.Globalization;
using Kotonoha.LocalModel.Training;
using Kotonoha.Samples.ToolCalling;

if (args.Length is 0 or > 2)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- MODEL-FOLDER [STEPS]");
    return 1;
}

var options = new ToolCallingOptions();
if (args.Length == 2)
    options = options with { Steps = int.Parse(args[1], CultureInfo.InvariantCulture) };

// 1. The conversations: made here, with calls, results and answers.
var data = new ToolCallingData(seed: 1);
Console.WriteLine($"The functions: {string.Join(", ", ToolCallingData.Functions.Select(function => function.Name))}");
for (int i = 0; i < 3; i++)
{
    var request = data.Request();
    Console.WriteLine($"  {request.Text} -> {request.Call?.Name} {request.Call?.Arguments.GetRawText()} -> {request.Answer}");
}

// 2. Tokenizer, model, training, checkpoint.
var result = await ToolCallingGpt.SaveAsync(args[0], options, new TrainingDisplay());
Console.WriteLine($"loss on held-out answers: {result.ValidationLoss:F3}");
Console.WriteLine($"saved: {Path.GetFullPath(args[0])}");
return 0;

internal sealed class TrainingDisplay : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        if (value.Step % 100 == 0 || value.Step == value.Steps)
            Console.WriteLine($"step {value.Step}/{value.Steps}  loss {value.Loss:F2}  {value.TokensPerSecond:N0} tokens/s  "
                + $"{value.TimeLeft:m\\:ss} left");
    }
}
