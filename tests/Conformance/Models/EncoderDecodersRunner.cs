using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>Tiny encoder–decoders: hidden states, logits, loss, weakest tensor, greedy and beam search, saving and loading.</summary>
internal sealed class EncoderDecodersRunner : FixtureRunner
{
    private const double Tolerance = 1e-3;
    private const double RecordedFactor = 20;
    private const double LossTolerance = 1e-4;
    private static readonly string[] ModelTypes = ["marian", "t5"];
    private static readonly string[] Informative =
        ["seed", "model", "transformers", "torch", "max_abs_diff_f32_vs_f64", "decoder_start_token_id", "eos_token_id", "pad_token_id"];

    public override IEnumerable<string> Discover(string root)
        => ModelTypes.SelectMany(type => FixtureTensors.ModelFolders(root, type))
            .Where(f => File.Exists(Path.Combine(root, f, "expected.json")));

    public override void Run(string root, string family, CaseLog log)
    {
        var folder = Path.Combine(root, family);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json")));
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var model = EncoderDecoderCheckpoint.Load(folder);
        log.Pass(); // it could be loaded
        using var session = ComputingDevice.Inference();
        var expected = json.RootElement;
        var handled = new HashSet<string>(Informative, StringComparer.Ordinal)
        {
            "input_ids", "attention_mask", "decoder_input_ids", "labels", "encoder_last_hidden_state", "decoder_last_hidden_state",
            "logits", "loss", "counted_targets", "weakest_tensor", "generate", "generation_settings",
        };
        int sourceWidth = checked((int)tensors["input_ids"].Shape[1]), targetWidth = checked((int)tensors["labels"].Shape[1]);
        int[] ids = tensors.Ids("input_ids"), mask = tensors.Ids("attention_mask"), labels = tensors.Ids("labels");
        int[] inputs = tensors.Ids("decoder_input_ids");
        int rows = ids.Length / sourceWidth;
        int[][] sources = [.. Enumerable.Range(0, rows)
            .Select(r => ids[(r * sourceWidth)..(r * sourceWidth + mask.AsSpan(r * sourceWidth, sourceWidth).Count(1))])];

        // Padding of targets comes last and has no label; only what a label needs is compared.
        int[] lengths = [.. Enumerable.Range(0, rows)
            .Select(r => 1 + Array.FindLastIndex(labels[(r * targetWidth)..((r + 1) * targetWidth)], l => l != -100))];
        int[][] targets = [.. Enumerable.Range(0, rows).Select(r => inputs[(r * targetWidth)..(r * targetWidth + lengths[r])])];
        int[] counted = [.. Enumerable.Range(0, rows).SelectMany(r => labels.Skip(r * targetWidth).Take(lengths[r]))];

        log.Case("encoder_last_hidden_state", () =>
        {
            var pass = session.Begin();
            return Compare("encoder_last_hidden_state", pass.Read(model.Encode(pass, Batch.Packed(sources))),
                [.. sources.Select(s => s.Length)]);
        });
        log.Case("decoder_last_hidden_state", () => Compare("decoder_last_hidden_state", Forward(sources, targets).Hidden, lengths));
        log.Case("logits", () => Compare("logits", Forward(sources, targets).Logits, lengths));
        log.Case("logits with the sources' keys kept", () =>
        {
            var kept = model.Remember(session.Begin(), Batch.Packed(sources));
            var pass = session.Begin();
            return Compare("logits", pass.Read(model.Logits(pass, model.Decode(pass, Batch.Packed(targets), kept))), lengths);
        });
        for (int r = 0; r < rows; r++)
        {
            int row = r;
            log.Case($"row {row} token by token, from a cache", () => Compare("logits", Cached(row), lengths, row));
            if (ComputingDevice.IsCpu)
                log.Case($"row {row} alone has the same bits", () =>
                {
                    int start = lengths.Take(row).Sum() * model.VocabularySize, length = lengths[row] * model.VocabularySize;
                    return Forward([sources[row]], [targets[row]]).Logits.AsSpan()
                        .SequenceEqual(Forward(sources, targets).Logits.AsSpan(start, length)) ? null : "the logits differ";
                });
        }

        log.Case("loss", () => FixtureTensors.Close(Loss(), expected.GetProperty("loss").GetDouble(), 0, LossTolerance));
        log.Case("counted_targets", () => counted.Count(l => l != -100) == expected.GetProperty("counted_targets").GetInt32()
            ? null
            : "another number of labels counts");
        log.Case("weakest_tensor", () => Weakest(expected.GetProperty("weakest_tensor")));
        var settings = SequenceSettings.Load(folder);
        log.Case("generation_settings", () => Settings(expected.GetProperty("generation_settings"), settings));
        var entries = expected.GetProperty("generate").EnumerateArray().ToArray();
        for (int i = 0; i < entries.Length; i++)
        {
            var entry = entries[i];
            log.Case($"generate {i}", () =>
            {
                var task = TaskOf(entry);
                new SequenceSearch(model, session).Run([task], CancellationToken.None);
                return Differs(entry, task);
            });
        }

        // Searches of the same number of beams run together, whatever their other settings.
        foreach (var group in entries.GroupBy(e => e.GetProperty("num_beams").GetInt32()))
            log.Case($"generate all of {group.Key} beams at once", () =>
            {
                SequenceTask[] together = [.. group.Select(TaskOf)];
                new SequenceSearch(model, session).Run(together, CancellationToken.None);
                return group.Zip(together, Differs).FirstOrDefault(d => d is not null);
            });
        log.Case("saved and loaded again", () =>
        {
            var copy = Directory.CreateTempSubdirectory("kotonoha-").FullName;
            try
            {
                EncoderDecoderCheckpoint.Write(model, copy, tokenizer: null, settings);
                using var again = EncoderDecoderCheckpoint.Load(copy);
                if (JsonSerializer.Serialize(SequenceSettings.Load(copy)) != JsonSerializer.Serialize(settings))
                    return "the settings differ";
                var pass = session.Begin();
                var decoded = again.Decode(pass, Batch.Packed(targets), Encoded(again, pass, sources));
                return pass.Read(again.Logits(pass, decoded)).SequenceEqual(Forward(sources, targets).Logits) ? null : "the logits differ";
            }
            finally
            {
                Directory.Delete(copy, recursive: true);
            }
        });

        foreach (var field in expected.EnumerateObject())
            if (!handled.Contains(field.Name))
                log.Skip(field.Name, $"'{field.Name}' is not checked yet");
        foreach (var tensor in tensors.Tensors)
            if (!handled.Contains(tensor.Name))
                log.Skip(tensor.Name, $"'{tensor.Name}' is not checked yet");

        // Places of padding left out; of one row, or of all.
        string? Compare(string name, ReadOnlySpan<float> got, int[] kept, int? only = null)
        {
            float[] values = tensors.ReadFloats(name);
            int width = checked((int)tensors[name].Shape[1]), columns = checked((int)tensors[name].Shape[2]);
            float[] want = [.. Enumerable.Range(0, rows).Where(r => only is null || r == only)
                .SelectMany(r => values.Skip(r * width * columns).Take(kept[r] * columns))];
            double tolerance = Math.Max(Tolerance,
                RecordedFactor * expected.GetProperty("max_abs_diff_f32_vs_f64").GetProperty(name).GetDouble());
            return CaseLog.Compare(got, want, tolerance, 0);
        }

        static EncodedSources Encoded(EncoderDecoderModel model, Pass pass, int[][] sources)
        {
            var batch = Batch.Packed(sources);
            return new EncodedSources(model.Encode(pass, batch), batch);
        }

        (float[] Hidden, float[] Logits) Forward(int[][] sources, int[][] targets)
        {
            var pass = session.Begin();
            var hidden = model.Decode(pass, Batch.Packed(targets), Encoded(model, pass, sources));
            var states = pass.Read(hidden).ToArray();
            return (states, pass.Read(model.Logits(pass, hidden)).ToArray());
        }

        float[] Cached(int row)
        {
            var kept = model.Remember(session.Begin(), Batch.Packed([sources[row]]));
            using var cache = session.CreateCache(model.CacheShape, targets[row].Length);
            using var sequence = cache.NewSequence();
            var logits = new List<float>();
            foreach (int token in targets[row])
            {
                var batch = new Batch();
                batch.Append([token], sequence);
                var pass = session.Begin();
                logits.AddRange(pass.Read(model.Logits(pass, model.Decode(pass, batch, kept))));
            }

            return [.. logits];
        }

        double Loss()
        {
            var pass = session.Begin();
            var hidden = model.Decode(pass, Batch.Packed(targets), Encoded(model, pass, sources));
            return pass.ReadScalar(pass.CrossEntropy(model.Logits(pass, hidden), counted));
        }

        string? Weakest(JsonElement weakest)
        {
            var name = weakest.GetProperty("name").GetString()!;
            if (model.Parameters.FirstOrDefault(p => p.Name == name) is not { } parameter)
                return $"the model has no parameter '{name}'";
            float[] before = Forward(sources, targets).Logits;
            float[] kept = parameter.Values.ToArray();
            parameter.Values.Fill(name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0);
            float[] after = Forward(sources, targets).Logits;
            kept.CopyTo(parameter.Values);
            double change = 0;
            for (int i = 0; i < before.Length; i++)
                change = Math.Max(change, Math.Abs((double)before[i] - after[i]));
            return FixtureTensors.Close(change, weakest.GetProperty("output_change_when_removed").GetDouble(), 2 * Tolerance, 0);
        }

        SequenceTask TaskOf(JsonElement entry)
        {
            var beams = new BeamSearchOptions
            {
                BeamCount = entry.GetProperty("num_beams").GetInt32(),
                LengthPenalty = entry.TryGetProperty("length_penalty", out var penalty) ? penalty.GetSingle() : 1,
                EarlyStopping = entry.TryGetProperty("early_stopping", out var early) && early.GetBoolean()
                    ? EarlyStopping.Always
                    : EarlyStopping.WhenUnlikely,
                ReturnCount = entry.GetProperty("hypotheses").GetArrayLength(),
            };
            int maxNewTokens = entry.GetProperty("max_length").GetInt32() - 1;
            return SequenceToSequence.TaskOf(model, settings, sources[entry.GetProperty("row").GetInt32()],
                new SequenceOptions { MaxNewTokens = maxNewTokens, Beams = beams });
        }
    }

