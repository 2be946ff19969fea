using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>The weights of a Hugging Face folder, raised to float32.</summary>
public sealed class SafetensorsWeights : IWeightSource
{
    private readonly SafetensorsSet tensors;

    /// <summary>Opens the weights of a folder.</summary>
    /// <param name="folder">The folder.</param>
    public SafetensorsWeights(string folder) => tensors = SafetensorsSet.Open(folder);

    /// <inheritdoc/>
    public string Path => tensors.Folder;

    /// <inheritdoc/>
    public bool Contains(string name) => tensors.TryGet(name, out _);

    /// <inheritdoc/>
    public Parameter Take(string name, params ReadOnlySpan<int> shape)
    {
        if (!tensors.TryGet(name, out var entry))
            throw new CheckpointException(Path, $"there is no tensor '{name}'. Use the config.json that belongs to these weights.");
        bool same = entry.Shape.Length == shape.Length;
        for (int i = 0; same && i < shape.Length; i++)
            same = entry.Shape[i] == shape[i];
        if (!same)
            throw new CheckpointException(Path, $"tensor '{name}' has the shape {entry.ShapeText}, the model that config.json describes needs [{string.Join(", ", shape.ToArray())}]. Use the config.json that belongs to these weights.");
        var parameter = new Parameter(name, shape);
        tensors.FileOf(name).Read(name, parameter.Values);
        return parameter;
    }

    /// <inheritdoc/>
    public void Dispose() => tensors.Dispose();
}
