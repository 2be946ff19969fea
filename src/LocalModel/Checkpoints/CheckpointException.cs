using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>A checkpoint that cannot be read, or that does not fit the model.</summary>
/// <param name="path">The file or folder.</param>
/// <param name="problem">What is wrong, and what to do.</param>
/// <param name="innerException">The cause, if there is one.</param>
public sealed class CheckpointException(string path, string problem, Exception? innerException = null)
    : KotonohaException($"{path}: {problem}", innerException)
{
    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;
}
