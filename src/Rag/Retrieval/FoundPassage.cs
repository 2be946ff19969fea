namespace Kotonoha.Rag.Retrieval;

/// <summary>What the search tool gives to a model.</summary>
internal sealed record FoundPassage(string Source, string? Heading, int? Page, string Text, double Score);
