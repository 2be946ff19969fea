using System.Globalization;
using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Data;

/// <summary>Reads the documents of a corpus, one by one: text files whole, and files of JSON objects object by object.</summary>
public static class CorpusFiles
{
    private static readonly string[] ObjectExtensions = [".jsonl", ".json"], Extensions = [".txt", ".md", .. ObjectExtensions];

    /// <summary>
    /// The documents of a file, or of all .txt, .md, .jsonl and .json files below a folder, in ordinal order of their paths. A .jsonl or
    /// .json file has one object a line, or is one JSON array of objects, each with a <c>text</c> and perhaps a <c>name</c>; in a folder,
    /// one whose first object has none (a log), or that is no JSON, is passed over.
    /// </summary>
    /// <param name="path">The file or the folder.</param>
    /// <param name="badLine">Is told of each line that cannot be read, which is left out; null where such a line is an error.</param>
    /// <exception cref="TokenizerException">There is nothing at the path, or a text file is not UTF-8.</exception>
    /// <exception cref="TrainingException">An object cannot be read; the message names file and line.</exception>
    public static IEnumerable<CorpusDocument> Read(string path, Action<string>? badLine = null)
        => TextCorpus.From(path, Extensions).Files.SelectMany(file => IsLines(file)
            ? file == path || HasTexts(file) ? Lines(file, badLine) : []
            : [new CorpusDocument(Path.GetRelativePath(Root(path), file), string.Concat(TextCorpus.From(file)))]);

    /// <summary>Whether a path is a file of JSON lines, or of a JSON array.</summary>
    /// <param name="path">The path.</param>
    public static bool IsLines(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return ObjectExtensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) && !Directory.Exists(path);
    }

    private static bool HasTexts(string file)
    {
        try
        {
            return JsonRecords.Read(file).Select(record => record.Json).FirstOrDefault() is { } first && Parse(first, out _, out _);
        }
        catch (TrainingException)
        {
            // Some other program's file, or half of one.
            return false;
        }
    }

    private static string Root(string path) => Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;

    private static IEnumerable<CorpusDocument> Lines(string file, Action<string>? badLine)
    {
        foreach (var (json, number) in JsonRecords.Read(file))
        {
            var place = string.Create(CultureInfo.InvariantCulture, $"{file}, line {number}");
            if (Parse(json, out var document, out var fault))
                yield return document with { Name = document.Name ?? place };
            else if (badLine is null)
                throw new TrainingException($"{place}: {fault}");
            else
                badLine($"{place}: {fault}");
        }
    }

    private static bool Parse(string line, out CorpusDocument document, out string fault)
    {
        (document, fault) = (default, "");
        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind == JsonValueKind.Object && Text(json.RootElement, "text") is { } text)
            {
                document = new CorpusDocument(Text(json.RootElement, "name")!, text);
                return true;
            }

            fault = "the text 'text' is missing";
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            fault = exception.Message;
        }

        return false;
    }

    private static string? Text(JsonElement element, string name)
        => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
