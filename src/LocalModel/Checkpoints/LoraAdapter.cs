using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// A LoRA or DoRA adapter in the layout of the PEFT library: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>. ΔW = B A ·
/// alpha / r (with rank stabilisation alpha / √r); DoRA brings each output's row of W + ΔW to unit length and multiplies it by its
/// magnitude. Modules saved whole replace the base's.
/// </summary>
internal sealed class LoraAdapter
{
    public const string ConfigFileName = "adapter_config.json";
    public const string WeightsFileName = "adapter_model.safetensors";
    /// <summary>The ends of the tensors' names.</summary>
    public const string DownSuffix = ".lora_A.weight", UpSuffix = ".lora_B.weight", MagnitudeSuffix = ".lora_magnitude_vector";

    private const string Prefix = "base_model.model.";
    private static readonly TimeSpan PatternTimeout = TimeSpan.FromSeconds(1);

    // Settings that change the result and are not done; null, false, empty and 0 mean that they are off.
    private static readonly string[] Unsupported =
    [
        "alora_invocation_tokens", "arrow_config", "layer_replication", "lora_bias", "megatron_config", "monteclora_config",
        "target_parameters",
        "trainable_token_indices", "use_bdlora", "use_qalora", "velora_config", "kasa_config",
    ];

    private readonly string _folder;
    private readonly Dictionary<string, Matrices> _modules = new(StringComparer.Ordinal);
    private (AdapterScaling Scaling, bool Dora)? _settings;
    private readonly Dictionary<string, float[]> _replacements = new(StringComparer.Ordinal);

    private LoraAdapter(string folder) => _folder = folder;

    /// <summary>Reads an adapter, of a run's folder the newest.</summary>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    /// <exception cref="SafetensorsException">The weights' file is broken.</exception>
    /// <exception cref="UnsupportedModelException">It is an adapter of another kind, or has settings that are not supported.</exception>
    public static LoraAdapter Open(string folder)
    {
        while (true)
        {
            var newest = CheckpointFolder.ResolveAdapter(folder);
            try
            {
                return Read(newest);
            }
            catch (Exception) when (!Directory.Exists(newest) && CheckpointFolder.ResolveAdapter(folder) != newest)
            {
                // The run saved a newer checkpoint meanwhile.
            }
        }
    }

    private static LoraAdapter Read(string folder)
    {
        var adapter = new LoraAdapter(folder);
        using var fields = JsonFields.Open(Path.Combine(folder, ConfigFileName));
        if (fields.Text("peft_type") is var type && type != "LORA")
            throw new UnsupportedModelException(
                $"{fields.File}: adapters of the type '{type}' are not supported; known is LORA (with or without use_dora).");
        foreach (var name in Unsupported)
            if (fields.Value(name) is { } value && !IsOff(value))
                throw new UnsupportedModelException($"{fields.File}: the setting {name} is not supported.");
        adapter._settings = (new AdapterScaling(fields.Number("lora_alpha") ?? 8, fields.Boolean("use_rslora") == true,
            (float)(fields.Number("lora_dropout") ?? 0)), fields.Boolean("use_dora") == true);
        var file = Path.Combine(folder, WeightsFileName);
        if (!File.Exists(file))
            throw new CheckpointException(file,
                "the file is missing. Adapters are read from safetensors; convert adapter_model.bin, which is pickled.");
        using var tensors = SafetensorsFile.Open(file);
        var pairs = new Dictionary<string, Tensors>(StringComparer.Ordinal);
        foreach (var tensor in tensors.Tensors)
            adapter.Sort(tensor.Name, tensors, pairs);
        foreach (var (module, parts) in pairs)
            adapter._modules[module] = parts.Complete(fields, module, tensors);
        return adapter._modules.Count + adapter._replacements.Count > 0
            ? adapter
            : throw new CheckpointException(file, "the file has no tensors.");
    }

