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
    /// <exception cref="NotSupportedException">A content or a role cannot be sent to the model.</exception>
    public static List<ChatTurn> ToTurns(IEnumerable<ChatMessage> messages, string? instructions)
    {
        var turns = new List<ChatTurn>();
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var message in messages)
            turns.AddRange(Turns(message, names));
        if (string.IsNullOrEmpty(instructions))
            return turns;
        if (turns.Count > 0 && turns[0].Role == ChatTurn.System)
            turns[0] = turns[0] with { Content = $"{instructions}\n\n{turns[0].Content}" };
        else
            turns.Insert(0, new ChatTurn(ChatTurn.System, instructions));
        return turns;
    }

    /// <summary>The declarations as <c>[{"type": "function", "function": {name, description, parameters}}]</c>.</summary>
    public static JsonElement Declare(IEnumerable<AIFunctionDeclaration> functions)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var function in functions)
            {
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
    private static IEnumerable<ChatTurn> Turns(ChatMessage message, Dictionary<string, string> names)
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
                case FunctionCallContent call:
                    names[call.CallId] = call.Name;
                    calls.Add(new ChatToolCall(call.Name, Arguments(call), call.CallId));
                    break;
                case FunctionResultContent result:
                    results.Add(
                        new ChatTurn(ChatTurn.Tool, ResultText(result))
                        {
                            ToolCallId = result.CallId,
                            Name = names.GetValueOrDefault(result.CallId)
                        });
                    break;
                default:
                    throw new NotSupportedException(
                        $"The model reads text only; a message with a {content.GetType().Name} cannot be sent.");
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
        _ => throw new NotSupportedException(
            $"A message of the role '{role.Value}' cannot be sent; known are system, developer, user, assistant and tool."),
    };

    private static JsonElement Arguments(FunctionCallContent call) => JsonSerializer.SerializeToElement(
        call.Arguments
            ?? new Dictionary<string, object?>(), AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)));

    // A function that failed says so: middleware gives the exception beside a text, or alone.
    private static string ResultText(FunctionResultContent content) => content.Result switch
    {
        null => content.Exception is { } exception ? $"Error: {exception.Message}" : "",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        JsonElement json => json.GetRawText(),
        TextContent text => text.Text,
        IEnumerable<AIContent> contents => string.Concat(contents.OfType<TextContent>().Select(text => text.Text)),
        var result => JsonSerializer.Serialize(result, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object))),
    };
}
