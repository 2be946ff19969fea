using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Models;

/// <summary>A model's configuration asks for something that is not there, or contradicts itself.</summary>
public sealed class UnsupportedModelException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">Which setting, its value, and what is supported.</param>
    public UnsupportedModelException(string message)
        : base(message)
    {
    }
}