    /// <summary>Adds the adapter to the weights of a model; afterwards the model is as if it had been trained so.</summary>
    /// <exception cref="CheckpointException">It does not fit the model.</exception>
    public void Merge(CausalModel model)
    {
        foreach (var (module, matrices) in _modules)
            Laid(model, module, matrices).Merge(Weight(model, module, matrices), IsTransposed(model));
        Replace(model);
    }

    /// <summary>Makes the adapter active beside the weights, which stay as they are but for modules that it holds whole.</summary>
    /// <exception cref="CheckpointException">It does not fit the model.</exception>
    public void Attach(CausalModel model)
    {
        var layers = new Dictionary<Parameter, LowRankAdapter>();
        try
        {
            foreach (var (module, matrices) in _modules)
            {
                var weight = Weight(model, module, matrices);
                layers.Add(weight, Laid(model, module, matrices).Layer(weight, IsTransposed(model)));
            }

            Replace(model);
            model.Attach(layers);
        }
        catch
        {
            foreach (var layer in layers.Values)
                layer.Dispose();
            throw;
        }
    }

    /// <summary>The module that a layer's weight belongs to, under PEFT's name.</summary>
    public static string ModuleOf(Parameter weight)
        => Prefix + (weight.Name.EndsWith(".weight", StringComparison.Ordinal) ? weight.Name[..^".weight".Length] : weight.Name);

    /// <summary>The adapter that a model is trained with, in transformers' order of rows.</summary>
    /// <exception cref="InvalidOperationException">It has none.</exception>
    public static LoraAdapter FromTrained(CausalModel model)
    {
        var adapter = new LoraAdapter("");
        foreach (var layer in model.Linears)
        {
            if (layer.Adapter is not TrainedAdapter trained)
                continue;
            adapter._settings ??= (trained.Scaling, trained.Magnitude is not null);
            int rank = trained.Down.Shape[0];
            var matrices = new Matrices(layer.Inputs, layer.Outputs, rank, trained.Down.Values.ToArray(), trained.Up.Values.ToArray(),
                trained.Magnitude?.Values.ToArray(), trained.Scaling.Of(rank));
            var module = ModuleOf(layer.Weight)[Prefix.Length..];
            adapter._modules[module] = IsInterleaved(model, module, out int headWidth) ? matrices.Plain(headWidth) : matrices;
        }

        return adapter._modules.Count > 0
            ? adapter
            : throw new InvalidOperationException("The model has no adapter that is trained; give it one with AddLora.");
    }

    /// <summary>The adapter as one to be trained on, by the layers' weights.</summary>
    /// <exception cref="CheckpointException">It does not fit the model.</exception>
    /// <exception cref="UnsupportedModelException">It also replaces whole weights.</exception>
    public Dictionary<Parameter, LowRankAdapter> Trained(CausalModel model)
    {
        if (_replacements.Count > 0)
            throw new UnsupportedModelException($"{_folder}: the adapter replaces whole modules (modules_to_save); such an adapter can be "
                + "used and merged, but not trained on.");
        var layers = new Dictionary<Parameter, LowRankAdapter>();
        foreach (var (module, matrices) in _modules)
        {
            var weight = Weight(model, module, matrices);
            layers.Add(weight, Laid(model, module, matrices).TrainedLayer(ModuleOf(weight), _settings!.Value.Scaling));
        }

        return layers;
    }

    /// <summary>Replaces the weights of an adapter that a model is trained with.</summary>
    /// <exception cref="CheckpointException">It does not fit the model's.</exception>
    public void LoadInto(CausalModel model)
    {
        foreach (var layer in model.Linears)
        {
            if (layer.Adapter is not TrainedAdapter trained)
                continue;
            var module = ModuleOf(layer.Weight)[Prefix.Length..];
            if (!_modules.TryGetValue(module, out var matrices) || matrices.Rank != trained.Down.Shape[0]
                || matrices.Magnitude is null != trained.Magnitude is null)
                throw new CheckpointException(_folder, $"the checkpoint's adapter of '{module}' is another than the one that is trained. "
                    + "Use the same settings, or save into another folder.");
            matrices = Laid(model, module, matrices);
            matrices.Down.CopyTo(trained.Down.Values);
            matrices.Up.CopyTo(trained.Up.Values);
            if (trained.Magnitude is not null)
                matrices.Magnitude!.CopyTo(trained.Magnitude.Values);
        }
    }

