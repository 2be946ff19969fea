namespace Kotonoha.Foundation;

/// <summary>
/// The base of every error that Kotonoha raises about its input or its surroundings (a broken file, a prompt that does not fit, a server
/// that does not answer). Programming errors stay <see cref="ArgumentException"/>, <see cref="ObjectDisposedException"/> and their kin.
/// </summary>
/// <remarks>The message says what failed, on what input, and what to do next; it is meant to be shown to a person.</remarks>
public class KotonohaException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What failed, on what input, and what to do next.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public KotonohaException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

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
