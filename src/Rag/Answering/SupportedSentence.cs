using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Answering;

/// <summary>A sentence of a chat model, and what it rests on.</summary>
/// <param name="Text">The model's sentence without markers.</param>
/// <param name="Passage">The passage.</param>
/// <param name="Span">The range of the passage's text that says the same.</param>
internal sealed record SupportedSentence(string Text, Passage Passage, TextSpan Span);
