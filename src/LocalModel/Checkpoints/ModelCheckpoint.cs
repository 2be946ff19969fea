using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Saves and loads models in the layout of the Hugging Face hub: <c>config.json</c>, <c>generation_config.json</c>,
/// <c>model.safetensors</c>, <c>tokenizer.json</c>, <c>tokenizer_config.json</c>.
/// </summary>
public static class ModelCheckpoint
{
    /// <summary>The name of the file with a model's settings.</summary>
    public const string ConfigFileName = "config.json";

    /// <summary>The name of the tokenizer's file.</summary>
    public const string TokenizerFileName = "tokenizer.json";

    /// <summary>The weight of a separate head.</summary>
    internal const string HeadName = "lm_head.weight";

    /// <summary>The weight of a head that gives a text one number.</summary>
    internal const string ScoreName = "score.weight";

    private static readonly string[] KnownModelTypes =
        [Gpt2ConfigFile.ModelType, .. LlamaConfigFile.ModelTypes, .. GemmaConfigFile.ModelTypes];

    // Heads of other tasks: the weights of the language model's head are missing there.
    private static readonly string[] OtherTasks =
        ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "DoubleHeadsModel"];

    /// <summary>Loads a model's settings and weights.</summary>
    /// <param name="path">A folder in the hub's layout, one of <see cref="CheckpointFolder"/>, a GGUF file, or a folder that holds a single
    /// one.</param>
    /// <param name="precision">
    /// In which format the weights are kept: raised to single precision, to train or edit them, or as stored. A GPT-2 in the hub's layout
    /// is always raised.
    /// </param>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    /// <exception cref="SafetensorsException">The weights' file is broken.</exception>
    /// <exception cref="GgufException">The weights' file is broken.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    public static CausalModel Load(string path, WeightPrecision precision = WeightPrecision.Single)
        => Load(path, precision, progress: null);

    /// <summary>As <see cref="Load(string, WeightPrecision)"/>, with a LoRA or DoRA adapter in PEFT's layout.</summary>
    /// <param name="path">The model, as there.</param>
    /// <param name="adapter">The adapter's folder (<c>adapter_config.json</c>, <c>adapter_model.safetensors</c>).</param>
    /// <param name="merge">Whether it is added to the weights, which are then raised to single precision; otherwise it stays active beside
    /// them.</param>
    /// <param name="precision">In which format the weights are kept beside an active adapter.</param>
    /// <exception cref="CheckpointException">Files are missing, or model and adapter do not belong together.</exception>
    /// <exception cref="SafetensorsException">A weights' file is broken.</exception>
    /// <exception cref="GgufException">The weights' file is broken.</exception>
    /// <exception cref="UnsupportedModelException">The model or the adapter is of a kind that is not supported.</exception>
    public static CausalModel Load(string path, string adapter, bool merge = true, WeightPrecision precision = WeightPrecision.Single)
        => Load(path, adapter, merge, precision, progress: null);

    internal static CausalModel Load(
        string path, string adapter, bool merge, WeightPrecision precision, IProgress<ProgressReport>? progress)
    {
        ArgumentException.ThrowIfNullOrEmpty(adapter);
        var model = Load(path, merge ? WeightPrecision.Single : precision, progress);
        try
        {
            if (merge)
                LoraAdapter.Open(adapter).Merge(model);
            else
                LoraAdapter.Open(adapter).Attach(model);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>As <see cref="Load(string, WeightPrecision)"/>; each tensor that is read is reported.</summary>
    internal static CausalModel Load(string path, WeightPrecision precision, IProgress<ProgressReport>? progress)
    {
        if (GgufFolder.Find(path) is not { } file)
            return CheckpointFolder.Read(path, folder => LoadFolder(folder, precision, progress));
        using var gguf = GgufFile.Open(file);
        return GgufCheckpoint.Load(gguf, precision, progress);
    }

    /// <summary>
    /// Saves a model as a new checkpoint of a <see cref="CheckpointFolder"/>; a reader meanwhile sees either the one before or this one,
    /// whole.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The folder of checkpoints; created if it does not exist.</param>
    /// <param name="parts">Tokenizer and settings.</param>
    /// <param name="step">The number of the checkpoint, most often the training step; null for one more than the last.</param>
    /// <returns>The folder of the new checkpoint, in the hub's layout.</returns>
    /// <exception cref="CheckpointException">A checkpoint of this number exists, or another process is saving here.</exception>
    /// <exception cref="IOException">The disk is full or cannot be written; what was there before is untouched.</exception>
    public static string Save(this CausalModel model, string path, CheckpointParts? parts = null, long? step = null)
        => new CheckpointFolder(path).Save(step, folder => Write(model, folder, parts ?? new CheckpointParts()));

    /// <summary>
    /// Saves a model with its tokenizer as a new checkpoint; as <see cref="Save(CausalModel, string, CheckpointParts?, long?)"/>.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The folder of checkpoints; created if it does not exist.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <returns>The folder of the new checkpoint, in the hub's layout.</returns>
    public static string Save(this CausalModel model, string path, Tokenizer tokenizer) => model.Save(path, CheckpointParts.Of(tokenizer));

    /// <summary>Replaces the weights of a model by those of a checkpoint of the same settings.</summary>
    /// <exception cref="CheckpointException">The checkpoint is of a model of another shape.</exception>
    internal static void LoadInto(CausalModel model, string folder)
    {
        using var stored = Load(folder);
        if (stored.GetType() != model.GetType() || stored.Parameters.Count != model.Parameters.Count)
            throw new CheckpointException(folder, "the checkpoint is of another model. Save into another folder.");
        if (Settings(stored) != Settings(model))
            throw new CheckpointException(folder, "the checkpoint is of another model: its heads, activation, dropouts or other settings "
                + "in config.json differ. Use the same settings, or save into another folder.");
        for (int i = 0; i < model.Parameters.Count; i++)
        {
            var (from, to) = (stored.Parameters[i], model.Parameters[i]);
            if (from.Name != to.Name || !from.Shape.SequenceEqual(to.Shape))
                throw new CheckpointException(folder, $"the checkpoint is of another model: its '{from.Name}' has the shape "
                    + $"[{string.Join(", ", from.Shape.ToArray())}]. Save into another folder.");
            if (model is Llama { Config: { RotaryInterleaved: true, HeadWidth: var headWidth } } && LlamaConfigFile.IsTurned(to.Name))
                RotaryRows.Interleave(from.Values, to.Shape[0], headWidth, to.Values);
            else
                from.Values.CopyTo(to.Values);
        }
    }

    /// <summary>Writes the files of a checkpoint into a folder.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder; must exist.</param>
    /// <param name="parts">Tokenizer and settings.</param>
    /// <param name="type">F32, F16 or BF16: how the weights are stored.</param>
    /// <param name="written">Told the name of each tensor when it is written.</param>
    /// <param name="score">A head that takes the place of the one for tokens, or null.</param>
    internal static void Write(
        CausalModel model, string folder, CheckpointParts parts, StoredType type = StoredType.Float32, Action<string>? written = null,
        Parameter? score = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.HasAdapter)
            throw new UnsupportedModelException(
                "The model has an active adapter, which this layout has no place for. Load it with the adapter merged, then save it.");
        WriteConfig(model, Path.Combine(folder, ConfigFileName), parts.GenerationSettings, type);
        parts.GenerationSettings.Save(folder);
        var tensors = new SafetensorsWriter();
        if (score is not null)
            tensors.Add(score);
        foreach (var parameter in model.Parameters.Where(p => score is null || p.Name != HeadName))
            tensors.Add(
                parameter.Name,
                parameter,
                () =>
                {
                    written?.Invoke(parameter.Name);
                    return ValuesOf(model, parameter);
                },
                type);
        tensors.Save(Path.Combine(folder, SafetensorsSet.FileName));
        if (parts.TokenizerJson is null)
            return;
        AtomicFile.WriteText(Path.Combine(folder, TokenizerFileName), parts.TokenizerJson);
        (parts.TokenizerSettings with { ModelMaxLength = parts.TokenizerSettings.ModelMaxLength ?? model.ContextLength }).Save(folder);
    }

    private static CausalModel LoadFolder(string folder, WeightPrecision precision, IProgress<ProgressReport>? progress)
    {
        using var fields = JsonFields.Open(Path.Combine(folder, ConfigFileName));
        var type = fields.Text("model_type") ?? throw fields.Wrong("model_type", "is missing");
        var create = ModelOf(fields, type);
        CheckDataType(fields);
        CheckTask(fields);

        // GPT-2's matrices have their inputs outermost, which products with half precision do not take.
        using var weights = new SafetensorsWeights(folder, type == Gpt2ConfigFile.ModelType ? WeightPrecision.Single : precision);
        var model = create(progress is null ? weights : new ReportedWeights(weights, weights.Count, progress));
        try
        {
            if (!model.Parameters.Any(p => p.Name == HeadName))
                weights.RequireCopy(HeadName, model.Parameters[0]);
            weights.RequireAllTaken(type == GemmaConfigFile.Multimodal ? GemmaConfigFile.IsOfVisionPart : null);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    // What makes a model of the settings in a file; without a head for tokens it is made as if that were the embedding.
    private static Func<IWeightSource, CausalModel> ModelOf(JsonFields fields, string type, bool isTied = false)
    {
        if (type == Gpt2ConfigFile.ModelType)
        {
            var config = Gpt2ConfigFile.Read(fields);
            return weights => new Gpt2(isTied ? config with { TieWordEmbeddings = true } : config, weights);
        }

        if (LlamaConfigFile.ModelTypes.Contains(type))
        {
            var config = LlamaConfigFile.Read(fields);
            return weights => new Llama(isTied ? config with { TieWordEmbeddings = true } : config, weights);
        }

        if (GemmaConfigFile.ModelTypes.Contains(type))
        {
            var config = GemmaConfigFile.Read(fields);
            return weights => new Gemma(isTied ? config with { TieWordEmbeddings = true } : config, weights);
        }

        throw new UnsupportedModelException($"{fields.File}: model_type '{type}' is not supported; known are "
            + $"{string.Join(", ", KnownModelTypes)}. Use a model of one of these kinds.");
    }

    /// <summary>Loads a language model's body with a head that gives a text one number (<c>…ForSequenceClassification</c>).</summary>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    internal static (CausalModel Body, Parameter Score) LoadScored(string path) => CheckpointFolder.Read(path, folder =>
    {
        using var fields = JsonFields.Open(Path.Combine(folder, ConfigFileName));
        var type = fields.Text("model_type") ?? throw fields.Wrong("model_type", "is missing");
        var create = ModelOf(fields, type, isTied: true);
        CheckDataType(fields);
        using var weights = new SafetensorsWeights(folder, WeightPrecision.Single);

        var body = create(weights);
        try
        {
            var score = weights.Take(ScoreName, 1, body.Width);
            weights.RequireAllTaken(type == GemmaConfigFile.Multimodal ? GemmaConfigFile.IsOfVisionPart : null);
            return (body, score);
        }
        catch
        {
            body.Dispose();
            throw;
        }
    });

    /// <summary>Writes what <see cref="LoadScored"/> reads.</summary>
    internal static void WriteScored(CausalModel body, Parameter score, string folder, CheckpointParts parts)
    {
        Write(body, folder, parts, StoredType.Float32, null, score);
        var file = Path.Combine(folder, ConfigFileName);
        var config = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        config["architectures"] = new JsonArray(ScoredArchitecture(config));
        config["id2label"] = new JsonObject { ["0"] = "LABEL_0" };
        AtomicFile.WriteText(file, config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
    }

    // GPT2LMHeadModel, LlamaForCausalLM, …; Gemma 3's text part has a name of its own.
    private static string ScoredArchitecture(JsonObject config)
        => config["architectures"]![0]!.GetValue<string>().Replace("Gemma3For", "Gemma3TextFor", StringComparison.Ordinal)
            .Replace("LMHeadModel", "ForSequenceClassification", StringComparison.Ordinal)
            .Replace("ForCausalLM", "ForSequenceClassification", StringComparison.Ordinal);

    // In transformers' order, whatever the order in memory.
    private static float[] ValuesOf(CausalModel model, Parameter parameter)
    {
        var values = new float[parameter.Length];
        parameter.Read(values);
        if (model is not Llama { Config: { RotaryInterleaved: true, HeadWidth: var headWidth } }
            || !LlamaConfigFile.IsTurned(parameter.Name))
            return values;
        var ordered = new float[values.Length];
        int columns = parameter.Length / parameter.Shape[0];
        for (int row = 0; row < parameter.Shape[0]; row++)
            values.AsSpan(row * columns, columns).CopyTo(ordered.AsSpan(RotaryRows.Source(row, headWidth) * columns));
        return ordered;
    }

    private static void WriteConfig(CausalModel model, string file, GenerationSettings generation, StoredType type)
    {
        var dataType = type switch { StoredType.Float16 => "float16", StoredType.BFloat16 => "bfloat16", _ => "float32" };
        switch (model)
        {
            case Gpt2 gpt2:
                Gpt2ConfigFile.Write(file, gpt2.Config, generation, dataType);
                break;
            case Llama llama:
                LlamaConfigFile.Write(file, llama.Config, generation, dataType);
                break;
            case Gemma gemma:
                GemmaConfigFile.Write(file, gemma.Config, generation, dataType);
                break;
            default:
                throw new UnsupportedModelException($"Models of the type {model.GetType().Name} cannot be saved yet.");
        }
    }

    // The settings that decide about results; how fresh weights are drawn makes no difference to loaded ones.
    private static string Settings(CausalModel model) => model switch
    {
        Gpt2 { Config: var config } => (config with { InnerWidth = config.FeedForwardWidth, InitializerRange = 0 }).ToString(),
        Llama { Config: var config } => LlamaConfigFile.Text(config with { InitializerRange = 0 }),
        Gemma { Config: var config } => GemmaConfigFile.Text(config with { InitializerRange = 0 }),
        _ => "",
    };

    private static void CheckTask(JsonFields fields)
    {
        if (fields.Value("quantization_config") is not null)
            throw new UnsupportedModelException($"{fields.File}: the weights are quantised (quantization_config), which is not supported "
                + "in this layout. Use the unquantised model or a GGUF file.");
        if (fields.Value("architectures") is not { ValueKind: JsonValueKind.Array } architectures)
            return;
        foreach (var architecture in architectures.EnumerateArray())
            if (architecture.ValueKind == JsonValueKind.String
                && OtherTasks.FirstOrDefault(t => architecture.GetString()!.EndsWith(t, StringComparison.Ordinal)) is not null)
                throw new UnsupportedModelException($"{fields.File}: the architecture {architecture.GetString()} is no language model "
                    + "(…ForCausalLM, …LMHeadModel), so it cannot generate text.");
    }

    private static void CheckDataType(JsonFields fields)
    {
        foreach (var name in (string[])["dtype", "torch_dtype"])
            if (fields.Text(name) is { } type && type is not ("float32" or "float16" or "bfloat16"))
                throw fields.Wrong(name, $"is '{type}'; float32, float16 and bfloat16 are supported");
    }
}
