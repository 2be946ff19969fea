using System.Text;
using System.Text.Json;

namespace Kotonoha.ChatTemplates.Tools;

/// <summary>
/// Functions, calls and results as plain messages, for templates that know none of them: the functions in a short block of the system
/// message, calls in <see cref="ToolCallFormat.General"/>, results as messages of the user. What is trained on such messages and what is
/// asked later look the same.
/// </summary>
public static class ToolPrompt
{
    private const int MaxDepth = 4;

    /// <summary>A conversation without functions, calls and results of their own.</summary>
    /// <param name="turns">The messages, oldest first.</param>
    /// <param name="tools">The functions that may be called: a JSON array of their declarations, or null for none.</param>
    /// <exception cref="ChatTemplateException">A declaration has no name.</exception>
    public static IReadOnlyList<ChatTurn> Inline(IReadOnlyList<ChatTurn> turns, JsonElement? tools)
    {
        ArgumentNullException.ThrowIfNull(turns);
        var result = new List<ChatTurn>(turns.Count + 1);
        if (tools is { ValueKind: JsonValueKind.Array } declarations && declarations.GetArrayLength() > 0)
        {
            var block = Describe(declarations);
            bool hasSystem = turns.Count > 0 && turns[0].Role == ChatTurn.System;
            result.Add(new ChatTurn(ChatTurn.System, hasSystem ? $"{turns[0].Content}\n\n{block}" : block));
            turns = hasSystem ? [.. turns.Skip(1)] : turns;
        }

        foreach (var turn in turns)
            if (turn.Role == ChatTurn.Tool)
                Result(turn, result);
            else if (turn.ToolCalls.Count > 0)
                result.Add(turn with { Content = $"{turn.Content}{ToolCallFormat.General.Write(turn.ToolCalls)}", ToolCalls = [] });
            else
                result.Add(turn);
        return result;
    }

    /// <summary>The functions in a few lines: how to call them, and a signature for each.</summary>
    /// <param name="tools">A JSON array of declarations.</param>
    public static string Describe(JsonElement tools)
    {
        var text = new StringBuilder("You can call functions. To call one, write only\n");
        text.Append("<tool_call>{\"name\": \"NAME\", \"arguments\": {…}}</tool_call>\nFunctions:");
        foreach (var tool in tools.EnumerateArray())
        {
            var function = tool.ValueKind == JsonValueKind.Object && tool.TryGetProperty("function", out var inner) ? inner : tool;
            if (function.ValueKind != JsonValueKind.Object || !function.TryGetProperty("name", out var name)
                || name.ValueKind != JsonValueKind.String)
                throw Jinja.Fail.Conversation("A declaration of a function has no name.");
            text.Append('\n').Append(name.GetString()).Append('(');
            text.Append(function.TryGetProperty("parameters", out var parameters) ? Members(parameters, ", ", 0) : "").Append(')');
            if (function.TryGetProperty("description", out var description) && description.ValueKind == JsonValueKind.String
                && description.GetString()!.Trim() is { Length: > 0 } said)
                text.Append(" - ").Append(said.ReplaceLineEndings(" "));
        }

        return text.ToString();
    }

    // Results that follow each other are one message, since roles take turns.
    private static void Result(ChatTurn turn, List<ChatTurn> result)
    {
        var text = $"<tool_response>{turn.Content}</tool_response>";
        if (result.Count > 0 && result[^1] is { Role: ChatTurn.User } last
            && last.Content.EndsWith("</tool_response>", StringComparison.Ordinal))
            result[^1] = last with { Content = $"{last.Content}\n{text}" };
        else
            result.Add(new ChatTurn(ChatTurn.User, text));
    }

    private static string Members(JsonElement schema, string separator, int depth)
    {
        if (schema.ValueKind != JsonValueKind.Object || !schema.TryGetProperty("properties", out var properties)
            || properties.ValueKind != JsonValueKind.Object)
            return "";
        string[] required = schema.TryGetProperty("required", out var names) && names.ValueKind == JsonValueKind.Array
            ? [.. names.EnumerateArray().Where(n => n.ValueKind == JsonValueKind.String).Select(n => n.GetString()!)]
            : [];
        return string.Join(separator,
            properties.EnumerateObject().Select(p => $"{p.Name}{(required.Contains(p.Name) ? "" : "?")}: {TypeOf(p.Value, depth + 1)}"));
    }

    // A schema as a type in TypeScript's manner, which models know and which is short.
    private static string TypeOf(JsonElement schema, int depth)
    {
        if (schema.ValueKind != JsonValueKind.Object || depth > MaxDepth)
            return "any";
        if (schema.TryGetProperty("enum", out var values) && values.ValueKind == JsonValueKind.Array)
            return string.Join(" | ", values.EnumerateArray().Select(v => v.GetRawText()));
        if (schema.TryGetProperty("const", out var value))
            return value.GetRawText();
        foreach (var keyword in (string[])["anyOf", "oneOf"])
            if (schema.TryGetProperty(keyword, out var options) && options.ValueKind == JsonValueKind.Array)
                return string.Join(" | ", options.EnumerateArray().Select(o => TypeOf(o, depth + 1)));
        if (!schema.TryGetProperty("type", out var type))
            return "any";
        return type.ValueKind switch
        {
            JsonValueKind.Array => string.Join(" | ", type.EnumerateArray().Select(
                t => Named(t.ValueKind == JsonValueKind.String ? t.GetString() : null, schema, depth))),
            JsonValueKind.String => Named(type.GetString(), schema, depth),
            _ => "any",
        };
    }

    private static string Named(string? type, JsonElement schema, int depth) => type switch
    {
        "array" => $"{(schema.TryGetProperty("items", out var items) ? TypeOf(items, depth + 1) : "any")}[]",
        "object" => Members(schema, ", ", depth) is { Length: > 0 } members ? $"{{{members}}}" : "object",
        null => "any",
        _ => type,
    };
}
