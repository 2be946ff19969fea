using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tools;

/// <summary>
/// Reads the JSON schema of a function's arguments: describes it to a model, checks values against it and mends what small models get wrong
/// (a number in quotes).
/// </summary>
internal static class ToolSchema
{
    private const int MaxDepth = 32;

    /// <summary>The parameters in the order of the schema, with their schemas.</summary>
    internal static IReadOnlyList<KeyValuePair<string, JsonElement>> Properties(AIFunctionDeclaration function)
        => function.JsonSchema is { ValueKind: JsonValueKind.Object } schema
            && schema.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object
            ? [.. properties.EnumerateObject().Select(property => KeyValuePair.Create(property.Name, property.Value))]
            : [];

    internal static JsonElement? Property(AIFunctionDeclaration function, string name)
        => Properties(function).FirstOrDefault(property => property.Key == name) is { Key: not null } found ? found.Value : null;

    internal static IReadOnlyList<string> Required(AIFunctionDeclaration function) => Names(function.JsonSchema, "required");

    /// <summary>Turns text into the scalar that a parameter's schema asks for, where it spells one; otherwise it stays text.</summary>
    internal static object? Coerce(JsonElement? schema, string text)
    {
        if (schema is not { ValueKind: JsonValueKind.Object } known)
            return text;
        var types = Types(known);
        if (types.Count == 0 || types.Contains("string"))
            return text;
        var trimmed = text.Trim();
        if (types.Contains("integer")
            && long.TryParse(trimmed, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer))
            return integer;
        if (types.Contains("number") && double.TryParse(trimmed, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && double.IsFinite(number))
            return number;
        if (types.Contains("boolean") && bool.TryParse(trimmed, out var truth))
            return truth;
        if (types.Contains("array") || types.Contains("object"))
        {
            try
            {
                return JsonElement.Parse(trimmed);
            }
            catch (JsonException)
            {
                return text;
            }
        }

        return text;
    }

    /// <summary>
    /// What is wrong with a value; null when it fits the schema. Keywords that are not known here are left to the function itself.
    /// </summary>
    internal static string? Problem(JsonElement root, JsonElement schema, JsonElement value, string path, int depth = 0)
    {
        if (depth > MaxDepth)
            return $"'{path}' is nested more than {MaxDepth} levels deep";
        if (schema.ValueKind == JsonValueKind.False)
            return $"'{path}' is not allowed";
        if (schema.ValueKind != JsonValueKind.Object)
            return null;
        if (schema.TryGetProperty("$ref", out var reference))
            return Resolve(root, reference) is { } target ? Problem(root, target, value, path, depth + 1) : null;
        var types = Types(schema);
        if (types.Count > 0 && !types.Any(type => HasType(value, type)))
            return $"'{path}' must be {string.Join(" or ", types)}, but is {Describe(value)}";
        if (schema.TryGetProperty("enum", out var allowed) && allowed.ValueKind == JsonValueKind.Array
            && !allowed.EnumerateArray().Any(option => JsonElement.DeepEquals(option, value)))
            return $"'{path}' must be one of {allowed.GetRawText()}, but is {Describe(value)}";
        if (value.ValueKind == JsonValueKind.Number && Bound(schema, value) is { } bound)
            return $"'{path}' must be {bound}, but is {Describe(value)}";
        foreach (var keyword in (ReadOnlySpan<string>)["anyOf", "oneOf"])
            if (schema.TryGetProperty(keyword, out var choices) && choices.ValueKind == JsonValueKind.Array
                && choices.EnumerateArray().All(choice => Problem(root, choice, value, path, depth + 1) is not null))
                return $"'{path}' fits none of the allowed forms, it is {Describe(value)}";
        return value.ValueKind switch
        {
            JsonValueKind.Object => ObjectProblem(root, schema, value, path, depth),
            JsonValueKind.Array when schema.TryGetProperty("items", out var items)
                => value.EnumerateArray().Select((item, i) => Problem(root, items, item, $"{path}[{i}]", depth + 1))
                    .FirstOrDefault(problem => problem is not null),
            _ => null,
        };
    }

    internal static IReadOnlyList<string> Types(JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object || !schema.TryGetProperty("type", out var type))
            return [];
        return type.ValueKind switch
        {
            JsonValueKind.String => [type.GetString()!],
            JsonValueKind.Array =>
                [.. type.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)],
            _ => [],
        };
    }

    internal static string Describe(JsonElement value)
    {
        const int longest = 60;
        var raw = value.GetRawText();
        return raw.Length <= longest ? raw : raw[..longest] + "…";
    }

    private static string? ObjectProblem(JsonElement root, JsonElement schema, JsonElement value, string path, int depth)
    {
        foreach (var name in Names(schema, "required"))
            if (!value.TryGetProperty(name, out _))
                return $"'{Join(path, name)}' is missing";
        bool hasProperties = schema.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object;
        bool isClosed = schema.TryGetProperty("additionalProperties", out var additional)
            ? additional.ValueKind == JsonValueKind.False
            : depth == 0 && hasProperties;
        foreach (var member in value.EnumerateObject())
        {
            if (hasProperties && properties.TryGetProperty(member.Name, out var known))
            {
                if (Problem(root, known, member.Value, Join(path, member.Name), depth + 1) is { } problem)
                    return problem;
            }
            else if (isClosed)
            {
                return $"'{Join(path, member.Name)}' is not known; known are: "
                    + $"{(hasProperties ? string.Join(", ", properties.EnumerateObject().Select(property => property.Name)) : "none")}";
            }
        }

        return null;
    }

    private static string? Bound(JsonElement schema, JsonElement value)
    {
        double number = value.GetDouble();
        if (schema.TryGetProperty("minimum", out var minimum) && minimum.ValueKind == JsonValueKind.Number && number < minimum.GetDouble())
            return $"at least {minimum.GetRawText()}";
        if (schema.TryGetProperty("maximum", out var maximum) && maximum.ValueKind == JsonValueKind.Number && number > maximum.GetDouble())
            return $"at most {maximum.GetRawText()}";
        return null;
    }

    private static bool HasType(JsonElement value, string type) => type switch
    {
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && double.IsInteger(value.GetDouble()),
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "array" => value.ValueKind == JsonValueKind.Array,
        "object" => value.ValueKind == JsonValueKind.Object,
        "null" => value.ValueKind == JsonValueKind.Null,
        _ => true,
    };

    private static IReadOnlyList<string> Names(JsonElement schema, string keyword)
        => schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty(keyword, out var names)
            && names.ValueKind == JsonValueKind.Array
            ? [.. names.EnumerateArray().Where(name => name.ValueKind == JsonValueKind.String).Select(name => name.GetString()!)]
            : [];

    /// <summary>Follows a reference within the schema (<c>#/$defs/Name</c>).</summary>
    private static JsonElement? Resolve(JsonElement root, JsonElement reference)
    {
        if (reference.ValueKind != JsonValueKind.String || reference.GetString() is not ['#', .. var pointer])
            return null;
        var found = root;
        foreach (var part in pointer.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var name = part.Replace("~1", "/").Replace("~0", "~");
            if (found.ValueKind == JsonValueKind.Array
                && int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < found.GetArrayLength())
                found = found[index];
            else if (found.ValueKind != JsonValueKind.Object || !found.TryGetProperty(name, out found))
                return null;
        }

        return found;
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
