namespace Kotonoha.Rag.Answering;

/// <summary>What kind of thing a question asks for.</summary>
internal enum AnswerKind
{
    Other,
    Time,
    Quantity,
    Person,
    Place,
    Reason,
}
