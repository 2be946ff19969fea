namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The kinds of tokens of a template.</summary>
internal enum TokenKind
{
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Integer,
    Float,
    Text,
    Operator,
    End,
}
