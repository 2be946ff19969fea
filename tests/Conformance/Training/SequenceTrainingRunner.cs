using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Training;

/// <summary>An encoder–decoder trained with label smoothing: logits, losses, norms, gradients, weights.</summary>
internal sealed class SequenceTrainingRunner : FixtureRunner
{
    private const float Smoothing = 0.1f;

    public override IEnumerable<string> Discover(string root)
        => FixtureTensors.ModelFolders(root, "marian").Where(f => File.Exists(Path.Combine(root, f, "run.json")));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var model = EncoderDecoderCheckpoint.Load(folder);
        using var batches = SafetensorsFile.Open(Path.Combine(folder, "batches.safetensors"));
        log.Case("logits_first_batch", () =>
        {
            using var session = ComputingDevice.Inference();
            var pass = session.Begin();
            var drawn = Drawn(batches, 0);
            float[] all = batches.ReadFloats("logits_first_batch"), got = pass.Read(Logits(model, pass, drawn)).ToArray();
            int width = model.VocabularySize;
            return CaseLog.Compare(got, [.. drawn.Kept.SelectMany(i => all.AsSpan(i * width, width).ToArray())], 1e-3, 0);
        });
        if (model is Marian marian)
            marian.UntrainedTokenId = marian.StartTokenId;
        new StepChecker(folder, log).Run(model.TrainedParameters, step =>
        {
            var drawn = Drawn(batches, step);
            return pass => pass.CrossEntropy(
                Logits(model, pass, drawn), drawn.Labels, new CrossEntropyOptions { LabelSmoothing = Smoothing });
        });
    }

    private static Tensor Logits(EncoderDecoderModel model, Pass pass, Example drawn)
        => model.Logits(pass, model.Decode(pass, drawn.Inputs, new EncodedSources(model.Encode(pass, drawn.Sources), drawn.Sources)));

    // Padding of targets comes last and has no label: rows end with their last label.
    private static Example Drawn(SafetensorsFile file, int step)
    {
        int rows = checked((int)file["labels"].Shape[1]), length = checked((int)file["labels"].Shape[2]);
        int sourceLength = checked((int)file["input_ids"].Shape[2]);
        int[] ids = file.Ids("input_ids"), mask = file.Ids("attention_mask"), inputs = file.Ids("decoder_input_ids");
        int[] labels = file.Ids("labels");
        Batch sources = new(), targets = new();
        List<int> counted = [], kept = [];
        for (int r = 0; r < rows; r++)
        {
            int at = (step * rows + r) * sourceLength, start = (step * rows + r) * length;
            sources.Append(ids.AsSpan(at, mask.AsSpan(at, sourceLength).Count(1)));
            int end = 1 + Array.FindLastIndex(labels, start + length - 1, length, l => l != CrossEntropyOptions.DefaultIgnoreIndex) - start;
            targets.Append(inputs.AsSpan(start, end));
            counted.AddRange(labels.AsSpan(start, end));
            kept.AddRange(Enumerable.Range(r * length, end));
        }

        return new Example(sources, targets, [.. counted], [.. kept]);
    }

    private sealed record Example(Batch Sources, Batch Inputs, int[] Labels, int[] Kept);
}
