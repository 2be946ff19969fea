using System.Text.Json;
using Kotonoha.LocalModel.Chat;

namespace Kotonoha.Cli.Lines;

/// <summary>The conversation of a line.</summary>
/// <param name="Messages">A list of objects; the chat template decides what they may hold.</param>
/// <param name="Tools">Declarations of functions, or null.</param>
internal sealed record LineMessages(JsonElement Messages, JsonElement? Tools)
{
    /// <summary>Takes <c>messages</c> and <c>tools</c>; null where there are no messages.</summary>
    public static LineMessages? Take(LineRequest request)
    {
        var tools = request.Take("tools");
        if (tools is { ValueKind: not JsonValueKind.Array })
            throw LineRequest.Wrong("tools", "a list of declarations");
        if (request.Take("messages") is not { } messages)
            return tools is null ? null : throw new LineException("'tools' belong to 'messages'");
        if (messages.ValueKind != JsonValueKind.Array || messages.EnumerateArray().Any(m => m.ValueKind != JsonValueKind.Object))
            throw LineRequest.Wrong("messages", "a list of {role, content}");
        return new LineMessages(messages, tools);
    }

    /// <summary>The messages as turns, when each has nothing but a role and a text; else null.</summary>
    public ChatTurn[]? PlainTurns()
    {
        var turns = new List<ChatTurn>();
        foreach (var message in Messages.EnumerateArray())
        {
            string? role = null, content = null;
            foreach (var field in message.EnumerateObject())
                switch (field.Name)
                {
                    case "role" when field.Value.ValueKind == JsonValueKind.String:
                        role = field.Value.GetString();
                        break;
                    case "content" when field.Value.ValueKind == JsonValueKind.String:
                        content = field.Value.GetString();
                        break;
                    default:
                        return null;
                }

            if (role is null || content is null)
                return null;
            turns.Add(new ChatTurn(role, content));
        }

        return [.. turns];
    }

    /// <summary>What a chat template is given.</summary>
    public ChatTemplateInput Input(bool addGenerationPrompt) => new() { Messages = Messages, Tools = Tools, AddGenerationPrompt = addGenerationPrompt };
}