    /// <summary>Writes the two files of PEFT's layout.</summary>
    public void Save(string folder, string baseModel)
    {
        var (scaling, dora) = _settings!.Value;
        var first = _modules.Values.First();
        AtomicFile.Write(Path.Combine(folder, ConfigFileName), stream =>
        {
            using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
            writer.WriteStartObject();
            writer.WriteString("peft_type", "LORA");
            writer.WriteString("task_type", "CAUSAL_LM");
            writer.WriteString("base_model_name_or_path", baseModel);
            writer.WriteNumber("r", first.Rank);
            writer.WriteNumber("lora_alpha", scaling.Alpha);
            writer.WriteNumber("lora_dropout", scaling.Dropout);
            writer.WriteBoolean("use_rslora", scaling.RankStabilized);
            writer.WriteBoolean("use_dora", dora);
            writer.WriteBoolean("fan_in_fan_out", _modules.Keys.First().Contains(".h.", StringComparison.Ordinal));
            writer.WriteString("bias", "none");
            writer.WriteBoolean("inference_mode", true);
            writer.WriteStartArray("target_modules");
            foreach (var module in _modules.Keys.Order(StringComparer.Ordinal))
                writer.WriteStringValue(module);
            writer.WriteEndArray();
            writer.WriteEndObject();
        });
        var tensors = new SafetensorsWriter();
        foreach (var (module, matrices) in _modules)
        {
            tensors.Add(Prefix + module + DownSuffix, matrices.Down, matrices.Rank, matrices.In);
            tensors.Add(Prefix + module + UpSuffix, matrices.Up, matrices.Out, matrices.Rank);
            if (matrices.Magnitude is not null)
                tensors.Add(Prefix + module + MagnitudeSuffix, matrices.Magnitude, matrices.Out);
        }

        tensors.Save(Path.Combine(folder, WeightsFileName));
    }

    // GPT-2's matrices are [in, out].
    private static bool IsTransposed(CausalModel model) => model is Gpt2;

    // Where neighbours turn together, the rows of queries and keys lie in another order than transformers'.
    private static Matrices Laid(CausalModel model, string module, Matrices matrices)
        => IsInterleaved(model, module, out int headWidth) ? matrices.Interleaved(headWidth) : matrices;

    private static bool IsInterleaved(CausalModel model, string module, out int headWidth)
    {
        headWidth = model is Llama { Config: { RotaryInterleaved: true, HeadWidth: var width } } ? width : 0;
        return headWidth > 0 && LlamaConfigFile.IsTurned(module + ".weight");
    }

    private static bool IsOff(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        _ => false,
    };

    // A tensor's name without what PEFT wraps around the base model's own.
    private void Sort(string name, SafetensorsFile tensors, Dictionary<string, Tensors> pairs)
    {
        var inner = name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;
        inner = inner.Replace(".modules_to_save.default", "", StringComparison.Ordinal)
            .Replace(".modules_to_save", "", StringComparison.Ordinal).Replace(".base_layer", "", StringComparison.Ordinal)
            .Replace("language_model.", "", StringComparison.Ordinal); // the text part of a multimodal model
        foreach (var ending in (string[])[".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector", ".lora_magnitude_vector.weight"])
            if (inner.EndsWith(ending, StringComparison.Ordinal))
            {
                var module = inner[..^ending.Length];
                if (!pairs.TryGetValue(module, out var parts))
                    pairs[module] = parts = new Tensors();
                if (ending == ".lora_A.weight")
                    parts.Down = name;
                else if (ending == ".lora_B.weight")
                    parts.Up = name;
                else
                    parts.Magnitude = name;
                return;
            }

        if (inner.Contains("lora_", StringComparison.Ordinal))
            throw new UnsupportedModelException($"{tensors.Path}: the tensor '{name}' is not supported; adapters of linear layers are "
                + "(lora_A, lora_B, lora_magnitude_vector).");
        _replacements[inner] = tensors.ReadFloats(name);
    }

