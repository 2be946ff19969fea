using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>Reads a model's options, under the names that the formats have for them.</summary>
internal static class PromptChatOptions
{
    /// <summary>Sets what the members say; what is not known becomes an additional property.</summary>
    /// <param name="fields">The options.</param>
    /// <param name="reading">The reading of the prompt.</param>
    /// <param name="options">Receives them.</param>
    /// <returns>A JSON schema that the answer must satisfy, with its place, or null.</returns>
    public static YamlNode? Read(PromptFields fields, PromptFileReading reading, ChatOptions options)
    {
        YamlNode? schema = null;
        foreach (var member in fields.Node.Members ?? [])
        {
            var value = fields[member.Key];
            if (value is null)
                continue;
            switch (member.Key.Replace("_", "", StringComparison.Ordinal).ToLowerInvariant())
            {
                case "temperature":
                    options.Temperature = Number(value, reading, member.Key);
                    break;
                case "topp":
                    options.TopP = Number(value, reading, member.Key);
                    break;
                case "topk":
                    options.TopK = Whole(value, reading, member.Key);
                    break;
                case "maxtokens" or "maxoutputtokens" or "maxcompletiontokens":
                    options.MaxOutputTokens = Whole(value, reading, member.Key);
                    break;
                case "seed":
                    options.Seed = Whole(value, reading, member.Key);
                    break;
                case "frequencypenalty":
                    options.FrequencyPenalty = Number(value, reading, member.Key);
                    break;
                case "presencepenalty":
                    options.PresencePenalty = Number(value, reading, member.Key);
                    break;
                case "stop" or "stopsequences":
                    options.StopSequences = [.. fields.List(member.Key).Select(reading.Text)];
                    break;
                case "allowmultipletoolcalls" or "paralleltoolcalls":
                    options.AllowMultipleToolCalls = fields.Truth(member.Key);
                    break;
                case "chattoolmode" or "toolchoice":
                    options.ToolMode =
                        ToolMode(value, value.Members is null ? reading.Text(value) : fields.Map(member.Key)!.Text("kind", "type"));
                    break;
                case "functionchoicebehavior":
                    options.ToolMode = ToolMode(value, value.Members is null ? reading.Text(value) : fields.Map(member.Key)!.Text("type"));
                    break;
                case "chatsystemprompt" or "chatdeveloperprompt":
                    options.Instructions = reading.Text(value);
                    break;
                case "reasoningeffort":
                    options.Reasoning = new ReasoningOptions
                    {
                        Effort = Enum.TryParse<ReasoningEffort>(reading.Text(value)
                            .Replace("xhigh", "ExtraHigh", StringComparison.OrdinalIgnoreCase),
                            ignoreCase: true, out var effort)
                            ? effort
                            : throw value.Error(PromptFileError.Content,
                                $"'{value.Scalar}' is no reasoning effort; write low, medium or high."),
                    };
                    break;
                case "responseformat":
                    schema = ResponseFormat(reading.Expand(value), reading, options);
                    break;
                case "modelid" or "serviceid" or "extensiondata":
                    break;
                case "additionalproperties":
                    foreach (var extra in value.Members ?? [])
                        (options.AdditionalProperties ??= [])[extra.Key] = Plain(reading.Json(extra.Value));
                    break;
                default:
                    (options.AdditionalProperties ??= [])[member.Key] = Plain(reading.Json(value));
                    break;
            }
        }

        return schema;
    }

    /// <summary>Options where those that are not set come from others.</summary>
    public static void Default(ChatOptions options, ChatOptions defaults)
    {
        options.Temperature ??= defaults.Temperature;
        options.TopP ??= defaults.TopP;
        options.TopK ??= defaults.TopK;
        options.MaxOutputTokens ??= defaults.MaxOutputTokens;
        options.Seed ??= defaults.Seed;
        options.FrequencyPenalty ??= defaults.FrequencyPenalty;
        options.PresencePenalty ??= defaults.PresencePenalty;
        options.StopSequences ??= defaults.StopSequences?.ToList();
        options.AllowMultipleToolCalls ??= defaults.AllowMultipleToolCalls;
        options.ToolMode ??= defaults.ToolMode;
        options.Instructions ??= defaults.Instructions;
        options.Reasoning ??= defaults.Reasoning;
        options.ResponseFormat ??= defaults.ResponseFormat;
        foreach (var (name, value) in defaults.AdditionalProperties ?? [])
            (options.AdditionalProperties ??= []).TryAdd(name, value);
    }

    private static YamlNode? ResponseFormat(YamlNode value, PromptFileReading reading, ChatOptions options)
    {
        if (value.Members is null)
        {
            options.ResponseFormat = value.Scalar switch
            {
                "text" => ChatResponseFormat.Text,
                "json" or "json_object" => ChatResponseFormat.Json,
                _ => throw value.Error(PromptFileError.Content,
                    $"the response format '{value.Scalar}' is not known; write text, json_object or a JSON schema."),
            };
            return null;
        }

        var type = value["type"]?.Scalar;
        if (type is "text" or "json_object")
            return ResponseFormat(value["type"]!, reading, options);
        if (type != "json_schema")
            return value;
        var wrapped = value["json_schema"] ?? value;
        return wrapped["schema"] is { } schema ? reading.Expand(schema)
            : throw value.Error(PromptFileError.Schema, "the response format 'json_schema' has no 'schema'.");
    }

    private static float Number(YamlNode node, PromptFileReading reading, string name)
        => reading.Expand(node).ScalarJson() is { } value && value.GetValueKind() == JsonValueKind.Number
            ? (float)value.Deserialize<double>()
            : throw node.Error(PromptFileError.Content, $"'{name}' must be a number, not {node.Kind}.");

    private static int Whole(YamlNode node, PromptFileReading reading, string name)
        => reading.Expand(node).ScalarJson() is { } value && value.GetValueKind() == JsonValueKind.Number
            && value.TryGetValue(out long number)
            && number is >= 0 and <= int.MaxValue
            ? (int)number
            : throw node.Error(PromptFileError.Content, $"'{name}' must be a whole number of at least 0, not {node.Kind}.");

    private static ChatToolMode ToolMode(YamlNode node, string? word) => word?.ToLowerInvariant() switch
    {
        "auto" => ChatToolMode.Auto,
        "required" or "any" => ChatToolMode.RequireAny,
        "none" => ChatToolMode.None,
        _ => throw node.Error(PromptFileError.Content, $"'{word}' is no way to choose tools; write auto, required or none."),
    };

    private static object? Plain(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Null => null,
        JsonValueKind.Number => value.TryGetInt64(out long whole) ? whole : value.GetDouble(),
        _ => value,
    };
}
