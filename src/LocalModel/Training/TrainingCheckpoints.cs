using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.LocalModel.Training;

/// <summary>Where and how often a training run is saved.</summary>
/// <param name="Folder">The folder of checkpoints (see <see cref="CheckpointFolder"/>).</param>
public sealed record TrainingCheckpoints(string Folder)
{
    /// <summary>Steps between two saves; 0 for one after the last step alone.</summary>
    public int Every { get; init; } = 500;

    /// <summary>
    /// Whether a run goes on from the newest checkpoint of the folder, if it has one. It must be of the same data, seed and batch sizes; the
    /// losses are then exactly those of an undisturbed run. If false, a folder that has checkpoints is refused.
    /// </summary>
    public bool Resume { get; init; } = true;

    /// <summary>Tokenizer and settings to save beside the model.</summary>
    public CheckpointParts Parts { get; init; } = new();
}