    private Parameter Weight(CausalModel model, string module, Matrices matrices)
    {
        var weight = Find(model, module + ".weight");
        var (rows, columns) = IsTransposed(model) ? (matrices.In, matrices.Out) : (matrices.Out, matrices.In);
        if (weight is not { Shape.Length: 2 } || weight == model.Parameters[0])
            throw new CheckpointException(_folder, $"the adapter is for a linear layer '{module}', which the model does not have (a head "
                + "that is tied to the embedding cannot have one). Use the base model that the adapter was trained on.");
        return weight.Shape[0] == rows && weight.Shape[1] == columns
            ? weight
            : throw new CheckpointException(_folder, $"the adapter of '{module}' is for a matrix of [{rows}, {columns}], the model's is "
                + $"[{weight.Shape[0]}, {weight.Shape[1]}]. Use the base model that the adapter was trained on.");
    }

    private static Parameter? Find(CausalModel model, string name)
        => model.Parameters.FirstOrDefault(p => p.Name == name)
            ?? model.Parameters.FirstOrDefault(p => p.Name == "model." + name || p.Name == "transformer." + name);

    private void Replace(CausalModel model)
    {
        foreach (var (name, values) in _replacements)
        {
            var parameter = Find(model, name)
                ?? throw new CheckpointException(_folder,
                    $"the adapter replaces '{name}', which the model does not have. Use the base model that the adapter was trained on.");
            if (parameter == model.Parameters[0] && !model.Parameters.Any(p => p.Name == ModelCheckpoint.HeadName))
                throw new CheckpointException(_folder, $"the adapter replaces '{name}', which is the head of the model too "
                    + "(tie_word_embeddings), but not the head. Adapters that part the two are not supported.");
            if (parameter.Length != values.Length)
                throw new CheckpointException(_folder, $"the adapter's '{name}' has {values.Length} elements, the model's "
                    + $"{parameter.Length}. Use the base model that the adapter was trained on.");
            if (parameter.Format != DataType.Float32 || parameter.IsMapped)
                throw new CheckpointException(_folder, $"the adapter replaces '{name}', which is kept as {parameter.Format} in the "
                    + "model's file. Merge the adapter (MergeAdapter), so that the weights are raised to single precision.");
            if (model is Llama { Config: { RotaryInterleaved: true, HeadWidth: var headWidth } }
                && LlamaConfigFile.IsTurned(parameter.Name))
                RotaryRows.Interleave(values, parameter.Shape[0], headWidth, parameter.Values);
            else
                values.CopyTo(parameter.Values);
        }
    }

    /// <summary>The names of one module's tensors.</summary>
    private sealed class Tensors
    {
        public string? Down { get; set; }

        public string? Up { get; set; }

        public string? Magnitude { get; set; }

