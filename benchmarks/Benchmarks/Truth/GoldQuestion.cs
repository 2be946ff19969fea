namespace Kotonoha.Benchmarks.Truth;

/// <summary>A question whose answer is known.</summary>
/// <param name="Question">The question.</param>
/// <param name="Answers">What the first quotation must contain one of; empty where the documents do not answer.</param>
internal sealed record GoldQuestion(string Question, IReadOnlyList<string> Answers);
