using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>A GGUF file that is broken, or that does not hold what was asked of it.</summary>
public sealed class GgufException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">The byte of the file at which the trouble lies, or null where it lies at no certain byte.</param>
    /// <param name="problem">What is wrong.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public GgufException(string file, long? offset, string problem, Exception? innerException = null)
        : base(offset is null ? $"{file}: {problem}" : FormattableString.Invariant($"{file}, byte {offset}: {problem}"), innerException)
    {
        File = file;
        Offset = offset;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>The byte of the file at which the trouble lies, or null where it lies at no certain byte.</summary>
    public long? Offset { get; }
}
