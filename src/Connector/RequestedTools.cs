using System.Text.Json;
using Kotonoha.ChatTemplates.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>The functions of a request, and how the model is to call them.</summary>
/// <param name="functions">The functions, at least one.</param>
/// <param name="format">How the model writes calls.</param>
/// <param name="mode">Whether it may, must or must in particular.</param>
/// <param name="allowsMultiple">Whether one answer may call several.</param>
internal sealed class RequestedTools(
    IReadOnlyList<AIFunctionDeclaration> functions, ToolCallFormat format, ChatToolMode? mode, bool allowsMultiple)
{
    /// <summary>How the model writes calls.</summary>
    public ToolCallFormat Format => format;

    /// <summary>Whether one answer may call several functions.</summary>
    public bool AllowsMultiple => allowsMultiple && format.Between is not null;

    /// <summary>Whether the answer must be a call.</summary>
    public bool MustCall => mode is RequiredChatToolMode;

    /// <summary>The functions that may be called.</summary>
    public IReadOnlyList<AIFunctionDeclaration> Callable { get; } = mode is RequiredChatToolMode { RequiredFunctionName: { } name }
        ? [functions.FirstOrDefault(f => f.Name == name)
            ?? throw new ArgumentException($"ToolMode requires the function '{name}', which is not among the tools.", "options")]
        : functions;

    /// <summary>Reads the tools of a request; null where there are none.</summary>
    /// <exception cref="NotSupportedException">A tool is no function.</exception>
    /// <exception cref="ArgumentException">A function is required and there is none, or two have the same name.</exception>
    public static RequestedTools? Read(ChatOptions options, Func<ToolCallFormat> format)
    {
        var tools = options.ToolMode is NoneChatToolMode ? [] : options.Tools ?? [];
        if (tools.Count == 0)
            return options.ToolMode is RequiredChatToolMode
                ? throw new ArgumentException("ToolMode requires a function call, but Tools is empty.", nameof(options))
                : null;
        var functions = new List<AIFunctionDeclaration>(tools.Count);
        foreach (var tool in tools)
            functions.Add(tool as AIFunctionDeclaration
                ?? throw new NotSupportedException(
                    $"The tool '{tool.Name}' is a {tool.GetType().Name}; the local model knows functions only."));
        if (functions.GroupBy(f => f.Name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"Two tools have the name '{twice.Key}'.", nameof(options));
        return new RequestedTools(functions, format(), options.ToolMode, options.AllowMultipleToolCalls != false);
    }

    /// <summary>Whether functions are offered and none may be called.</summary>
    public static bool Forbids(ChatOptions options) => options is { ToolMode: NoneChatToolMode, Tools.Count: > 0 };

    /// <summary>Tells requests apart whose calls are bound in another way.</summary>
    public string Key
        => $"{Declare().GetRawText()} {(MustCall ? string.Join(' ', Callable.Select(f => f.Name)) : "auto")} {AllowsMultiple}";

    /// <summary>Whether a function has this name.</summary>
    public bool Knows(string name) => functions.Any(f => f.Name == name);

    /// <summary>The schema of a function's parameters; null where there is no such function.</summary>
    public JsonElement? ParametersOf(string name) => functions.FirstOrDefault(f => f.Name == name)?.JsonSchema;

    /// <summary>The declarations as <c>[{"type": "function", "function": {name, description, parameters}}]</c>.</summary>
    public JsonElement Declare() => ChatMessages.Declare(functions);
}
