using System.Text.Json;
using Kotonoha.ChatTemplates;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>Functions, their calls and their results in the shape that chat templates know.</summary>
internal static class ToolDeclarations
{
    /// <summary>The declarations as <c>[{"type": "function", "function": {name, description, parameters}}]</c>.</summary>
    /// <exception cref="NotSupportedException">A tool is no function.</exception>
    public static JsonElement ToJson(IEnumerable<AITool> tools)
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

        return Parse(buffer);
    }

    /// <summary>A message with calls becomes one turn, each result a turn of its own.</summary>
    /// <exception cref="NotSupportedException">A content is neither text nor a call nor a result.</exception>
    public static IEnumerable<ChatTurn> Turns(ChatMessage message)
    {
        var text = new System.Text.StringBuilder();
        var calls = new List<ChatToolCall>();
        var results = new List<ChatTurn>();
        foreach (var content in message.Contents)
            switch (content)
            {
                case TextContent part:
                    text.Append(part.Text);
                    break;
                case FunctionCallContent call:
                    calls.Add(new ChatToolCall(call.Name, JsonSerializer.SerializeToElement(call.Arguments ?? new Dictionary<string, object?>(), AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>))), call.CallId));
                    break;
                case FunctionResultContent result:
                    results.Add(new ChatTurn(ChatTurn.Tool, ResultText(result.Result)) { ToolCallId = result.CallId });
                    break;
                case TextReasoningContent or UsageContent:
                    break;
                default:
                    throw new NotSupportedException($"The model reads text only; a message with a {content.GetType().Name} cannot be sent.");
            }

        if (calls.Count > 0 || text.Length > 0)
            yield return new ChatTurn(message.Role.Value, text.ToString()) { ToolCalls = calls };
        foreach (var result in results)
            yield return result;
    }

    private static string ResultText(object? result) => result switch
    {
        null => "",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        JsonElement json => json.GetRawText(),
        _ => JsonSerializer.Serialize(result, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object))),
    };

    private static JsonElement Parse(MemoryStream buffer)
    {
        using var document = JsonDocument.Parse(buffer.ToArray());
        return document.RootElement.Clone();
    }
}
