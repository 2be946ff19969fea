using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Loads encoders in the layout of the Hugging Face hub.</summary>
public static class EncoderCheckpoint
{
    private const int MostNamesInAMessage = 5;

    /// <summary>Loads an encoder's settings and weights; half precision is raised to single.</summary>
    /// <param name="folder">A folder in the hub's layout.</param>
    /// <param name="head">The head to load; null for the one that <c>config.json</c> names.</param>
    /// <exception cref="CheckpointException">Files are missing or do not fit each other.</exception>
    /// <exception cref="SafetensorsException">The weights' file is broken.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    public static EncoderModel Load(string folder, EncoderHead? head = null) => Load(folder, head, out _);

    /// <summary>As above, with the names of the tensors of the file that the model has no use for (other heads).</summary>
    internal static EncoderModel Load(string folder, EncoderHead? head, out IReadOnlyList<string> unused)
    {
        var file = Path.Combine(folder, ModelCheckpoint.ConfigFileName);
        using var fields = JsonFields.Open(file);
        var type = fields.Text("model_type") ?? throw fields.Wrong("model_type", "is missing");
        if (!BertConfigFile.Knows(type))
            throw new UnsupportedModelException($"{file}: model_type '{type}' is no supported encoder; known are {string.Join(", ", BertConfigFile.ModelTypes)}. Use a model of one of these kinds.");
        using var weights = new SafetensorsWeights(folder);
        var model = new Bert(BertConfigFile.Read(fields, type, head), weights);
        try
        {
            unused = Unused(folder, model);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    // Heads that nobody asked for may be there; a part of the body that is left over means that config.json describes another model.
    private static List<string> Unused(string folder, EncoderModel model)
    {
        using var tensors = SafetensorsSet.Open(folder);
        var taken = model.Parameters.Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        var left = tensors.Names.Where(n => !taken.Contains(n) && !IsBuffer(n)).Order(StringComparer.Ordinal).ToList();
        var surplus = left.Where(n => n.Contains(".layer.", StringComparison.Ordinal) || n.Contains("embeddings.", StringComparison.Ordinal)).ToList();
        if (surplus.Count > 0)
            throw new CheckpointException(folder, $"the weights hold tensors that the model of config.json does not have: {string.Join(", ", surplus.Take(MostNamesInAMessage))}{(surplus.Count > MostNamesInAMessage ? $" and {surplus.Count - MostNamesInAMessage} more" : "")}. Use the config.json that belongs to these weights.");
        return left;
    }

    private static bool IsBuffer(string name)
        => name.EndsWith("embeddings.position_ids", StringComparison.Ordinal) || name.EndsWith("embeddings.token_type_ids", StringComparison.Ordinal);
}
