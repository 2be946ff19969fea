using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>A function as a template sees it.</summary>
internal sealed class PromptFunction(string name, AIFunction function, bool isTrusted)
{
    internal string Name { get; } = name;

    internal AIFunction Function { get; } = function;

    internal bool IsTrusted { get; } = isTrusted;

    /// <summary>The parameters' names in their order, as the function's schema lists them.</summary>
    internal IReadOnlyList<string> Parameters { get; } =
        function.JsonSchema.ValueKind == JsonValueKind.Object
        && function.JsonSchema.TryGetProperty("properties", out var properties)
        && properties.ValueKind == JsonValueKind.Object
            ? [.. properties.EnumerateObject().Select(property => property.Name)]
            : [];
}
