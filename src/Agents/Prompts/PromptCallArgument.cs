namespace Kotonoha.Agents.Prompts;

/// <summary>An argument of a function call in a template; <paramref name="Value"/> is a literal or a variable.</summary>
internal sealed record PromptCallArgument(string Parameter, PromptBlock Value);
