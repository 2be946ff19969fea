using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Kotonoha.ChatTemplates.Tools;

/// <summary>JSON as models read and write it: one blank behind commas and colons, characters as they are.</summary>
internal static class JsonSpelling
{
    private static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    /// <summary>The value with a blank behind each comma and colon, as Python's <c>json.dumps</c> spells it.</summary>
    public static string Spaced(JsonElement json)
    {
        var text = new StringBuilder();
        Write(json, text);
        return text.ToString();
    }

    /// <summary>A string in quotes.</summary>
    public static string Quoted(string content) => $"\"{Encoder.Encode(content)}\"";

    /// <summary>Parses the JSON value that begins at a place of a text; what stands behind it does not matter.</summary>
    /// <returns>The value, or null where there is none or it is not complete.</returns>
    public static JsonElement? TryParse(string text, int start, out int length)
    {
        length = 0;
        byte[] utf8 = Encoding.UTF8.GetBytes(text, start, text.Length - start);
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = 64 });
        try
        {
            if (!JsonDocument.TryParseValue(ref reader, out var document))
                return null;
            using (document)
            {
                length = Encoding.UTF8.GetCharCount(utf8.AsSpan(0, (int)reader.BytesConsumed));
                return document.RootElement.Clone();
            }
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void Write(JsonElement json, StringBuilder text)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                string separator = "{";
                foreach (var property in json.EnumerateObject())
                {
                    text.Append(separator).Append(Quoted(property.Name)).Append(": ");
                    Write(property.Value, text);
                    separator = ", ";
                }

                text.Append(separator == "{" ? "{}" : "}");
                break;
            case JsonValueKind.Array:
                separator = "[";
                foreach (var item in json.EnumerateArray())
                {
                    text.Append(separator);
                    Write(item, text);
                    separator = ", ";
                }

                text.Append(separator == "[" ? "[]" : "]");
                break;
            case JsonValueKind.String:
                text.Append(Quoted(json.GetString()!));
                break;
            default:
                text.Append(json.GetRawText());
                break;
        }
    }
}
