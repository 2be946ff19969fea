using System.Text;
using System.Text.Json;

namespace Kotonoha.Cli.Lines;

/// <summary>One line of the input: a JSON object whose fields are taken one by one; one that nobody takes is an error.</summary>
internal sealed class LineRequest : IDisposable
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private const string SurrogateEscape = "\\uD";
    private readonly JsonDocument document;
    private readonly HashSet<string> taken = new(StringComparer.Ordinal);

    private LineRequest(JsonDocument document) => this.document = document;

    /// <summary>Reads a line.</summary>
    /// <exception cref="LineException">It is no UTF-8, or no JSON object.</exception>
    public static LineRequest Parse(ReadOnlyMemory<byte> line)
    {
        string text;
        try
        {
            text = Strict.GetString(line.Span);
        }
        catch (DecoderFallbackException exception)
        {
            throw new LineException($"the line is no UTF-8 (byte {exception.Index})");
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (InvalidOperationException)
        {
            throw new LineException("the line holds half of a surrogate pair in a field's name"); // names are decoded to tell them apart
        }
        catch (JsonException exception)
        {
            throw new LineException($"the line is no JSON: {exception.Message.Split(" LineNumber:")[0]}");
        }

        try
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new LineException("the line must be one JSON object");
            if (text.Contains(SurrogateEscape, StringComparison.OrdinalIgnoreCase))
                RequireWholeCharacters(document.RootElement);
            return new LineRequest(document);
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    /// <summary>Whether a field is there and not null.</summary>
    public bool Has(string name) => document.RootElement.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>A field's value, or null when it is not there or null.</summary>
    public JsonElement? Take(string name)
    {
        taken.Add(name);
        return Has(name) ? document.RootElement.GetProperty(name) : null;
    }

    public string? Text(string name) => Take(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, "a string");

    public string RequiredText(string name) => Text(name) ?? throw new LineException($"'{name}' is missing");

    public bool? Boolean(string name) => Take(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "true or false");

    public int? Integer(string name) => Take(name) is not { } value ? null : IntegerOf(name, value);

    public long? Long(string name) => Take(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number : throw Wrong(name, "a whole number");

    public float? Number(string name) => Take(name) is not { } value ? null : NumberOf(name, value);

    /// <summary>A list of token ids.</summary>
    public int[]? Integers(string name) => Take(name) is not { } value ? null : IntegersOf(name, value);

    /// <summary>One string, or a list of them.</summary>
    public string[]? Texts(string name) => Take(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } one => [one.GetString()!],
        { ValueKind: JsonValueKind.Array } several => [.. several.EnumerateArray().Select(v => v.ValueKind == JsonValueKind.String ? v.GetString()! : throw Wrong(name, "a string or a list of strings"))],
        _ => throw Wrong(name, "a string or a list of strings"),
    };

    /// <summary>Refuses fields that nobody took.</summary>
    /// <exception cref="LineException">There is one.</exception>
    public void RequireNothingElse()
    {
        foreach (var field in document.RootElement.EnumerateObject())
            if (!taken.Contains(field.Name))
                throw new LineException($"the field '{field.Name}' is not known; known are {string.Join(", ", taken.Order(StringComparer.Ordinal))}");
    }

    public static int IntegerOf(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw Wrong(name, "a whole number");

    public static float NumberOf(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && float.IsFinite(number) ? number : throw Wrong(name, "a number");

    public static int[] IntegersOf(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(v => IntegerOf(name, v))] : throw Wrong(name, "a list of whole numbers");

    // Escapes are decoded as they are read, so half a pair would show anywhere later.
    private static void RequireWholeCharacters(JsonElement json)
    {
        try
        {
            foreach (var field in json.EnumerateObject())
                RequireWholeCharacters(field.Value, field.Name);
        }
        catch (InvalidOperationException)
        {
            throw new LineException("the line holds half of a surrogate pair in a field's name");
        }
    }

    private static void RequireWholeCharacters(JsonElement value, string name)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                try
                {
                    value.GetString();
                }
                catch (InvalidOperationException)
                {
                    throw new LineException($"'{name}' holds half of a surrogate pair");
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                    RequireWholeCharacters(item, name);
                break;
            case JsonValueKind.Object:
                RequireWholeCharacters(value);
                break;
        }
    }

    public static LineException Wrong(string name, string kind) => new($"'{name}' must be {kind}");

    public void Dispose() => document.Dispose();
}
