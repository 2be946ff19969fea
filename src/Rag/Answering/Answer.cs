namespace Kotonoha.Rag.Answering;

/// <summary>The answer to a question, with the places it rests on.</summary>
/// <param name="Question">The question as asked.</param>
/// <param name="Found">Whether the documents answer it.</param>
/// <param name="Text">The answer, with markers such as <c>[1]</c>; or the sentence that says that the documents do not answer.</param>
/// <param name="AnsweredBy">Who wrote the text.</param>
/// <param name="Citations">The quotations, verified literally against their sources; empty when nothing was found.</param>
/// <param name="Nearest">When nothing was found: the documents that come nearest, best first.</param>
/// <param name="Timings">Milliseconds by stage.</param>
public sealed record Answer(
    string Question,
    bool Found,
    string Text,
    AnsweredBy AnsweredBy,
    IReadOnlyList<Citation> Citations,
    IReadOnlyList<NearestDocument> Nearest,
    IReadOnlyDictionary<string, double> Timings);