    private static string? Differs(JsonElement entry, SequenceTask task)
    {
        var found = task.Search.Results;
        int i = 0;
        foreach (var hypothesis in entry.GetProperty("hypotheses").EnumerateArray())
        {
            int[] want = hypothesis.GetProperty("ids_after_start").Ids();
            if (i >= found.Count || !found[i].Ids.AsSpan().SequenceEqual(want))
                return $"hypothesis {i} is [{(i < found.Count ? string.Join(' ', found[i].Ids) : "missing")}], expected "
                    + $"[{string.Join(' ', want)}]";
            if (found[i].Ended != hypothesis.GetProperty("ends_with_eos").GetBoolean())
                return $"hypothesis {i} ended for another reason";
            if (hypothesis.TryGetProperty("score", out var score)
                && FixtureTensors.Close(found[i].Score, score.GetDouble(), Tolerance, 0) is { } difference)
                return $"score of hypothesis {i}: {difference}";
            i++;
        }

        return null;
    }

    private static string? Settings(JsonElement expected, SequenceSettings got)
    {
        foreach (var field in expected.EnumerateObject())
        {
            bool right = field.Name switch
            {
                "eos_token_id" => got.EndTokenIds.SequenceEqual([field.Value.GetInt32()]),
                "forced_eos_token_id" => got.ForcedEndTokenIds.SequenceEqual([field.Value.GetInt32()]),
                "pad_token_id" => got.PadTokenId == field.Value.GetInt32(),
                "num_beams" => got.BeamCount == field.Value.GetInt32(),
                "bad_words_ids" => JsonSerializer.Serialize(got.BadWords) == JsonSerializer.Serialize(field.Value),
                "decoder_start_token_id" => true, // the model has it: the first token of every search
                _ => false,
            };
            if (!right)
                return $"'{field.Name}' is not read";
        }

        return null;
    }
}
