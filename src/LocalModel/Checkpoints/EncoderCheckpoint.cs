using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Loads encoders in the layout of the Hugging Face hub.</summary>
public static class EncoderCheckpoint
{
    /// <summary>
    /// Whether a path is that of an encoder: a folder of sentence-transformers, one in the hub's layout whose <c>model_type</c> is an encoder's, or a GGUF file of one.
    /// </summary>
    /// <param name="path">Any path.</param>
    /// <exception cref="CheckpointException">Its <c>config.json</c> is broken, or a file that is no model.</exception>
    /// <exception cref="GgufException">The GGUF file is broken.</exception>
    public static bool IsEncoder(string path)
    {
        if (File.Exists(Path.Combine(path, SentenceTransformerFolder.ModulesFileName)))
            return true;
        if (GgufFolder.Find(path) is { } named)
        {
            using var gguf = GgufFile.Open(named);
            return gguf.Architecture == GgufConfig.EncoderArchitecture;
        }

        var file = Path.Combine(path, ModelCheckpoint.ConfigFileName);
        if (!File.Exists(file))
            return false;
        using var fields = JsonFields.Open(file);
        return fields.Text("model_type") is { } type && BertConfigFile.Knows(type);
    }

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
            var left = new List<string>();
            weights.RequireAllTaken(name =>
            {
                // Heads that nobody asked for may be there; a part of the body that is left over means that config.json describes another model.
                if (name.Contains(".layer.", StringComparison.Ordinal) || name.Contains("embeddings.", StringComparison.Ordinal))
                    return false;
                left.Add(name);
                return true;
            });
            left.Sort(StringComparer.Ordinal);
            unused = left;
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
