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
}
