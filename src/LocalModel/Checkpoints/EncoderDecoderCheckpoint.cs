using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// Saves and loads encoder–decoders in the layout of the Hugging Face hub: <c>config.json</c>, <c>generation_config.json</c>,
/// <c>model.safetensors</c>, <c>tokenizer.json</c>, <c>tokenizer_config.json</c>.
/// </summary>
public static class EncoderDecoderCheckpoint
{
    // Copies of the shared embedding under the names of each side, and what is computed instead.
    private static readonly string[] Copies =
        ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "model.encoder.embed_tokens.weight",
            "model.decoder.embed_tokens.weight"];

    private static readonly string[] Computed =
        ["encoder.embed_positions.weight", "decoder.embed_positions.weight", "layer.1.EncDecAttention.relative_attention_bias.weight"];

    /// <summary>Whether a folder holds an encoder–decoder of a known kind.</summary>
    /// <param name="path">A folder in the hub's layout, or one of <see cref="CheckpointFolder"/>.</param>
    /// <exception cref="CheckpointException">There is no model, or its <c>config.json</c> is broken.</exception>
    public static bool IsEncoderDecoder(string path) => CheckpointFolder.Read(path, folder =>
    {
        using var fields = JsonFields.Open(Path.Combine(folder, ModelCheckpoint.ConfigFileName));
        return fields.Text("model_type") is MarianConfigFile.ModelType or MarianConfigFile.OwnModelType or T5ConfigFile.ModelType;
    });

    /// <summary>Loads a model's settings and weights; half precision is raised to single.</summary>
    /// <param name="path">A folder in the hub's layout, or one of <see cref="CheckpointFolder"/>.</param>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    /// <exception cref="SafetensorsException">The weights' file is broken.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    public static EncoderDecoderModel Load(string path) => CheckpointFolder.Read(path, LoadFolder);

    /// <summary>
    /// Saves a model as a new checkpoint of a <see cref="CheckpointFolder"/>; a reader meanwhile sees either the one before or this one,
    /// whole.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The folder of checkpoints; created if it does not exist.</param>
    /// <param name="tokenizer">The tokenizer of sources and targets, or null.</param>
    /// <param name="settings">Special token ids and how to search.</param>
    /// <param name="step">The number of the checkpoint, most often the training step; null for one more than the last.</param>
    /// <returns>The folder of the new checkpoint, in the hub's layout.</returns>
    /// <exception cref="CheckpointException">A checkpoint of this number exists, or another process is saving here.</exception>
    /// <exception cref="IOException">The disk is full or cannot be written; what was there before is untouched.</exception>
    public static string Save(
        this EncoderDecoderModel model, string path, Tokenizer? tokenizer, SequenceSettings settings, long? step = null)
        => new CheckpointFolder(path).Save(step, folder => Write(model, folder, tokenizer, settings));

    /// <summary>Writes the files of a checkpoint into a folder that exists.</summary>
    internal static void Write(EncoderDecoderModel model, string folder, Tokenizer? tokenizer, SequenceSettings settings)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(settings);
        var file = Path.Combine(folder, ModelCheckpoint.ConfigFileName);
        switch (model)
        {
            case Marian marian:
                MarianConfigFile.Write(file, marian.Config, settings);
                break;
            case T5 t5:
                T5ConfigFile.Write(file, t5.Config, settings);
                break;
            default:
                throw new UnsupportedModelException($"Models of the type {model.GetType().Name} cannot be saved yet.");
        }

        settings.Save(folder, model.StartTokenId);
        var tensors = new SafetensorsWriter();
        foreach (var parameter in model.Parameters)
            tensors.Add(
                parameter.Name,
                parameter,
                () =>
                {
                    var values = new float[parameter.Length];
                    parameter.Read(values);
                    return values;
                },
                StoredType.Float32);
        tensors.Save(Path.Combine(folder, SafetensorsSet.FileName));
        if (tokenizer is null)
            return;
        AtomicFile.Write(Path.Combine(folder, ModelCheckpoint.TokenizerFileName), tokenizer.Write);
        new TokenizerSettings
        {
            EosToken = settings.EndTokenIds.Count > 0 ? tokenizer.IdToToken(settings.EndTokenIds[0]) : null,
            PadToken = tokenizer.IdToToken(settings.PadTokenId ?? model.StartTokenId),
            ModelMaxLength = model.ContextLength,
        }.Save(folder);
    }

    /// <summary>Replaces the weights of a model by those of a checkpoint of the same settings.</summary>
    /// <exception cref="CheckpointException">The checkpoint is of a model of another shape.</exception>
    internal static void LoadInto(EncoderDecoderModel model, string folder)
    {
        using var stored = Load(folder);
        if (stored.GetType() != model.GetType() || Settings(stored) != Settings(model))
            throw new CheckpointException(folder, "the checkpoint is of another model: settings in config.json differ. Use the same "
                + "settings, or save into another folder.");
        for (int i = 0; i < model.Parameters.Count; i++)
            stored.Parameters[i].Values.CopyTo(model.Parameters[i].Values);
    }

    // Equal texts mean equal settings; how fresh weights are drawn makes no difference to loaded ones.
    private static string Settings(EncoderDecoderModel model) => model switch
    {
        Marian { Config: var config } => (config with { DecoderVocabularySize = config.TargetVocabularySize }).ToString(),
        T5 { Config: var config } => (config with { InitializerFactor = 1 }).ToString(),
        _ => "",
    };

    private static EncoderDecoderModel LoadFolder(string folder)
    {
        using var fields = JsonFields.Open(Path.Combine(folder, ModelCheckpoint.ConfigFileName));
        var type = fields.Text("model_type") ?? throw fields.Wrong("model_type", "is missing");
        Func<IWeightSource, EncoderDecoderModel> create = type switch
        {
            MarianConfigFile.ModelType or MarianConfigFile.OwnModelType when MarianConfigFile.Read(fields) is var config
                => weights => new Marian(config, weights),
            T5ConfigFile.ModelType when T5ConfigFile.Read(fields) is var config => weights => new T5(config, weights),
            _ => throw new UnsupportedModelException($"{fields.File}: model_type '{type}' is no supported encoder–decoder; known are "
                + $"{MarianConfigFile.ModelType}, {T5ConfigFile.ModelType} and {MarianConfigFile.OwnModelType}. Use a model of one of "
                + "these kinds."),
        };
        using var weights = new SafetensorsWeights(folder);
        var model = create(weights);
        try
        {
            var embedding = model.Parameters[0];
            foreach (var copy in Copies)
                weights.RequireCopy(copy, embedding);
            if (!model.Parameters.Any(p => p.Name == ModelCheckpoint.HeadName))
                weights.RequireCopy(ModelCheckpoint.HeadName, model.Linears[^1].Weight);
            weights.RequireAllTaken(name => Computed.Any(c => name.EndsWith(c, StringComparison.Ordinal)));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