        public Matrices Complete(JsonFields fields, string module, SafetensorsFile tensors)
        {
            if (Down is null || Up is null)
                throw new CheckpointException(tensors.Path,
                    $"the adapter of '{module}' has only one of lora_A and lora_B. Restore the file.");
            bool dora = fields.Boolean("use_dora") ?? false;
            if (dora != Magnitude is not null)
                throw new CheckpointException(tensors.Path,
                    $"'{module}' has {(dora ? "no" : "a")} lora_magnitude_vector, but use_dora is {(dora ? "true" : "not true")}. "
                    + "Use the adapter_config.json that belongs to these weights.");
            if (!IsTarget(fields, module))
                throw new CheckpointException(tensors.Path, $"the weights adapt '{module}', which target_modules does not name. Use the "
                    + "adapter_config.json that belongs to these weights.");
            var (down, up) = (tensors[Down], tensors[Up]);
            if (down.Shape.Length != 2 || up.Shape.Length != 2 || down.Shape[0] != up.Shape[1]
                || (Magnitude is not null && tensors[Magnitude].Count != up.Shape[0]))
                throw new CheckpointException(tensors.Path, $"the tensors of '{module}' do not fit each other: lora_A "
                    + $"{down.ShapeText}, lora_B {up.ShapeText}. Restore the file.");
            int rank = checked((int)down.Shape[0]);
            double configured = OfPattern(fields, "rank_pattern", module) ?? fields.Number("r") ?? 8;
            if (configured != rank)
                throw new CheckpointException(tensors.Path, $"lora_A of '{module}' has the rank {rank}, the config says "
                    + $"{configured.ToString(CultureInfo.InvariantCulture)} (r, rank_pattern). Use the adapter_config.json that belongs "
                    + $"to these weights.");
            double alpha = OfPattern(fields, "alpha_pattern", module) ?? fields.Number("lora_alpha") ?? 8;
            return new Matrices(
                checked((int)down.Shape[1]), checked((int)up.Shape[0]), rank,
                tensors.ReadFloats(Down), tensors.ReadFloats(Up), Magnitude is null ? null : tensors.ReadFloats(Magnitude),
                (float)(alpha / (fields.Boolean("use_rslora") == true ? Math.Sqrt(rank) : rank)));
        }

        // A regular expression for the whole name, or names of which one is the module's or its end.
        private static bool IsTarget(JsonFields fields, string module)
        {
            if (fields.Value("target_modules") is not { } targets)
                return true;
            if (targets.ValueKind == JsonValueKind.String)
                return targets.GetString() is var pattern
                    && (pattern == "all-linear" || Matches(fields, "target_modules", $"^(?:{pattern})$", module));
            if (targets.ValueKind != JsonValueKind.Array)
                throw fields.Wrong("target_modules", "should be a list of names or a regular expression");
            return targets.EnumerateArray()
                .Any(t => t.ValueKind == JsonValueKind.String && t.GetString() is { } name
                    && (name == module || module.EndsWith("." + name, StringComparison.Ordinal)));
        }

        // The keys are regular expressions for the end of the name; the first that fits counts.
        private static double? OfPattern(JsonFields fields, string field, string module)
        {
            if (fields.Object(field) is not { } patterns)
                return null;
            foreach (var pattern in patterns.Root.EnumerateObject())
                if (Matches(fields, field, $@"^(?:.*\.)?(?:{pattern.Name})$", module))
                    return patterns.Number(pattern.Name);
            return null;
        }

        private static bool Matches(JsonFields fields, string field, string pattern, string module)
        {
            try
            {
                return Regex.IsMatch(module, pattern, RegexOptions.CultureInvariant, PatternTimeout);
            }
            catch (Exception exception) when (exception is ArgumentException or RegexMatchTimeoutException)
            {
                throw new CheckpointException(fields.File,
                    $"the field '{field}' holds the pattern '{pattern}', which cannot be used. ({exception.Message})", exception);
            }
        }
    }

    /// <summary>The matrices of one module.</summary>
    private sealed record Matrices(int In, int Out, int Rank, float[] Down, float[] Up, float[]? Magnitude, float Scaling)
    {
        public Matrices Interleaved(int headWidth)
        {
            var up = new float[Up.Length];
            var magnitude = Magnitude is null ? null : new float[Magnitude.Length];
            for (int row = 0; row < Out; row++)
            {
                int source = RotaryRows.Source(row, headWidth);
                Up.AsSpan(source * Rank, Rank).CopyTo(up.AsSpan(row * Rank));
                if (magnitude is not null)
                    magnitude[row] = Magnitude![source];
            }

            return this with { Up = up, Magnitude = magnitude };
        }

