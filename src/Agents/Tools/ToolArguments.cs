using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tools;

/// <summary>Reads a tool's arguments from what a model wrote, and checks them against the tool's schema.</summary>
internal static class ToolArguments
{
    /// <summary>Reads a JSON object, or a single value for a tool with one parameter (or one required parameter).</summary>
    /// <exception cref="FormatException">
    /// The input does not fit; the message says what is expected and can be shown to the model.
    /// </exception>
    internal static AIFunctionArguments Read(AIFunctionDeclaration function, string input)
    {
        input = StripFence(input);
        var parameters = ToolSchema.Properties(function);
        var required = ToolSchema.Required(function);
        if (input.Length == 0 && required.Count == 0)
            return [];
        if (ReadObject(function, parameters, input) is { } arguments)
            return arguments;
        var single = required.Count == 1 ? parameters.FirstOrDefault(parameter => parameter.Key == required[0])
            : parameters.Count == 1 ? parameters[0] : default;
        if (single.Key is null || input.Length == 0)
            throw new FormatException($"The input must be one JSON object, for example {Example(function)}.");
        var value = ToolSchema.Coerce(single.Value, Unquote(input));
        return Check(function, new Dictionary<string, JsonElement> { [single.Key] = ToJson(value) });
    }

    /// <summary>A call of the tool as JSON with the kind of each value in its place.</summary>
    internal static string Example(AIFunctionDeclaration function)
    {
        var required = ToolSchema.Required(function);
        var shown = ToolSchema.Properties(function).Where(parameter => required.Count == 0 || required.Contains(parameter.Key));
        return "{" + string.Join(", ", shown.Select(parameter => $"\"{parameter.Key}\": {Placeholder(parameter.Value)}")) + "}";
    }

    /// <summary>The arguments as text that is the same for the same arguments, whatever their order.</summary>
    internal static string Canonical(AIFunctionArguments arguments)
        => string.Join(',', arguments.OrderBy(argument => argument.Key, StringComparer.Ordinal)
            .Select(argument =>
                $"{argument.Key}={(argument.Value is JsonElement json ? json.GetRawText() : ToolText.Of(argument.Value ?? ""))}"));

    private static AIFunctionArguments? ReadObject(
        AIFunctionDeclaration function, IReadOnlyList<KeyValuePair<string, JsonElement>> parameters, string input)
    {
        if (!input.StartsWith('{'))
            return null;
        JsonElement json;
        try
        {
            // Models like to go on after the object: the first JSON value is the input.
            var reader =
                new Utf8JsonReader(Encoding.UTF8.GetBytes(input),
                    new JsonReaderOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            json = JsonElement.ParseValue(ref reader);
            // Writing looks at every name and every string, at any depth.
            using var writer = new Utf8JsonWriter(Stream.Null);
            json.WriteTo(writer);
        }
        catch (InvalidOperationException e)
        {
            throw HalfCharacter(function, e);
        }
        catch (JsonException e)
        {
            throw new FormatException($"The input is not valid JSON ({e.Message}) Write one JSON object, for example {Example(function)}.",
                e);
        }

        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in json.EnumerateObject())
        {
            var name = parameters.Any(parameter => parameter.Key == member.Name) ? member.Name
                : parameters.FirstOrDefault(parameter => string.Equals(parameter.Key, member.Name, StringComparison.OrdinalIgnoreCase)).Key
                ?? member.Name;
            var schema = parameters.FirstOrDefault(parameter => parameter.Key == name);
            members[name] = schema.Key is not null && member.Value.ValueKind == JsonValueKind.String
                ? ToJson(ToolSchema.Coerce(schema.Value, member.Value.GetString()!))
                : member.Value;
        }

        return Check(function, members);
    }

    private static AIFunctionArguments Check(AIFunctionDeclaration function, Dictionary<string, JsonElement> members)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var (name, value) in members)
            {
                writer.WritePropertyName(name);
                try
                {
                    value.WriteTo(writer);
                }
                catch (InvalidOperationException e)
                {
                    // A list or an object that the model wrote inside a string.
                    throw HalfCharacter(function, e);
                }
            }

            writer.WriteEndObject();
        }

        var whole = JsonElement.Parse(buffer.ToArray());
        if (ToolSchema.Problem(function.JsonSchema, function.JsonSchema, whole, "") is { } problem)
            throw new FormatException($"The input does not fit: {problem}. Write for example {Example(function)}.");
        var arguments = new AIFunctionArguments();
        foreach (var (name, value) in members)
            arguments[name] = value;
        return arguments;
    }

    private static FormatException HalfCharacter(AIFunctionDeclaration function, InvalidOperationException e)
        => new($"The input holds an escape of half a character (\\uD800 to \\uDFFF must come in pairs). Write the character itself, for "
            + $"example {Example(function)}.", e);

    private static JsonElement ToJson(object? value)
    {
        if (value is JsonElement json)
            return json;
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            switch (value)
            {
                case long integer: writer.WriteNumberValue(integer); break;
                case double number: writer.WriteNumberValue(number); break;
                case bool truth: writer.WriteBooleanValue(truth); break;
                case string text: writer.WriteStringValue(text); break;
                default: writer.WriteNullValue(); break;
            }
        }

        return JsonElement.Parse(buffer.ToArray());
    }

    private static string StripFence(string input)
    {
        input = input.Trim();
        if (!input.StartsWith("```", StringComparison.Ordinal))
            return input.Length >= 2 && input[0] == '`' && input[^1] == '`' ? input[1..^1].Trim() : input;
        int firstLine = input.IndexOf('\n'), close = input.IndexOf("```", 3, StringComparison.Ordinal);
        return firstLine < 0 || close < firstLine ? input.Trim('`').Trim() : input[(firstLine + 1)..close].Trim();
    }

    private static string Unquote(string input)
    {
        if (input.Length >= 2 && input[0] == '"' && input[^1] == '"')
        {
            try
            {
                return JsonElement.Parse(input).GetString()!;
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                // Not one JSON string, or an escape of half a character in it: the text as it is written.
                return input[1..^1];
            }
        }

        return input.Length >= 2 && input[0] == '\'' && input[^1] == '\'' ? input[1..^1] : input;
    }

    private static string Placeholder(JsonElement schema)
    {
        if (schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("enum", out var options)
            && options.ValueKind == JsonValueKind.Array && options.GetArrayLength() > 0)
            return options[0].GetRawText();
        return ToolSchema.Types(schema).FirstOrDefault(type => type != "null") switch
        {
            "integer" => "1",
            "number" => "1.5",
            "boolean" => "true",
            "array" => "[]",
            "object" => "{}",
            _ => "\"…\"",
        };
    }
}
