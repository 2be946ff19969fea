using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Chat;

/// <summary>A chat template cannot be read, cannot be used with a model, or fails on a conversation.</summary>
public sealed class ChatTemplateException : KotonohaException
{
    /// <summary>Creates the error of a template that cannot be used.</summary>
    /// <param name="message">What does not fit and what to do next.</param>
    public ChatTemplateException(string message)
        : this(ChatTemplateError.NotUsable, message)
    {
    }

    internal ChatTemplateException(ChatTemplateError error, string message, int? line = null, Exception? inner = null)
        : base(line is { } number && error is not (ChatTemplateError.Raised or ChatTemplateError.Conversation) ? $"Chat template, line {number}: {message}" : message, inner)
        => (Error, Line, Detail) = (error, line, message);

    /// <summary>What went wrong.</summary>
    public ChatTemplateError Error { get; }

    /// <summary>The line of the template, from 1, where it is known.</summary>
    public int? Line { get; }

    // The message without the line.
    internal string Detail { get; }

    // The same error with the line where it happened.
    internal ChatTemplateException At(int line) => Line is null ? new ChatTemplateException(Error, Detail, line, this) : this;
}
