using System.Text.Json;

namespace Kotonoha.Cli.Lines;

/// <summary>Lists of numbers as JSON.</summary>
internal static class JsonWriting
{
    public static void WriteIntegers(this Utf8JsonWriter json, string name, IEnumerable<int> values)
    {
        json.WriteStartArray(name);
        foreach (int value in values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    /// <summary>Shortest digits that give the same float again; minus infinity, which JSON does not have, is null.</summary>
    public static void WriteNumbers(this Utf8JsonWriter json, string name, IEnumerable<float> values)
    {
        json.WriteStartArray(name);
        foreach (float value in values)
            if (float.IsNegativeInfinity(value))
                json.WriteNullValue();
            else
                json.WriteNumberValue(value);
        json.WriteEndArray();
    }
}
