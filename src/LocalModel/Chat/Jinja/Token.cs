namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A token of a template.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The text of data, the name, the operator, or the spelling of a number or string.</param>
/// <param name="Line">Its line, from 1.</param>
/// <param name="Value">The value of a number or string.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, object? Value = null)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public bool IsOperator(string sign) => Kind == TokenKind.Operator && Text == sign;

    public string Describe() => Kind switch
    {
        TokenKind.Data => "template data",
        TokenKind.VariableBegin => "begin of print statement",
        TokenKind.VariableEnd => "end of print statement",
        TokenKind.BlockBegin => "begin of statement block",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.Integer => "integer",
        TokenKind.Float => "float",
        TokenKind.Text => "string",
        TokenKind.End => "end of template",
        _ => Text,
    };
}
