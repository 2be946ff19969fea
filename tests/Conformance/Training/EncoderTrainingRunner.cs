using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.Conformance.Training;

/// <summary>Encoders with their heads: pretraining, classes of texts and tokens, answers; losses, norms, gradients, weights.</summary>
internal sealed class EncoderTrainingRunner : FixtureRunner
{
    public override IEnumerable<string> Discover(string root)
        => FixtureTensors.ModelFolders(root, "bert").Where(f => File.Exists(Path.Combine(root, f, "run.json")));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var model = EncoderCheckpoint.Load(folder);
        var file = Path.Combine(folder, "batches.safetensors");
        using var batches = SafetensorsFile.Open(File.Exists(file) ? file : Path.Combine(folder, "batch.safetensors"));
        new StepChecker(folder, log).Run(model.Parameters, step => Loss(model, batches, step));
    }

    private static Func<Pass, Tensor> Loss(EncoderModel model, SafetensorsFile file, int step)
    {
        // Pretraining has a batch for each step, the others the same one.
        bool many = file["input_ids"].Shape.Length == 3;
        var shape = file["input_ids"].Shape;
        int rows = checked((int)shape[^2]), length = checked((int)shape[^1]), skip = many ? step * rows * length : 0;
        int[] ids = file.Ids("input_ids"), types = file.Ids("token_type_ids"), mask = file.Ids("attention_mask");
        var batch = new Batch();
        var kept = new List<int>();
        for (int r = 0; r < rows; r++)
        {
            int at = skip + r * length, count = mask.AsSpan(at, length).Count(1);
            batch.Append(ids.AsSpan(at, count), types.AsSpan(at, count));
            kept.AddRange(Enumerable.Range(at, count));
        }

        switch (model.Head)
        {
            case EncoderHead.Pretraining:
                int[] words = file.Ids("labels"), follows = file.Ids("next_sentence_label").AsSpan(step * rows, rows).ToArray();
                return pass => MaskedLanguageModeling.Loss(model, pass, batch, [.. kept.Select(i => words[i])], follows);
            case EncoderHead.TokenClassification:
                int[] labels = file.Ids("labels");
                return pass => TokenClassification.Loss(model, pass, batch, [.. kept.Select(i => labels[i])]);
            case EncoderHead.QuestionAnswering:
                // Positions past the end count for none.
                int[] starts = Within("start_positions"), ends = Within("end_positions");
                return pass => ExtractiveQuestionAnswering.Loss(model, pass, batch, starts, ends);
            default:
                float[] classes = Array.ConvertAll(file.Ids("labels"), c => (float)c);
                return pass => TextClassification.Loss(model, pass, batch, classes);
        }

        int[] Within(string name)
            => Array.ConvertAll(file.Ids(name), p => p >= length ? CrossEntropyOptions.DefaultIgnoreIndex : p);
    }
}

/// <summary>Replays the steps of a <c>run.json</c> and compares losses, norms, first gradients and last weights.</summary>
/// <param name="folder">The folder of the run.</param>
/// <param name="log">Where the cases go.</param>
internal sealed class StepChecker(string folder, CaseLog log)
{
    private const string ZeroGradients = "tensors_with_a_gradient_that_is_zero_in_exact_arithmetic";
    private const string FirstGradients = "grads.step1.safetensors";

    // Float32 and float64 differ by up to about this in a gradient.
    private const double NoiseLevel = 3e-7;

    /// <summary>Trains.</summary>
    /// <param name="parameters">What is trained, under the fixture's names.</param>
    /// <param name="lossOf">The loss of a step, from 0.</param>
    /// <param name="untrainedRow">The row of the first parameter that gets no gradient, as torch's <c>padding_idx</c> has it.</param>
    public void Run(IReadOnlyList<Parameter> parameters, Func<int, Func<Pass, Tensor>> lossOf, int? untrainedRow = null)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "run.json")));
        var run = json.RootElement;
        using var session = ComputingDevice.Training(parameters);
        var engine = new TrainingEngine(session, new TrainingOptions
        {
            MaxGradientNorm = run.GetProperty("clip").GetDouble(),
            Optimizer = new AdamWOptions
            {
                Beta1 = run.GetProperty("betas")[0].GetDouble(),
                Beta2 = run.GetProperty("betas")[1].GetDouble(),
                Epsilon = run.GetProperty("eps").GetDouble(),
                WeightDecay = run.GetProperty("weight_decay").GetDouble(),
            },
        });
        int steps = run.GetProperty("steps").GetInt32();
        var zero = run.TryGetProperty(ZeroGradients, out var names) && names.ValueKind == JsonValueKind.Array
            ? names.EnumerateArray().Select(n => n.GetString()!).ToHashSet(StringComparer.Ordinal)
            : [];
        for (int step = 0; step < steps; step++)
        {
            int at = step;
            engine.Begin(step);
            double loss = engine.Accumulate(0, lossOf(step), 1);
            log.Case($"step {at + 1} loss", () => FixtureTensors.Close(loss, run.GetProperty("loss")[at].GetDouble(), 2e-5, 0));
            if (untrainedRow is { } row)
                session.OnHost((parameter, _, gradient) =>
                {
                    if (parameter == parameters[0])
                        gradient.Slice(row * parameter.Shape[1], parameter.Shape[1]).Clear();
                });
            if (step == 0)
                Gradients(parameters, session);
            double norm = engine.Update(run.GetProperty("lr").GetDouble());
            log.Case($"step {at + 1} grad_norm", () => FixtureTensors.Close(norm, run.GetProperty("grad_norm")[at].GetDouble(), 0, 3e-5));
        }

        session.Download();
        var file = Path.Combine(folder, $"weights.step{steps}.safetensors");
        if (!File.Exists(file))
            return;
        using var weights = SafetensorsFile.Open(file);
        using var gradients = SafetensorsFile.Open(Path.Combine(folder, FirstGradients));
        foreach (var parameter in parameters.Where(p => !zero.Contains(p.Name)))
            log.Case($"weights.step{steps} {parameter.Name}", () =>
            {
                // Adam divides a gradient by its own size: one that is rounding noise beside the others moves its weight by noise.
                float[] want = weights.ReadFloats(parameter.Name), first = gradients.ReadFloats(parameter.Name);
                for (int i = 0; i < want.Length; i++)
                    if (Math.Abs(first[i]) < NoiseLevel && first[i] != 0)
                        want[i] = parameter.Values[i];
                return CaseLog.Compare(parameter.Values, want, 5e-5, 0);
            });
    }

    private void Gradients(IReadOnlyList<Parameter> parameters, TrainingSession session)
    {
        using var expected = SafetensorsFile.Open(Path.Combine(folder, FirstGradients));
        foreach (var parameter in parameters)
            log.Case($"step 1 gradient {parameter.Name}", () =>
            {
                var gradient = new float[parameter.Length];
                session.ReadGradient(parameter, gradient);
                return CaseLog.Compare(gradient, expected.ReadFloats(parameter.Name), 5e-6, 1e-4);
            });
    }
}
