using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Kotonoha.ChatTemplates.Tools;

/// <summary>
/// How a model writes the arguments of a call one by one instead of as a JSON object:
/// <c>&lt;parameter=city&gt;\nZug\n&lt;/parameter&gt;</c> of Qwen3-Coder, or <c>city="Zug"</c> as in Python.
/// </summary>
/// <remarks>
/// Arguments are <c>BeforeKey key AfterKey value AfterValue</c>, with <c>Separator</c> between each two. Instances are immutable.
/// </remarks>
public sealed record ToolCallPairs
{
    /// <summary>What comes before the name of an argument.</summary>
    public required string BeforeKey { get; init; }

    /// <summary>What comes between the name and the value.</summary>
    public required string AfterKey { get; init; }

    /// <summary>What comes after the value.</summary>
    public required string AfterValue { get; init; }

    /// <summary>What comes between two arguments.</summary>
    public required string Separator { get; init; }

    /// <summary>
    /// Whether values are literals as in Python, with strings in quotes; if not, strings stand as they are, objects and arrays as JSON.
    /// </summary>
    public bool AreLiterals { get; init; }

    /// <summary>Whether an argument's text is a string whatever it looks like.</summary>
    /// <param name="schema">The schema of the argument; null for none.</param>
    public static bool MayBeString(JsonElement? schema)
    {
        if (schema is not { ValueKind: JsonValueKind.Object } known)
            return true;
        if (known.TryGetProperty("type", out var type))
            return type.ValueKind == JsonValueKind.Array ? type.EnumerateArray().Any(IsString) : IsString(type);
        foreach (var keyword in (string[])["anyOf", "oneOf"])
            if (known.TryGetProperty(keyword, out var options) && options.ValueKind == JsonValueKind.Array)
                return options.EnumerateArray().Any(option => MayBeString(option));
        if (known.TryGetProperty("enum", out var values) && values.ValueKind == JsonValueKind.Array)
            return values.EnumerateArray().Any(value => value.ValueKind == JsonValueKind.String);
        return known.TryGetProperty("const", out var only) ? only.ValueKind == JsonValueKind.String : !known.TryGetProperty("$ref", out _);

        static bool IsString(JsonElement type) => type.ValueKind == JsonValueKind.String && type.GetString() == "string";
    }

    /// <summary>A value as the model writes it.</summary>
    /// <param name="value">The value.</param>
    public string Spell(JsonElement value)
    {
        if (!AreLiterals && value.ValueKind == JsonValueKind.String)
            return value.GetString()!;
        var text = new StringBuilder();
        if (AreLiterals || value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array))
            PythonLiteral.Write(value, text);
        else
            text.Append(JsonSpelling.Spaced(value));
        return text.ToString();
    }

    internal void Write(JsonElement arguments, StringBuilder text)
    {
        string before = BeforeKey;
        foreach (var argument in arguments.EnumerateObject())
        {
            text.Append(before).Append(argument.Name).Append(AfterKey).Append(Spell(argument.Value)).Append(AfterValue);
            before = Separator + BeforeKey;
        }
    }

    /// <summary>Reads arguments.</summary>
    /// <param name="text">The text.</param>
    /// <param name="at">Where they begin; then where they end.</param>
    /// <param name="parameters">The schema of the function's parameters; null where it is not known.</param>
    /// <returns>The arguments as an object; null where they cannot be read.</returns>
    internal JsonElement? Read(string text, ref int at, JsonElement? parameters)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            var names = new HashSet<string>(StringComparer.Ordinal);
            string before = BeforeKey;
            while (ToolCallFormat.Match(text, at, before, out _) is >= 0 and var start)
            {
                int key = start = ToolCallFormat.SkipBlanks(text, start);
                while (key < text.Length && (char.IsLetterOrDigit(text[key]) || text[key] is '_' or '-' or '.' or '$'))
                    key++;
                if (key == start)
                    break;
                var name = text[start..key];
                if (!names.Add(name) || ToolCallFormat.Match(text, key, AfterKey, out _) is not (>= 0 and var value))
                    return null;
                json.WritePropertyName(name);
                if (AreLiterals ? !PythonLiteral.TryRead(text, ref value, json) : !TryReadBare(text, ref value, json, SchemaOf(name)))
                    return null;
                at = value;
                before = Separator + BeforeKey;
            }

            json.WriteEndObject();
        }

        using var document = JsonDocument.Parse(buffer.ToArray());
        return document.RootElement.Clone();

        JsonElement? SchemaOf(string name)
            => parameters is { ValueKind: JsonValueKind.Object } known && known.TryGetProperty("properties", out var properties)
                && properties.ValueKind == JsonValueKind.Object && properties.TryGetProperty(name, out var schema) ? schema : null;
    }

    // A value up to the mark behind it. A string is one whatever it looks like; the schema says what is none.
    private bool TryReadBare(string text, ref int at, Utf8JsonWriter json, JsonElement? schema)
    {
        int end = text.IndexOf(AfterValue.Trim(), at, StringComparison.Ordinal);
        if (end < 0)
            return false;
        int first = at, last = end;
        if (AfterKey.EndsWith('\n') && first < last && text[first] == '\n')
            first++;
        if (AfterValue.StartsWith('\n') && first < last && text[last - 1] == '\n')
            last--;
        var value = text[first..last];
        at = end + AfterValue.Trim().Length;
        bool isString = MayBeString(schema);
        int read = 0;
        using var buffer = new MemoryStream();
        using (var other = new Utf8JsonWriter(buffer))
            if ((isString && value is not ("null" or "None")) || !PythonLiteral.TryRead(value, ref read, other)
                || value.AsSpan(read).Trim().Length > 0)
            {
                json.WriteStringValue(value);
                return true;
            }

        // The word for nothing is a string, unless nothing may be given.
        if (isString && schema?.GetRawText().Contains("\"null\"", StringComparison.Ordinal) != true)
            json.WriteStringValue(value);
        else
            json.WriteRawValue(buffer.ToArray());
        return true;
    }
}