        /// <summary>The rows of neighbours that turn together back in transformers' order.</summary>
        public Matrices Plain(int headWidth)
        {
            var up = new float[Up.Length];
            var magnitude = Magnitude is null ? null : new float[Magnitude.Length];
            for (int row = 0; row < Out; row++)
            {
                int target = RotaryRows.Source(row, headWidth);
                Up.AsSpan(row * Rank, Rank).CopyTo(up.AsSpan(target * Rank));
                if (magnitude is not null)
                    magnitude[target] = Magnitude![row];
            }

            return this with { Up = up, Magnitude = magnitude };
        }

        /// <summary>As parameters to be trained, under PEFT's names.</summary>
        public TrainedAdapter TrainedLayer(string module, AdapterScaling scaling)
        {
            var down = new Parameter(module + DownSuffix, Rank, In);
            Down.CopyTo(down.Values);
            var up = new Parameter(module + UpSuffix, Out, Rank);
            Up.CopyTo(up.Values);
            Parameter? magnitude = null;
            if (Magnitude is not null)
            {
                magnitude = new Parameter(module + MagnitudeSuffix, Out);
                Magnitude.CopyTo(magnitude.Values);
            }

            // rank_pattern and alpha_pattern make a factor of the module's own.
            double alpha = Scaling * (scaling.RankStabilized ? Math.Sqrt(Rank) : Rank);
            return new TrainedAdapter(down, up, magnitude, scaling with { Alpha = alpha });
        }

        public void Merge(Parameter weight, bool transposed)
        {
            var values = weight.Values;
            var row = new float[In];
            for (int o = 0; o < Out; o++)
            {
                Sum(values, o, transposed, row);
                float factor = Magnitude is null ? 1 : (float)(Magnitude[o] / Length(row));
                if (!transposed && factor == 1)
                    row.CopyTo(values.Slice(o * In, In));
                else
                    for (int i = 0; i < In; i++)
                        values[transposed ? i * Out + o : o * In + i] = factor * row[i];
            }
        }

        public LowRankAdapter Layer(Parameter weight, bool transposed)
        {
            var down = new Parameter("lora_A", Rank, In);
            Down.CopyTo(down.Values);
            var up = new Parameter("lora_B", Out, Rank);
            for (int i = 0; i < Up.Length; i++)
                up.Values[i] = Up[i] * Scaling;
            if (Magnitude is null)
                return new FixedAdapter(down, up, null);
            var scale = new Parameter("lora_magnitude", Out);
            var row = new float[In];
            var values = new float[weight.Length];
            weight.Read(values);
            for (int o = 0; o < Out; o++)
            {
                Sum(values, o, transposed, row);
                scale.Values[o] = (float)(Magnitude[o] / Length(row));
            }

            return new FixedAdapter(down, up, scale);
        }

        // The weights of one output with the adapter's part: W + B A · scaling.
        private void Sum(ReadOnlySpan<float> weight, int output, bool transposed, Span<float> row)
        {
            if (!transposed)
                weight.Slice(output * In, In).CopyTo(row);
            else
                for (int i = 0; i < In; i++)
                    row[i] = weight[i * Out + output];
            for (int k = 0; k < Rank; k++)
            {
                float factor = Up[output * Rank + k] * Scaling;
                var down = Down.AsSpan(k * In, In);
                int i = 0;
                for (var factors = new Vector<float>(factor); i <= In - Vector<float>.Count; i += Vector<float>.Count)
                    (new Vector<float>(row[i..]) + factors * new Vector<float>(down[i..])).CopyTo(row[i..]);
                for (; i < In; i++)
                    row[i] += factor * down[i];
            }
        }

        private static double Length(ReadOnlySpan<float> row)
        {
            double sum = 0;
            foreach (float value in row)
                sum += (double)value * value;
            return Math.Sqrt(sum);
        }
    }
}
