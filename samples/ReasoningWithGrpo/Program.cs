// Teaches a small GPT sums in several steps, with the results alone and with worked steps. Then one that answers at times this way, at
// times that, practises with GRPO: a right result is the only reward, and it finds out that working in steps pays.
// Usage: dotnet run -c Release -- STEPS GRPO-STEPS
using System.Globalization;
using Kotonoha.Samples.ReasoningWithGrpo;

if (args.Length != 2)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS GRPO-STEPS");
    return 1;
}

int steps = int.Parse(args[0], CultureInfo.InvariantCulture), practice = int.Parse(args[1], CultureInfo.InvariantCulture);
var reasoning = new Reasoning(heldOut: 300, seed: 1);
await reasoning.RunAsync(steps, practice, Report);
await reasoning.SampleAsync(steps, Report);
return 0;

static void Report(string name, Outcome outcome) => Console.WriteLine($"{name + ":",-18} {outcome}");
