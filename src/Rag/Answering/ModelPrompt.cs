namespace Kotonoha.Rag.Answering;

/// <summary>What a chat model is asked.</summary>
/// <param name="Instruction">The system prompt.</param>
/// <param name="Text">The passages and the question.</param>
/// <param name="Passages">The passages in it, in the order of their numbers.</param>
internal sealed record ModelPrompt(string Instruction, string Text, IReadOnlyList<Passage> Passages);
