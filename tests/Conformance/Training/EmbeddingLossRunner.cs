using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;

namespace Kotonoha.Conformance.Training;

/// <summary>The losses of sentence embeddings with their gradients; distillation is among them.</summary>
internal sealed class EmbeddingLossRunner : FixtureRunner
{
    private const double Tolerance = 1e-5;

    public override IEnumerable<string> Discover(string root)
        => Directory.EnumerateFiles(root, "cases.json", SearchOption.AllDirectories)
            .Where(f => Path.GetFileName(Path.GetDirectoryName(f)) == "embedding-losses")
            .Select(f => Path.GetRelativePath(root, Path.GetDirectoryName(f)!).Replace('\\', '/')).Order(StringComparer.Ordinal);

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "cases.json")));
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "tensors.safetensors"));
        foreach (var one in json.RootElement.EnumerateArray())
            Check(one, tensors, log);
    }

    private static void Check(JsonElement one, SafetensorsFile tensors, CaseLog log)
    {
        var name = one.GetProperty("name").GetString()!;
        bool distillation = one.GetProperty("kind").GetString() == "distillation";
        string[] inputs = distillation
            ? [$"{name}.student"]
            : [.. Enumerable.Range(0, one.GetProperty("columns").GetInt32()).Select(c => $"{name}.emb.{c}")];
        string[] gradients = distillation
            ? [$"{name}.grad"]
            : [.. Enumerable.Range(0, inputs.Length).Select(c => $"{name}.grad.{c}")];
        Parameter[] parameters = [.. inputs.Select(i =>
        {
            var parameter = new Parameter(i, [.. tensors[i].Shape.ToArray().Select(d => checked((int)d))]);
            tensors.Read(i, parameter.Values);
            return parameter;
        })];
        using var session = ComputingDevice.Training(parameters);
        session.ZeroGradients();
        var pass = session.Begin(0);
        Tensor[] columns = [.. parameters.Select(pass.FromParameter)];
        var loss = distillation ? Distilled(one, name, pass, columns[0], tensors) : Loss(one, name, pass, columns, tensors);
        session.Backward(loss);
        double value = pass.ReadScalar(loss);
        log.Case($"{name} loss", () => FixtureTensors.Close(value, one.GetProperty("loss").GetDouble(), Tolerance, Tolerance));
        for (int i = 0; i < parameters.Length; i++)
        {
            int index = i;
            log.Case(gradients[i], () =>
            {
                var gradient = new float[parameters[index].Length];
                session.ReadGradient(parameters[index], gradient);
                return CaseLog.Compare(gradient, tensors.ReadFloats(gradients[index]), Tolerance, 1e-4);
            });
        }
    }

    private static Tensor Distilled(JsonElement one, string name, Pass pass, Tensor student, SafetensorsFile tensors)
        => DistillationLosses.Mixed(
            pass, student, pass.Constant(tensors.ReadFloats($"{name}.teacher"), student.Rows, student.Columns),
            tensors.Ids($"{name}.labels"), (float)one.GetProperty("temperature").GetDouble(), (float)one.GetProperty("alpha").GetDouble());

    private static Tensor Loss(JsonElement one, string name, Pass pass, Tensor[] columns, SafetensorsFile tensors)
    {
        float Number(string property) => (float)one.GetProperty(property).GetDouble();
        float[] Labels() => tensors.ReadFloats($"{name}.labels");
        return one.GetProperty("kind").GetString() switch
        {
            "MultipleNegativesRankingLoss" => EmbeddingLosses.MultipleNegatives(
                pass, columns[0], columns.Length == 2 ? columns[1] : Below(pass, columns[1], columns[2]), Number("scale")),
            "MultipleNegativesSymmetricRankingLoss" => EmbeddingLosses.MultipleNegatives(
                pass, columns[0], columns[1], Number("scale"), symmetric: true),
            "CoSENTLoss" => EmbeddingLosses.CoSent(pass, columns[0], columns[1], Labels(), Number("scale")),
            "CosineSimilarityLoss" => EmbeddingLosses.CosineSimilarity(pass, columns[0], columns[1], Labels()),
            "TripletLoss" => EmbeddingLosses.Triplet(pass, columns[0], columns[1], columns[2], Number("margin")),
            "ContrastiveLoss" => EmbeddingLosses.Contrastive(pass, columns[0], columns[1], Labels(), Number("margin")),
            var other => throw new InvalidDataException($"unknown loss '{other}'"),
        };
    }

    // The rows of b below those of a.
    private static Tensor Below(Pass pass, Tensor a, Tensor b)
    {
        int width = a.Columns;
        var flat = pass.ConcatColumns(pass.Reshape(a, 1, a.Rows * width), pass.Reshape(b, 1, b.Rows * width));
        return pass.Reshape(flat, a.Rows + b.Rows, width);
    }
}
