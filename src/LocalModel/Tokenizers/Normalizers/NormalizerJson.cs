using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Writing components that consist of their type alone.</summary>
internal static class NormalizerJson
{
    public static void WriteBare(Utf8JsonWriter writer, string type)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, type);
        writer.WriteEndObject();
    }
}
