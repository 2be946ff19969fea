namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The errors of templates; the interpreter adds the line.</summary>
internal static class Fail
{
    public static ChatTemplateException Syntax(string message, int line) => new(ChatTemplateError.Syntax, message, line);

    public static ChatTemplateException Undefined(string message) => new(ChatTemplateError.Undefined, message);

    public static ChatTemplateException Type(string message) => new(ChatTemplateError.Type, message);

    public static ChatTemplateException Value(string message) => new(ChatTemplateError.Value, message);

    public static ChatTemplateException Security(string message) => new(ChatTemplateError.Security, message);

    public static ChatTemplateException Limit(string message) => new(ChatTemplateError.Limit, message);

    public static ChatTemplateException Operands(string sign, object left, object right)
        => Type($"unsupported operand type(s) for {sign}: '{Python.TypeName(left)}' and '{Python.TypeName(right)}'");
}
