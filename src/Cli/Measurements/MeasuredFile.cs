using System.Globalization;
using System.Text.Json;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.Cli.Measurements;

/// <summary>Reads files of what is measured: JSON lines, or one JSON array of objects.</summary>
internal static class MeasuredFile
{
    /// <summary>Reads the objects of a file, or the first of them.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most objects; null for all.</param>
    /// <param name="read">Reads an object, of which it is also given the line.</param>
    /// <exception cref="UsageException">
    /// The file is not there or has nothing, or an object has another form; the message names file and line.
    /// </exception>
    public static IReadOnlyList<T> Read<T>(string path, int? limit, Func<JsonElement, int, T> read)
    {
        Require(path);
        var all = new List<T>();
        try
        {
            foreach (var (text, line) in JsonRecords.Read(path).Take(limit ?? int.MaxValue))
                try
                {
                    using var json = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
                    if (json.RootElement.ValueKind != JsonValueKind.Object)
                        throw new FormatException("a JSON object is expected");
                    all.Add(read(json.RootElement, line));
                }
                catch (Exception exception) when (exception is JsonException or FormatException or InvalidOperationException)
                {
                    throw Wrong(path, line, exception.Message.Split(" LineNumber:")[0]);
                }
        }
        catch (TrainingException exception)
        {
            throw new UsageException(exception.Message); // an array that breaks off
        }

        return all.Count > 0 ? all : throw new UsageException($"'{path}' has no line");
    }

    /// <summary>Refuses what is no file.</summary>
    /// <exception cref="UsageException">It is a folder, or is not there.</exception>
    public static void Require(string path)
    {
        if (!File.Exists(path))
            throw new UsageException($"'{path}': {(Directory.Exists(path) ? "this is a folder; name a file" : "there is no such file")}");
    }

    /// <summary>Says what is wrong with a line.</summary>
    public static UsageException Wrong(string path, int line, string message)
        => new(string.Create(CultureInfo.InvariantCulture, $"{path}, line {line}: {message}"));

    /// <summary>The text of a value; of a number or a truth value as it is written.</summary>
    /// <exception cref="FormatException">It is a list, an object or null.</exception>
    public static string TextOf(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        _ => throw new FormatException($"'{name}' is no text"),
    };

    /// <summary>A text that an object must have.</summary>
    /// <exception cref="FormatException">It is missing, or is no text.</exception>
    public static string Text(JsonElement json, string name)
        => OptionalText(json, name) ?? throw new FormatException($"the text '{name}' is missing");

    /// <summary>A text that an object may have.</summary>
    /// <exception cref="FormatException">It is no text.</exception>
    public static string? OptionalText(JsonElement json, string name)
        => json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? TextOf(name, value) : null;

    /// <summary>Texts of a list.</summary>
    /// <exception cref="FormatException">It is no list of texts.</exception>
    public static string[] Texts(string name, JsonElement value) => value.ValueKind == JsonValueKind.Array
        ? [.. value.EnumerateArray().Select(item => TextOf(name, item))]
        : throw new FormatException($"'{name}' is no list of texts");
}
