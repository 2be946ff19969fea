using System.Text.Json;
using Kotonoha.LocalModel.Chat;

namespace Kotonoha.Cli.Lines;

/// <summary>The conversation of a line.</summary>
internal static class LineMessages
{
    public static ChatTurn[]? Take(LineRequest request)
    {
        if (request.Take("messages") is not { } messages)
            return null;
        return messages.ValueKind == JsonValueKind.Array ? [.. messages.EnumerateArray().Select(Turn)] : throw LineRequest.Wrong("messages", "a list of {role, content}");
    }

    private static ChatTurn Turn(JsonElement message)
    {
        if (message.ValueKind != JsonValueKind.Object)
            throw LineRequest.Wrong("messages", "a list of {role, content}");
        string? role = null, content = null;
        foreach (var field in message.EnumerateObject())
            switch (field.Name)
            {
                case "role" when field.Value.ValueKind == JsonValueKind.String:
                    role = LineRequest.StringOf("role", field.Value);
                    break;
                case "content" when field.Value.ValueKind == JsonValueKind.String:
                    content = LineRequest.StringOf("content", field.Value);
                    break;
                default:
                    throw new LineException($"a message's field '{field.Name}' is not understood; a message is {{role, content}}, both texts");
            }

        return new ChatTurn(role ?? throw new LineException("a message has no 'role'"), content ?? throw new LineException("a message has no 'content'"));
    }
}
