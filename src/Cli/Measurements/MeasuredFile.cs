using System.Globalization;
using System.Text.Json;
using Kotonoha.Cli.Training;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.Cli.Measurements;

/// <summary>Reads files of what is measured: JSON lines, or one JSON array of objects.</summary>
internal static class MeasuredFile
{
    private const int Together = 8;

    /// <summary>Reads the objects of a file, or the first of them.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most objects; null for all.</param>
    /// <param name="read">Reads an object, of which it is also given the line.</param>
    /// <exception cref="UsageException">
    /// The file is not there or has nothing, or an object has another form; the message names file and line.
    /// </exception>
    public static IReadOnlyList<T> Read<T>(string path, int? limit, Func<JsonElement, int, T> read)
    {
        RecipeData.RequireFile(path);
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

    /// <summary>Scores the items of a file, several at once, so that they share the engine's steps.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What the items are called while they are counted.</param>
    /// <param name="items">The items.</param>
    /// <param name="line">The line of an item.</param>
    /// <param name="score">Scores one.</param>
    /// <param name="progress">Is told how many are done.</param>
    /// <exception cref="UsageException">An item does not fit into the model's context; the message names file and line.</exception>
    public static async Task<IReadOnlyList<TScore>> ScoreAsync<T, TScore>(
        string path, string what, IReadOnlyList<T> items, Func<T, int> line, Func<T, Task<TScore>> score,
        IProgress<ProgressReport> progress)
    {
        var all = new List<TScore>();
        foreach (var part in items.Chunk(Together))
        {
            progress.Report(new ProgressReport(what, all.Count, items.Count));
            all.AddRange(await Task.WhenAll(part.Select(OneAsync)));
        }

        progress.Report(new ProgressReport(what, all.Count, items.Count));
        return all;

        async Task<TScore> OneAsync(T item)
        {
            try
            {
                return await score(item);
            }
            catch (ContextOverflowException exception)
            {
                throw Wrong(path, line(item), exception.Message);
            }
        }
    }

    /// <summary>Says what is wrong with a line.</summary>
    public static UsageException Wrong(string path, int line, string message)
        => new(string.Create(CultureInfo.InvariantCulture, $"{path}, line {line}: {message}"));

    /// <summary>Texts of a list.</summary>
    /// <exception cref="FormatException">It is no list of texts.</exception>
    public static string[] Texts(string name, JsonElement value) => value.ValueKind == JsonValueKind.Array
        ? [.. value.EnumerateArray().Select(item => RecipeData.TextOf(item, name) ?? throw new FormatException($"'{name}' has a null"))]
        : throw new FormatException($"'{name}' is no list of texts");
}
