using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Loads models from GGUF files.</summary>
public static class GgufCheckpoint
{
    /// <summary>Loads a language model (llama, qwen2, qwen3, gpt2).</summary>
    /// <param name="path">The file.</param>
    /// <param name="precision">In which format the weights are kept.</param>
    /// <exception cref="GgufException">The file is broken.</exception>
    /// <exception cref="CheckpointException">Its tensors do not fit its metadata.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is not supported, or is no language model.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static CausalModel Load(string path, WeightPrecision precision = WeightPrecision.AsStored)
    {
        using var file = GgufFile.Open(path);
        return Load(file, precision);
    }

    /// <summary>Loads a language model from an open file, which still belongs to the caller and may be disposed before the model.</summary>
    /// <param name="file">The file.</param>
    /// <param name="precision">In which format the weights are kept.</param>
    /// <exception cref="GgufException">A value of the metadata is missing or wrong.</exception>
    /// <exception cref="CheckpointException">The tensors do not fit the metadata.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is not supported, or is no language model.</exception>
    public static CausalModel Load(GgufFile file, WeightPrecision precision = WeightPrecision.AsStored)
    {
        ArgumentNullException.ThrowIfNull(file);
        using var weights = new GgufWeights(file, precision);
        CausalModel model = file.Architecture switch
        {
            "gpt2" => new Gpt2(GgufConfig.Gpt2(file), weights),
            var architecture when GgufConfig.IsLlama(architecture) => new Llama(GgufConfig.Llama(file), weights),
            var architecture => throw new UnsupportedModelException($"{file.Path}: the architecture '{architecture}' is no language model. Load it as an encoder."),
        };
        return Whole(model, weights);
    }

    /// <summary>Loads a BERT without a head.</summary>
    /// <param name="file">The file; still belongs to the caller and may be disposed before the model.</param>
    /// <param name="precision">In which format the weights are kept.</param>
    /// <exception cref="GgufException">A value of the metadata is missing or wrong.</exception>
    /// <exception cref="CheckpointException">The tensors do not fit the metadata.</exception>
    /// <exception cref="UnsupportedModelException">The architecture is another one.</exception>
    public static Bert LoadEncoder(GgufFile file, WeightPrecision precision = WeightPrecision.AsStored)
    {
        ArgumentNullException.ThrowIfNull(file);
        GgufConfig.RequireEncoder(file);
        using var weights = new GgufWeights(file, precision);
        return Whole(new Bert(GgufConfig.Bert(file), weights), weights);
    }

    private static T Whole<T>(T model, GgufWeights weights)
        where T : class, IDisposable
    {
        try
        {
            weights.RequireAllTaken();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
