using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>One worked example: what a user says and what the assistant should reply.</summary>
/// <param name="Input">What the user says.</param>
/// <param name="Output">What the assistant replies.</param>
public sealed record FewShotExample(string Input, string Output)
{
    /// <summary>The example as a user message and an assistant message.</summary>
    /// <returns>Two messages.</returns>
    public IReadOnlyList<ChatMessage> ToMessages() => [new(ChatRole.User, Input), new(ChatRole.Assistant, Output)];
}
