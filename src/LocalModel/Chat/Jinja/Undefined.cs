namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>What stands for a value that is not there: it prints as nothing and fails when it is used.</summary>
internal sealed class Undefined(string message, ChatTemplateError error = ChatTemplateError.Undefined)
{
    public static Undefined Name(string name) => new($"'{name}' is undefined");

    public static Undefined Attribute(object owner, object name)
        => new(name is PyString text
            ? owner is PyNone ? $"'None' has no attribute '{text.Text}'" : $"'{Python.TypeName(owner)} object' has no attribute '{text.Text}'"
            : $"{Python.TypeName(owner)} object has no element {Python.ShortRepr(name)}");

    /// <summary>A part of the interpreter that templates must not reach.</summary>
    public static Undefined Unsafe(object owner, string name)
        => new($"access to attribute '{name}' of '{Python.TypeName(owner)}' object is unsafe.", ChatTemplateError.Security);

    public ChatTemplateException Used() => new(error, message);
}
