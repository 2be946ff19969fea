using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>Tiny encoders: hidden states of every layer, pooler, head, loss, weakest tensor.</summary>
internal sealed class EncoderModelsRunner : FixtureRunner
{
    private const string ExpectedFile = "expected.json";
    private const double Tolerance = 1e-3;
    private const double RecordedFactor = 20;
    private const double LossTolerance = 1e-4;
    private static readonly string[] ModelTypes = ["bert", "roberta", "xlm-roberta", "distilbert", "camembert"];
    private static readonly string[] Informative =
        ["seed", "model", "transformers", "torch", "max_abs_diff_f32_vs_f64", "logit_std", "same_as", "note"];

    public override IEnumerable<string> Discover(string root)
        => ModelTypes.SelectMany(type => FixtureTensors.ModelFolders(root, type)).Where(f => IsFixture(Path.Combine(root, f)));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var own = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, ExpectedFile)));
        var expectations = own.RootElement.TryGetProperty("same_as", out var other)
            ? Path.Combine(folder, "..", other.GetString()!)
            : folder;
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(expectations, ExpectedFile)));
        using var tensors = SafetensorsFile.Open(Path.Combine(expectations, "expected.safetensors"));
        using var model = EncoderCheckpoint.Load(folder);
        log.Pass(); // it could be loaded
        using var session = ComputingDevice.Inference();
        using var backend = new CpuBackend();
        var expected = json.RootElement;
        var handled = new HashSet<string>(Informative, StringComparer.Ordinal) { "input_ids", "attention_mask", "token_type_ids" };
        int width = checked((int)tensors["input_ids"].Shape[1]);
        int[] ids = tensors.Ids("input_ids"), mask = tensors.Ids("attention_mask");
        int[] types = tensors.TryGet("token_type_ids", out _) ? tensors.Ids("token_type_ids") : new int[ids.Length];
        int[] lengths = [.. Enumerable.Range(0, ids.Length / width).Select(r => mask.AsSpan(r * width, width).Count(1))];
        var batch = new Batch();
        for (int r = 0; r < lengths.Length; r++)
            batch.Append(ids.AsSpan(r * width, lengths[r]), types.AsSpan(r * width, lengths[r]));

        // Everything from one pass, so that what is kept from it stays valid.
        using var recording = new RecordingPass(backend);
        var pass = ComputingDevice.IsCpu ? recording : session.Begin();
        var hidden = model.Forward(pass, batch);
        float[] states = pass.Read(hidden).ToArray();
        var layers = recording.LayerInputs.Chunk(states.Length).Append(states).ToArray();
        for (int i = 0; i < layers.Length && ComputingDevice.IsCpu; i++)
        {
            var name = $"hidden_states.{i}";
            float[] layer = layers[i];
            if (handled.Add(name) && tensors.TryGet(name, out _))
                log.Case(name, () => Compare(name, layer));
        }

        handled.Add("last_hidden_state");
        log.Case("last_hidden_state", () => Compare("last_hidden_state", states));
        if (tensors.TryGet("pooler_output", out _) && handled.Add("pooler_output"))
            log.Case("pooler_output", () => Compare("pooler_output", pass.Read(((Bert)model).Pooled(pass, hidden, batch))));
        var logits = model.Head == EncoderHead.None ? default : model.Logits(pass, hidden, batch);
        float[] scores = logits.Exists ? pass.Read(logits).ToArray() : [];
        if (tensors.TryGet("logits", out _) && handled.Add("logits"))
            log.Case("logits", () => Compare("logits", scores));
        if (tensors.TryGet("start_logits", out _) && handled.Add("start_logits") && handled.Add("end_logits"))
        {
            log.Case("start_logits", () => Compare("start_logits", Column(scores, 0)));
            log.Case("end_logits", () => Compare("end_logits", Column(scores, 1)));
        }

        for (int r = 0; r < lengths.Length && ComputingDevice.IsCpu; r++)
        {
            int row = r;
            log.Case($"row {row} alone has the same bits", () =>
            {
                using var alone = new CpuInferencePass(backend);
                alone.Begin();
                var one = new Batch();
                one.Append(ids.AsSpan(row * width, lengths[row]), types.AsSpan(row * width, lengths[row]));
                int start = batch.SequenceStarts[row] * model.Width;
                return alone.Read(model.Forward(alone, one)).SequenceEqual(states.AsSpan(start, lengths[row] * model.Width))
                    ? null
                    : "the hidden states differ";
            });
        }

        if (expected.TryGetProperty("loss", out var loss) && handled.Add("loss"))
        {
            handled.UnionWith(["labels", "labels.start_positions", "labels.end_positions"]);
            if (model.Head == EncoderHead.QuestionAnswering && lengths.Any(l => l < width))
                log.Skip("loss",
                    "the reference's loss of an answer counts the logits of padded places, which a batch without padding does not have");
            else
                log.Case("loss", () => FixtureTensors.Close(Loss(), loss.GetDouble(), 0, LossTolerance));
        }

        if (expected.TryGetProperty("weakest_tensor", out var weakest) && handled.Add("weakest_tensor"))
            log.Case("weakest_tensor", () => Weakest(weakest));

        foreach (var field in expected.EnumerateObject())
            if (!handled.Contains(field.Name))
                log.Skip(field.Name, $"'{field.Name}' is not checked yet");
        foreach (var tensor in tensors.Tensors)
            if (!handled.Contains(tensor.Name))
                log.Skip(tensor.Name, $"'{tensor.Name}' is not checked yet");

        string? Compare(string name, ReadOnlySpan<float> got)
            => CaseLog.Compare(got, Unpadded(tensors.ReadFloats(name), tensors[name].Shape), ToleranceOf(name), 0);

        double ToleranceOf(string name)
            => expected.TryGetProperty("max_abs_diff_f32_vs_f64", out var recorded) && recorded.TryGetProperty(name, out var difference)
                ? Math.Max(Tolerance, RecordedFactor * difference.GetDouble())
                : Tolerance;

        // [rows, T, …] without the places of padding; [rows, …] as it is.
        float[] Unpadded(float[] values, ReadOnlySpan<long> shape)
        {
            if (shape.Length < 2 || shape[1] != width || (shape.Length == 2 && model.Head == EncoderHead.SequenceClassification))
                return values;
            int columns = shape.Length == 3 ? (int)shape[2] : 1;
            var kept = new List<float>();
            for (int r = 0; r < lengths.Length; r++)
                kept.AddRange(values.AsSpan(r * width * columns, lengths[r] * columns));
            return [.. kept];
        }

        double Loss()
        {
            if (model.Head == EncoderHead.QuestionAnswering)
                return (Answer("labels.start_positions", 0) + Answer("labels.end_positions", 1)) / 2;
            if (tensors["labels"].Type == StoredType.Float32)
                return tensors.ReadFloats("labels").Zip(scores, (want, score) => ((double)want - score) * (want - score)).Average();
            int[] labels = tensors.Ids("labels");
            if (labels.Length == ids.Length)
                labels = [.. Enumerable.Range(0, lengths.Length).SelectMany(r => labels.Skip(r * width).Take(lengths[r]))];
            return pass.ReadScalar(pass.CrossEntropy(logits, labels));
        }

        // Each row is one choice among the places of its text.
        double Answer(string name, int column)
            => pass.ReadScalar(pass.CrossEntropy(pass.Constant(Column(scores, column), lengths.Length, width), tensors.Ids(name)));

        string? Weakest(JsonElement weakest)
        {
            var name = weakest.GetProperty("name").GetString()!;
            var parameter = model.Parameters.FirstOrDefault(p => p.Name == name || p.Name.EndsWith("." + name, StringComparison.Ordinal));
            if (parameter is null)
                return $"the model has no parameter '{name}'";
            float[] before = Output();
            var kept = parameter.Values.ToArray();
            bool norm = parameter.Name.EndsWith("orm.weight", StringComparison.Ordinal);
            parameter.Values.Fill(norm ? 1 : 0);
            float[] after = Output();
            kept.CopyTo(parameter.Values);
            double change = 0;
            for (int i = 0; i < before.Length; i++)
                change = Math.Max(change, Math.Abs((double)before[i] - after[i]));
            return FixtureTensors.Close(change, weakest.GetProperty("output_change_when_removed").GetDouble(), 2 * Tolerance, 0);
        }

        // Everything that the reference's model returns: the head's logits, or the hidden states with the pooler's rows.
        float[] Output()
        {
            using var owned = ComputingDevice.Inference();
            var fresh = owned.Begin();
            var state = model.Forward(fresh, batch);
            if (model.Head != EncoderHead.None)
                return fresh.Read(model.Logits(fresh, state, batch)).ToArray();
            float[] last = fresh.Read(state).ToArray();
            return tensors.TryGet("pooler_output", out _) ? [.. last, .. fresh.Read(((Bert)model).Pooled(fresh, state, batch))] : last;
        }

        float[] Column(float[] values, int column) => [.. values.Where((_, i) => i % 2 == column)];
    }

    private static bool IsFixture(string folder)
    {
        var file = Path.Combine(folder, ExpectedFile);
        if (!File.Exists(file))
            return false;
        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        if (json.RootElement.TryGetProperty("same_as", out var other))
            return IsFixture(Path.Combine(folder, "..", other.GetString()!));
        if (!File.Exists(Path.Combine(folder, "expected.safetensors")))
            return false;
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        return tensors.TryGet("last_hidden_state", out _);
    }
}
