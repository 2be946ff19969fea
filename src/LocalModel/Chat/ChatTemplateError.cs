namespace Kotonoha.LocalModel.Chat;

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

    /// <summary>The template asked for something that the sandbox does not give.</summary>
    Security,

    /// <summary>The template itself refused the conversation by <c>raise_exception</c>; the message is the template's own.</summary>
    Raised,

    /// <summary>The template needs more steps, memory, output or depth than it gets.</summary>
    Limit,

    /// <summary>The conversation or an argument is not one that can be rendered: it is empty, or its last message cannot be continued.</summary>
    Conversation,
}
