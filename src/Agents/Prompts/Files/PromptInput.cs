using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>The type of a prompt's input.</summary>
public enum PromptInputType
{
    /// <summary>Any value; a text of the command line stays a text.</summary>
    Any,

    /// <summary>A text.</summary>
    Text,

    /// <summary>A number.</summary>
    Number,

    /// <summary>A whole number.</summary>
    Integer,

    /// <summary>True or false.</summary>
    Boolean,

    /// <summary>A list.</summary>
    Array,

    /// <summary>An object with named members.</summary>
    Object,

    /// <summary>Messages of a conversation: a list of <c>{"role": "user" or "assistant", "content": text}</c>.</summary>
    Thread,
}

/// <summary>An input of a prompt.</summary>
public sealed record PromptInput
{
    internal PromptInput(string name) => Name = name;

    /// <summary>The name that the template uses.</summary>
    public string Name { get; }

    /// <summary>What it is for.</summary>
    public string? Description { get; internal init; }

    /// <summary>Its type.</summary>
    public PromptInputType Type { get; internal init; }

    /// <summary>A value must be given.</summary>
    public bool IsRequired { get; internal init; }

    /// <summary>The value where none is given, or null.</summary>
    public JsonElement? Default { get; internal init; }

    /// <summary>The file declares the input; otherwise its template only uses it.</summary>
    public bool IsDeclared { get; internal init; } = true;

    /// <summary>The words for types in the formats, or null for a word that is none.</summary>
    internal static PromptInputType? TypeOf(string word) => word switch
    {
        "any" => PromptInputType.Any,
        "string" or "text" => PromptInputType.Text,
        "number" or "float" or "double" => PromptInputType.Number,
        "integer" or "int" => PromptInputType.Integer,
        "boolean" or "bool" => PromptInputType.Boolean,
        "array" or "list" => PromptInputType.Array,
        "object" or "dictionary" => PromptInputType.Object,
        "thread" => PromptInputType.Thread,
        _ => null,
    };

    /// <summary>The value that a text of the command line spells, or null.</summary>
    internal JsonElement? Parse(string text)
    {
        if (Type is PromptInputType.Any or PromptInputType.Text)
            return JsonSerializer.SerializeToElement(text);
        try
        {
            var value = JsonElement.Parse(text);
            return Problem(value) is null ? value : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Why a value does not fit, or null.</summary>
    internal string? Problem(JsonElement value)
    {
        bool fits = Type switch
        {
            PromptInputType.Any => true,
            PromptInputType.Text => value.ValueKind == JsonValueKind.String,
            PromptInputType.Number => value.ValueKind == JsonValueKind.Number,
            PromptInputType.Integer => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
            PromptInputType.Boolean => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
            PromptInputType.Array => value.ValueKind == JsonValueKind.Array,
            PromptInputType.Object => value.ValueKind == JsonValueKind.Object,
            _ => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(IsMessage),
        };
        return fits
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"the input '{Name}' is {Describe(Type)}, and {Shown(value)} was given");
    }

    /// <summary>The messages of a thread that has passed <see cref="Problem"/>.</summary>
    internal static IEnumerable<ChatMessage> Messages(JsonElement thread) => thread.EnumerateArray().Select(message => new ChatMessage(
        message.GetProperty("role").GetString() == "user"
            ? ChatRole.User
            : ChatRole.Assistant, message.GetProperty("content").GetString()));

    internal static string Describe(PromptInputType type) => type switch
    {
        PromptInputType.Any => "any value",
        PromptInputType.Text => "a text",
        PromptInputType.Number => "a number",
        PromptInputType.Integer => "a whole number",
        PromptInputType.Boolean => "true or false",
        PromptInputType.Array => "a list",
        PromptInputType.Object => "an object",
        _ => "a list of messages {\"role\": \"user\" or \"assistant\", \"content\": text}",
    };

    // Instructions are the file's: a thread brings none.
    private static bool IsMessage(JsonElement message)
        => message.ValueKind == JsonValueKind.Object && message.EnumerateObject().Count() == 2
            && message.TryGetProperty("role", out var role) && role.ValueKind == JsonValueKind.String
            && role.GetString() is "user" or "assistant"
            && message.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String;

    private static string Shown(JsonElement value)
    {
        const int most = 40;
        var text = value.GetRawText();
        return text.Length <= most ? text : text[..most] + "…";
    }
}

/// <summary>A tool that a prompt names.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it does, or null.</param>
/// <param name="Parameters">
/// The JSON schema of its arguments where the file declares them: the model can then call a tool that nobody gave, and the call is handed
/// to the caller.
/// </param>
public sealed record PromptTool(string Name, string? Description, JsonElement? Parameters);
