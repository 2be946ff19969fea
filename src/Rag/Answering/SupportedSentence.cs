namespace Kotonoha.Rag.Answering;

/// <summary>A sentence of a chat model, and the sentence of a passage that it rests on.</summary>
/// <param name="Text">The model's sentence without markers.</param>
/// <param name="Passage">The passage.</param>
/// <param name="Index">The number of the passage's sentence.</param>
internal sealed record SupportedSentence(string Text, Passage Passage, int Index);
