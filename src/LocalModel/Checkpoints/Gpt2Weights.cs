using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Reads a GPT-2's weights under the names that transformers writes, or without their prefix as on the hub.</summary>
internal static class Gpt2Weights
{
    private const string Prefix = "transformer.";
    private const string HeadName = "lm_head.weight";
    private const string TokenEmbedding = Prefix + "wte.weight";

    public static Gpt2 Load(SafetensorsSet tensors, Gpt2Config config)
    {
        CheckSizes(tensors, config);
        var model = new Gpt2(config);
        try
        {
            ParameterLoader.Load(tensors, model.Parameters, name => ParameterName(name, config));
            if (config.TieWordEmbeddings && tensors.TryGet(HeadName, out var head))
                CheckTiedHead(tensors, head, model);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static string? ParameterName(string name, Gpt2Config config)
    {
        // Old checkpoints keep the causal mask as a buffer.
        if (name.EndsWith(".attn.bias", StringComparison.Ordinal) || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal))
            return null;
        if (name == HeadName)
            return config.TieWordEmbeddings ? null : name;
        return name.StartsWith(Prefix, StringComparison.Ordinal) ? name : Prefix + name;
    }

    // Before any memory is taken for a model that a broken config.json describes.
    private static void CheckSizes(SafetensorsSet tensors, Gpt2Config config)
    {
        Check("wte.weight", config.VocabularySize, config.Width);
        Check("wpe.weight", config.ContextLength, config.Width);
        Check("h.0.mlp.c_fc.weight", config.Width, config.FeedForwardWidth);
        Check($"h.{config.Layers - 1}.ln_1.weight", config.Width);

        void Check(string name, params ReadOnlySpan<long> shape)
        {
            if (!tensors.TryGet(Prefix + name, out var entry) && !tensors.TryGet(name, out entry))
                throw new CheckpointException(tensors.Folder, $"the model that config.json describes has a tensor '{Prefix}{name}', which is missing. Use the config.json that belongs to these weights.");
            if (!entry.Shape.SequenceEqual(shape))
                throw new CheckpointException(tensors.Folder, $"tensor '{entry.Name}' has the shape {entry.ShapeText}, the model that config.json describes needs [{string.Join(", ", shape.ToArray())}]. Use the config.json that belongs to these weights.");
        }
    }

    // A tied model may store its head all the same, but then it must be the same.
    private static void CheckTiedHead(SafetensorsSet tensors, SafetensorsEntry head, Gpt2 model)
    {
        var embedding = model.Parameters.Single(p => p.Name == TokenEmbedding);
        if (head.Count == embedding.Length && tensors.FileOf(HeadName).ReadFloats(HeadName).AsSpan().SequenceEqual(embedding.Values))
            return;
        throw new CheckpointException(tensors.Folder, $"config.json says that '{HeadName}' is '{TokenEmbedding}' (tie_word_embeddings), but the stored ones differ. Set tie_word_embeddings to false if the head is its own.");
    }
}
