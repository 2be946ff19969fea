using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Training;

/// <summary>A token file that is broken.</summary>
/// <param name="file">The file.</param>
/// <param name="offset">The byte at which the trouble lies.</param>
/// <param name="problem">What is wrong.</param>
public sealed class TokenFileException(string file, long offset, string problem)
    : KotonohaException(FormattableString.Invariant($"{file}, byte {offset}: {problem} Build the token file again."))
{
    /// <summary>The file.</summary>
    public string File { get; } = file;

    /// <summary>The byte at which the trouble lies.</summary>
    public long Offset { get; } = offset;
}
