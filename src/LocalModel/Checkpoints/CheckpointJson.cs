using System.Text.Encodings.Web;
using System.Text.Json;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>How the JSON files of a checkpoint are written: indented by two, characters beyond ASCII as they are.</summary>
internal static class CheckpointJson
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
}
