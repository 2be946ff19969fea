namespace Kotonoha.Rag.Answering;

/// <summary>What a chat model wrote.</summary>
/// <param name="Text">Its text.</param>
/// <param name="Passages">The passages it was shown, in the order of their numbers.</param>
/// <param name="IsShort">Whether it was asked as a small model is.</param>
/// <param name="Refused">Whether it said that the passages do not hold the answer.</param>
internal sealed record ModelDraft(string Text, IReadOnlyList<Passage> Passages, bool IsShort, bool Refused);
