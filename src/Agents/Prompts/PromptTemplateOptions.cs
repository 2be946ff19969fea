namespace Kotonoha.Agents.Prompts;

/// <summary>What a prompt template needs beside its text.</summary>
public sealed record PromptTemplateOptions
{
    /// <summary>The name that errors carry.</summary>
    public string Name { get; init; } = "prompt";

    /// <summary>
    /// The declared variables. A variable that the template uses without a declaration is required, of any scalar kind, and not trusted.
    /// </summary>
    public IReadOnlyList<PromptVariable> Variables { get; init; } = [];

    /// <summary>The functions that <c>{{plugin.function}}</c> may call; null means none.</summary>
    public PromptFunctions? Functions { get; init; }

    /// <summary>What the template renders to.</summary>
    public PromptFormat Format { get; init; }
}
