using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>A model cannot be fetched from a hub, or is not in its cache.</summary>
public sealed class HubException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What failed, on which model and file, and what to do next.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public HubException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
