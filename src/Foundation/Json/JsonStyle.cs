using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Kotonoha.Foundation.Json;

/// <summary>How JSON files are written: indented by two, characters beyond ASCII as they are.</summary>
internal static class JsonStyle
{
    public static JsonWriterOptions WriterOptions => new()
    {
        Indented = true,
        IndentSize = 2,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes a number, or null.</summary>
    public static void NumberOrNull(Utf8JsonWriter writer, string name, int? value)
    {
        if (value is { } number)
            writer.WriteNumber(name, number);
        else
            writer.WriteNull(name);
    }

    /// <summary>
    /// Writes a number of a fractional kind: always with a point or an exponent, since readers of typed configs tell 0 from 0.0.
    /// </summary>
    public static void WriteReal(Utf8JsonWriter writer, string name, double value)
        => WriteReal(writer, name, value.ToString("R", CultureInfo.InvariantCulture));

    /// <summary>As above, with the digits that single precision has.</summary>
    public static void WriteReal(Utf8JsonWriter writer, string name, float value)
        => WriteReal(writer, name, value.ToString("R", CultureInfo.InvariantCulture));

    private static void WriteReal(Utf8JsonWriter writer, string name, string digits)
    {
        writer.WritePropertyName(name);
        writer.WriteRawValue(digits.AsSpan().ContainsAny('.', 'E') ? digits : digits + ".0");
    }
}
