namespace Kotonoha.Agents.Prompts;

/// <summary>A declared variable of a prompt template.</summary>
/// <param name="Name">The name without <c>$</c>: Latin letters, digits and underscores; upper and lower case are the same.</param>
/// <param name="Type">What it holds; a value of another kind is refused when the template is rendered.</param>
public sealed record PromptVariable(string Name, PromptVariableType Type = PromptVariableType.Text)
{
    /// <summary>Whether rendering without a value is an error; true unless said otherwise.</summary>
    public bool IsRequired { get; init; } = true;

    /// <summary>The value that stands in where none is given; it makes <see cref="IsRequired"/> meaningless.</summary>
    public object? Default { get; init; }

    /// <summary>
    /// Whether the value is written by the application itself and may hold markup such as <c>&lt;message role="system"&gt;</c>; false unless said otherwise.
    /// Never true for text that comes from a user, a document, a tool or a model.
    /// </summary>
    public bool IsTrusted { get; init; }

    /// <summary>What the variable is for.</summary>
    public string? Description { get; init; }
}
