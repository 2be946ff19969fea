namespace Kotonoha.Rag.Retrieval;

/// <summary>One entry of a ranking.</summary>
/// <param name="Id">What is ranked.</param>
/// <param name="Score">Its score; greater is better.</param>
public readonly record struct RankedItem(string Id, double Score);
