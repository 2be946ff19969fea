using Kotonoha.Foundation;

namespace Kotonoha.ChatTemplates;

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
        : base(IsOfTheTemplate(error) && line is { } number ? $"Chat template, line {number}: {message}" : message, inner)
        => (Error, Line, Detail) = (error, line, message);

    /// <summary>What went wrong.</summary>
    public ChatTemplateError Error { get; }

    /// <summary>The line of the template, from 1, where it is known.</summary>
    public int? Line { get; }

    /// <summary>The message without the line.</summary>
    public string Detail { get; }

    private static bool IsOfTheTemplate(ChatTemplateError error)
        => error is not (ChatTemplateError.Raised or ChatTemplateError.Conversation);

    // The same error with the line where it happened.
    internal ChatTemplateException At(int line) => Line is null ? new ChatTemplateException(Error, Detail, line, this) : this;
}

/// <summary>What went wrong with a chat template.</summary>
public enum ChatTemplateError
{
    /// <summary>The template does not fit the model, or there is none of that name.</summary>
    NotUsable,

    /// <summary>The template's text is not well-formed, or names a tag, filter or test that does not exist.</summary>
    Syntax,

    /// <summary>A part of a value that is not there was used.</summary>
    Undefined,

    /// <summary>An operation met a value of the wrong type.</summary>
    Type,

    /// <summary>An operation met a wrong value, for example a division by zero or a text that is not found.</summary>
    Value,

    /// <summary>The template asked for something that the sandbox does not allow.</summary>
    Security,

    /// <summary>The template itself refused the conversation by <c>raise_exception</c>; the message is the template's own.</summary>
    Raised,

    /// <summary>The template needs more steps, memory, output or depth than it is allowed.</summary>
    Limit,

    /// <summary>
    /// The conversation or an argument is not one that can be rendered: it is empty, or its last message cannot be continued.
    /// </summary>
    Conversation,
}
