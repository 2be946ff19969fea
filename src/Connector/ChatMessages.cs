using System.Text;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>Messages, functions, their calls and their results in the shape that chat templates know.</summary>
internal static class ChatMessages
{
    /// <summary>The conversation as turns.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="instructions">Instructions that come first, joined to a system message that is there already; null for none.</param>
    /// <param name="usesTools">Whether the model's template has a place for calls and results.</param>
    /// <exception cref="NotSupportedException">A content or a role cannot be sent to the model.</exception>
    public static List<ChatTurn> ToTurns(IEnumerable<ChatMessage> messages, string? instructions, bool usesTools)
    {
        var turns = new List<ChatTurn>();
        foreach (var message in messages)
            turns.AddRange(Turns(message, usesTools));
        if (string.IsNullOrEmpty(instructions))
            return turns;
        if (turns.Count > 0 && turns[0].Role == ChatTurn.System)
            turns[0] = turns[0] with { Content = $"{instructions}\n\n{turns[0].Content}" };
        else
            turns.Insert(0, new ChatTurn(ChatTurn.System, instructions));
        return turns;
    }

    /// <summary>The declarations as <c>[{"type": "function", "function": {name, description, parameters}}]</c>.</summary>
    /// <exception cref="NotSupportedException">A tool is not a function.</exception>
    public static JsonElement Declare(IEnumerable<AITool> tools)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var tool in tools)
            {
                if (tool is not AIFunctionDeclaration function)
                    throw new NotSupportedException($"The tool '{tool.Name}' is a {tool.GetType().Name}; the local model knows functions only.");
                json.WriteStartObject();
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", function.Name);
                json.WriteString("description", function.Description);
                json.WritePropertyName("parameters");
                function.JsonSchema.WriteTo(json);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        using var document = JsonDocument.Parse(buffer.ToArray());
        return document.RootElement.Clone();
    }

    // A message with calls becomes one turn, each result a turn of its own.
    private static IEnumerable<ChatTurn> Turns(ChatMessage message, bool usesTools)
    {
        var text = new StringBuilder();
        var calls = new List<ChatToolCall>();
        var results = new List<ChatTurn>();
        foreach (var content in message.Contents)
            switch (content)
            {
                case TextContent part:
                    text.Append(part.Text);
                    break;
                case TextReasoningContent or UsageContent or ErrorContent:
                    break;
                case FunctionCallContent or FunctionResultContent when !usesTools:
                    throw new NotSupportedException("Tool calls come with a later version; a message with a function call or result cannot be sent.");
                case FunctionCallContent call:
                    calls.Add(new ChatToolCall(call.Name, Arguments(call), call.CallId));
                    break;
                case FunctionResultContent result:
                    results.Add(new ChatTurn(ChatTurn.Tool, ResultText(result.Result)) { ToolCallId = result.CallId });
                    break;
                default:
                    throw new NotSupportedException($"The model reads text only; a message with a {content.GetType().Name} cannot be sent.");
            }

        if (results.Count == 0 || calls.Count > 0 || text.Length > 0)
            yield return new ChatTurn(Role(message.Role), text.ToString()) { ToolCalls = calls };
        foreach (var result in results)
            yield return result;
    }

    private static string Role(ChatRole role) => role.Value switch
    {
        "system" or "developer" => ChatTurn.System,
        "user" => ChatTurn.User,
        "assistant" => ChatTurn.Assistant,
        "tool" => throw new NotSupportedException("A message of the role 'tool' must hold the result of a function; this one has none."),
        _ => throw new NotSupportedException($"A message of the role '{role.Value}' cannot be sent; known are system, developer, user, assistant and tool."),
    };

    private static JsonElement Arguments(FunctionCallContent call) => JsonSerializer.SerializeToElement(
        call.Arguments ?? new Dictionary<string, object?>(), AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)));

    private static string ResultText(object? result) => result switch
    {
        null => "",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        JsonElement json => json.GetRawText(),
        _ => JsonSerializer.Serialize(result, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object))),
    };
}