/// <summary>Literals of Python, in which JSON's words are understood too.</summary>
internal static class PythonLiteral
{
    private const int MaximumDepth = 60;

    /// <summary>Reads a literal and writes it as JSON.</summary>
    public static bool TryRead(string text, ref int at, Utf8JsonWriter json) => TryRead(text, ref at, json, 0);

    /// <summary>Writes JSON as a literal.</summary>
    public static void Write(JsonElement json, StringBuilder text)
    {
        string separator = "";
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                foreach (var property in json.EnumerateObject())
                {
                    text.Append(separator).Append(JsonSpelling.Quoted(property.Name)).Append(": ");
                    Write(property.Value, text);
                    separator = ", ";
                }

                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var item in json.EnumerateArray())
                {
                    text.Append(separator);
                    Write(item, text);
                    separator = ", ";
                }

                text.Append(']');
                break;
            default:
                text.Append(json.ValueKind switch
                {
                    JsonValueKind.True => "True",
                    JsonValueKind.False => "False",
                    JsonValueKind.Null => "None",
                    _ => JsonSpelling.Spaced(json),
                });
                break;
        }
    }

    private static bool TryRead(string text, ref int at, Utf8JsonWriter json, int depth)
    {
        at = ToolCallFormat.SkipBlanks(text, at);
        if (at >= text.Length || depth > MaximumDepth)
            return false;
        switch (text[at])
        {
            case '"' or '\'':
                if (ReadString(text, ref at) is not { } content)
                    return false;
                json.WriteStringValue(content);
                return true;
            case '[' or '(':
                return TryReadItems(text, ref at, json, depth, text[at] == '[' ? ']' : ')');
            case '{':
                return TryReadMembers(text, ref at, json, depth);
            default:
                int start = at;
                while (at < text.Length && (char.IsLetterOrDigit(text[at]) || text[at] is '+' or '-' or '.' or '_'))
                    at++;
                var word = text.AsSpan(start, at - start);
                if (word is "True" or "true" or "False" or "false")
                    json.WriteBooleanValue(word is "True" or "true");
                else if (word is "None" or "null")
                    json.WriteNullValue();
                else if (JsonSpelling.TryParse(word.ToString(), 0, out int length) is { ValueKind: JsonValueKind.Number } number
                    && length == word.Length)
                    json.WriteRawValue(number.GetRawText());
                else
                    return false;
                return true;
        }
    }

    private static bool TryReadItems(string text, ref int at, Utf8JsonWriter json, int depth, char end)
    {
        json.WriteStartArray();
        for (at++; !TryTake(text, ref at, end);)
            if (!TryRead(text, ref at, json, depth + 1) || !(TryTake(text, ref at, ',') || Sees(text, at, end)))
                return false;
        json.WriteEndArray();
        return true;
    }

    private static bool TryReadMembers(string text, ref int at, Utf8JsonWriter json, int depth)
    {
        json.WriteStartObject();
        for (at++; !TryTake(text, ref at, '}');)
        {
            at = ToolCallFormat.SkipBlanks(text, at);
            if (at >= text.Length || text[at] is not ('"' or '\'') || ReadString(text, ref at) is not { } name
                || !TryTake(text, ref at, ':'))
                return false;
            json.WritePropertyName(name);
            if (!TryRead(text, ref at, json, depth + 1) || !(TryTake(text, ref at, ',') || Sees(text, at, '}')))
                return false;
        }

        json.WriteEndObject();
        return true;
    }

    private static bool Sees(string text, int at, char wanted) => TryTake(text, ref at, wanted);

    private static bool TryTake(string text, ref int at, char wanted)
    {
        int next = ToolCallFormat.SkipBlanks(text, at);
        if (next >= text.Length || text[next] != wanted)
            return false;
        at = next + 1;
        return true;
    }

    private static string? ReadString(string text, ref int at)
    {
        char quote = text[at++];
        var content = new StringBuilder();
        while (at < text.Length)
        {
            char c = text[at++];
            if (c == quote)
                return content.ToString();
            if (c != '\\' || at == text.Length)
            {
                content.Append(c);
                continue;
            }

            c = text[at++];
            int digits = c switch { 'x' => 2, 'u' => 4, _ => 0 };
            if (digits > 0)
            {
                if (at + digits > text.Length
                    || !ushort.TryParse(
                        text.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort code))
                    return null;
                content.Append((char)code);
                at += digits;
                continue;
            }

            _ = c switch
            {
                'n' => content.Append('\n'),
                't' => content.Append('\t'),
                'r' => content.Append('\r'),
                'b' => content.Append('\b'),
                'f' => content.Append('\f'),
                '\\' or '\'' or '"' or '/' => content.Append(c),
                _ => content.Append('\\').Append(c),
            };
        }

        return null;
    }
}
