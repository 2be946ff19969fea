using System.Text.Json.Nodes;

namespace Kotonoha.Tests.Support;

/// <summary>Draws JSON schemas of the kind that programs write, recursive ones among them.</summary>
public sealed class RandomSchemas(Random random)
{
    private static readonly string[] Formats = ["date", "date-time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri"];
    private static readonly string[] Patterns =
        ["^[a-z]{2,5}$", "^\\d{3}-\\d{4}$", "b+", "^(red|green)?$", "\\p{Lu}", "^[^\"\\\\]{1,4}$", "\"\\\\"];
    private int _names;

    /// <summary>A schema.</summary>
    public JsonObject Next()
    {
        _names = 0;
        var schema = Value(0, isRecursive: false);
        if (random.Next(4) > 0)
            return schema;

        // A list or tree that contains itself.
        var node = new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject
            {
                ["value"] = schema,
                ["next"] = random.Next(2) == 0
                    ? new JsonObject
                    {
                        ["anyOf"] =
                        new JsonArray(new JsonObject { ["$ref"] = "#/$defs/node" }, new JsonObject { ["type"] = "null" })
                    }
                    : new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["$ref"] = "#/$defs/node" }, ["maxItems"] = 3 },
            },
            ["required"] = new JsonArray("value", "next"),
            ["additionalProperties"] = false,
        };
        return new JsonObject { ["$defs"] = new JsonObject { ["node"] = node }, ["$ref"] = "#/$defs/node" };
    }

    private JsonObject Value(int depth, bool isRecursive) => random.Next(depth > 2 ? 7 : 10) switch
    {
        0 => Text(),
        1 => Number("integer"),
        2 => Number("number"),
        3 => new JsonObject { ["type"] = "boolean" },
        4 => new JsonObject { ["enum"] = new JsonArray("red", "gr\"een", 3, null, true) },
        5 => new JsonObject { ["const"] = random.Next(2) == 0 ? JsonValue.Create("only \u00e9") : JsonValue.Create(-1.5) },
        6 => new JsonObject { ["type"] = new JsonArray("string", "null") },
        7 => new JsonObject { ["anyOf"] = new JsonArray(Value(depth + 1, isRecursive), Value(depth + 1, isRecursive)) },
        8 => Items(depth),
        _ => Members(depth),
    };

    private JsonObject Text()
    {
        var schema = new JsonObject { ["type"] = "string" };
        switch (random.Next(5))
        {
            case 0:
                schema["minLength"] = random.Next(4);
                schema["maxLength"] = 4 + random.Next(8);
                break;
            case 1:
                schema["format"] = Formats[random.Next(Formats.Length)];
                break;
            case 2:
                schema["pattern"] = Patterns[random.Next(Patterns.Length)];
                break;
            case 3:
                schema["pattern"] = "^[a-z0-9]*$";
                schema["minLength"] = 2;
                schema["maxLength"] = 6;
                break;
        }

        return schema;
    }

    private JsonObject Number(string type)
    {
        var schema = new JsonObject { ["type"] = type };
        int low = random.Next(-50, 50);
        if (random.Next(2) == 0)
            schema[random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = low;
        if (random.Next(2) == 0)
            schema[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = low + 2 + random.Next(1000);
        return schema;
    }

    private JsonObject Items(int depth)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = Value(depth + 1, false) };
        if (random.Next(2) == 0)
            schema["minItems"] = random.Next(3);
        if (random.Next(2) == 0)
            schema["maxItems"] = 3 + random.Next(3);
        if (random.Next(4) == 0)
            schema["prefixItems"] = new JsonArray(Value(depth + 1, false));
        return schema;
    }

    private JsonObject Members(int depth)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        for (int i = random.Next(5); i > 0; i--)
        {
            var name = $"p\u00e4 {_names++}";
            properties[name] = Value(depth + 1, false);
            if (random.Next(2) == 0)
                required.Add(name);
        }

        var schema = new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required };
        if (random.Next(3) == 0)
            schema["additionalProperties"] = random.Next(2) == 0 ? JsonValue.Create(false) : Value(depth + 1, false);
        return schema;
    }
}
