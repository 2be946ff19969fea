using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Chat;

/// <summary>A chat template cannot be used: it is not one that is known here, its control tokens are missing, or it has no place for a message.</summary>
public sealed class ChatTemplateException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What does not fit and what to do next.</param>
    public ChatTemplateException(string message)
        : base(message)
    {
    }
}
