using Kotonoha.Rag.Answering;

namespace Kotonoha.Cli.Commands;

/// <summary>What the options about questions said.</summary>
/// <param name="Questions">The questions, in order.</param>
/// <param name="Options">How to answer.</param>
/// <param name="Json">Whether to print JSON lines.</param>
/// <param name="NoModel">Whether to answer without any language model.</param>
/// <param name="ChatModel">The chat model that writes the answers, or null.</param>
/// <param name="ModelWeight">How much a model counts in ranking sentences, or null for what was found best.</param>
internal sealed record QuestionSettings(IReadOnlyList<string> Questions, AskOptions Options, bool Json, bool NoModel, string? ChatModel, double? ModelWeight);
