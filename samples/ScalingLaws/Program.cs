// Trains a handful of small GPTs on more and more of a text, fits a scaling law to their losses, and predicts the loss of a larger run.
// Usage: dotnet run -c Release -- STEPS TEXT    (steps of the sweep's longest run; a text file or a folder of .txt and .md)
using System.Globalization;
using System.Text;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

if (args.Length != 2)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS TEXT");
    return 1;
}

int steps = int.Parse(args[0], CultureInfo.InvariantCulture);
using var data = TokenDataset.FromBytes(Encoding.UTF8.GetBytes(string.Concat(TextCorpus.From(args[1]))));

// 1. The sweep: every width with every number of steps; the last run is the one to be predicted.
var options = new ScalingSweepOptions
{
    Widths = [16, 32, 48],
    Steps = [steps / 4, steps / 2, steps],
    HeldOutWidth = 80,
    HeldOutSteps = steps * 3,
};
var runs = new List<ScalingRun>();
foreach (var (width, count) in options.Plan)
{
    var run = await ScalingSweep.RunAsync(data, width, count, options);
    runs.Add(run);
    Say($"{run.Parameters,9:N0} parameters, {run.Tokens,11:N0} bytes: loss {run.Loss:F3}");
}

// 2. The fit: L(N, D) = E + A / N^α + B / D^β.
var study = ScalingStudy.Of(runs[..^1], runs[^1]);
var (law, heldOut) = (study.Law, study.HeldOut);
var (floor, a, alpha, b, beta) = law;
Say($"L(N, D) = {floor:F3} + {a:G3} / N^{alpha:F3} + {b:G3} / D^{beta:F3}");

// 3. The prediction, beside the baseline that a larger run is as good as the best one there is.
var interval = study.Predicted(heldOut.Parameters, heldOut.Tokens);
double best = runs[..^1].Min(run => run.Loss);
Say($"the larger run: loss {heldOut.Loss:F3}");
Say($"predicted:      {study.Prediction:F3} ({interval.Low:F3}–{interval.High:F3}), {100 * study.Error:+0.0;-0.0}%");
Say($"best of sweep:  {best:F3}, {100 * (best / heldOut.Loss - 1):+0.0;-0.0}%");

// 4. What to do with a given amount of computing: 6 FLOPs for each parameter and byte.
double flops = 6 * heldOut.Parameters * heldOut.Tokens;
var (parameters, bytes) = law.Optimal(flops);
Say($"the best use of {flops:E1} FLOPs: {parameters:N0} parameters on {bytes:N0} bytes");
return 0;

static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
