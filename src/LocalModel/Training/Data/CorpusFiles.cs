using System.Globalization;
using System.Text.Json;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Data;

/// <summary>Reads the documents of a corpus, one by one: text files whole, and files of JSON lines line by line.</summary>
public static class CorpusFiles
{
    private const string LinesExtension = ".jsonl";
    private static readonly string[] Extensions = [".txt", ".md", LinesExtension];

    /// <summary>
    /// The documents of a file, or of all .txt, .md and .jsonl files below a folder, in ordinal order of their paths. A .jsonl file has one
    /// object a line with a <c>text</c>, and perhaps a <c>name</c>; in a folder, one whose first object has none (a log) is passed over.
    /// </summary>
    /// <param name="path">The file or the folder.</param>
    /// <param name="badLine">Is told of each line that cannot be read, which is left out; null where such a line is an error.</param>
    /// <exception cref="TokenizerException">There is nothing at the path, or a text file is not UTF-8.</exception>
    /// <exception cref="TrainingException">A line cannot be read; the message names file and line.</exception>
    public static IEnumerable<CorpusDocument> Read(string path, Action<string>? badLine = null)
        => TextCorpus.From(path, Extensions).Files.SelectMany(file => IsLines(file)
            ? file == path || HasTexts(file) ? Lines(file, badLine) : []
            : [new CorpusDocument(Path.GetRelativePath(Root(path), file), string.Concat(TextCorpus.From(file)))]);

    /// <summary>Whether a path is a file of JSON lines.</summary>
    /// <param name="path">The path.</param>
    public static bool IsLines(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.EndsWith(LinesExtension, StringComparison.OrdinalIgnoreCase) && !Directory.Exists(path);
    }

    private static bool HasTexts(string file)
        => File.ReadLines(file).FirstOrDefault(line => !string.IsNullOrWhiteSpace(line)) is { } first && Parse(first, out _, out _);

    private static string Root(string path) => Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;

    private static IEnumerable<CorpusDocument> Lines(string file, Action<string>? badLine)
    {
        int number = 0;
        foreach (var line in File.ReadLines(file))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            var place = string.Create(CultureInfo.InvariantCulture, $"{file}, line {number}");
            if (Parse(line, out var document, out var fault))
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
