using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>The functions that a prompt template may call, by <c>function</c> or <c>plugin.function</c>.</summary>
/// <remarks>Names are Latin letters, digits and underscores; upper and lower case are the same. Fill it before it is used; reading is thread-safe.</remarks>
public sealed class PromptFunctions
{
    private readonly Dictionary<string, PromptFunction> _functions = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The registered names in the form in which a template calls them.</summary>
    public IEnumerable<string> Names => _functions.Keys;

    /// <summary>Registers a function under its own name.</summary>
    /// <param name="function">The function.</param>
    /// <param name="isTrusted">Whether its results may hold markup such as <c>&lt;message&gt;</c> tags; false unless the application itself writes them.</param>
    /// <returns>This registry.</returns>
    /// <exception cref="ArgumentException">The name is taken or cannot be written in a template.</exception>
    public PromptFunctions Add(AIFunction function, bool isTrusted = false)
    {
        ArgumentNullException.ThrowIfNull(function);
        return Add(null, function, isTrusted);
    }

    /// <summary>Registers a function under <c>plugin.function</c>.</summary>
    /// <param name="plugin">The plugin's name; null for none.</param>
    /// <param name="function">The function.</param>
    /// <param name="isTrusted">Whether its results may hold markup such as <c>&lt;message&gt;</c> tags; false unless the application itself writes them.</param>
    /// <returns>This registry.</returns>
    /// <exception cref="ArgumentException">The name is taken or cannot be written in a template.</exception>
    public PromptFunctions Add(string? plugin, AIFunction function, bool isTrusted = false)
    {
        ArgumentNullException.ThrowIfNull(function);
        if (plugin is not null && !PromptTemplateParser.IsName(plugin))
            throw new ArgumentException($"Plugin name '{plugin}' cannot be written in a template: use Latin letters, digits and underscores.", nameof(plugin));
        if (!PromptTemplateParser.IsName(function.Name))
            throw new ArgumentException($"Function name '{function.Name}' cannot be written in a template: use Latin letters, digits and underscores.", nameof(function));
        var name = plugin is null ? function.Name : $"{plugin}.{function.Name}";
        if (!_functions.TryAdd(name, new PromptFunction(name, function, isTrusted)))
            throw new ArgumentException($"A function named '{name}' is registered already.", nameof(function));
        return this;
    }

    internal PromptFunction? Find(string name) => _functions.GetValueOrDefault(name);
}
