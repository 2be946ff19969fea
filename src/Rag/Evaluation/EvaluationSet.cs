using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;

namespace Kotonoha.Rag.Evaluation;

/// <summary>
/// Questions with known answers as a file: one JSON object a line, with <c>question</c> and, as far as known, <c>id</c>, <c>kind</c>,
/// <c>before</c> (the questions before it, on which it leans), <c>answers</c> (texts) and <c>gold</c> (places: <c>source</c>,
/// <c>quote</c>, <c>start</c>, <c>part</c>). A question with neither answers nor gold is one that the documents do not answer.
/// </summary>
public static class EvaluationSet
{
    /// <summary>Reads a set.</summary>
    /// <param name="path">The file; blank lines are passed over.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EvaluationDataException">The file is missing, or a line is no question.</exception>
    public static async Task<IReadOnlyList<EvaluationQuestion>> ReadAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var questions = new List<EvaluationQuestion>();
        await foreach (var (line, number) in DataLines.ReadAsync(path, cancellationToken).ConfigureAwait(false))
        {
            EvaluationQuestion? question;
            try
            {
                question = JsonSerializer.Deserialize(line, EvaluationJson.Default.EvaluationQuestion);
            }
            catch (JsonException exception)
            {
                throw new EvaluationDataException(path, number,
                    $"this is no question as JSON ({exception.Message}). Write {{\"question\": …, \"answers\": […], \"gold\": […]}}.",
                        exception);
            }

            if (string.IsNullOrWhiteSpace(question?.Question))
                throw new EvaluationDataException(path, number, "the question is missing or blank. Give it as \"question\".");
            // What a line leaves out is null here.
            question = question with { Answers = question.Answers ?? [], Gold = question.Gold ?? [] };
            if (question.Gold.Any(span => string.IsNullOrEmpty(span?.Source) || string.IsNullOrEmpty(span.Quote)))
                throw new EvaluationDataException(path, number, "each place of \"gold\" needs \"source\" and \"quote\"; leave out what "
                    + "is unknown.");
            questions.Add(question with { Id = question.Id ?? number.ToString(System.Globalization.CultureInfo.InvariantCulture) });
        }

        return questions.Count > 0 ? questions
            : throw new EvaluationDataException(path, 1, "there is no question in it. Write one JSON object a line.");
    }

    /// <summary>Writes a set; the file appears whole or not at all.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="questions">The questions.</param>
    public static void Write(string path, IEnumerable<EvaluationQuestion> questions)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(questions);
        var text = new StringBuilder();
        foreach (var question in questions)
            text.Append(JsonSerializer.Serialize(question, EvaluationJson.Lines.EvaluationQuestion)).Append('\n');
        AtomicFile.WriteText(path, text.ToString());
    }
}

/// <summary>A file of an evaluation that cannot be used.</summary>
/// <param name="path">The file or folder.</param>
/// <param name="line">The line, from 1, or null where it is about the whole.</param>
/// <param name="problem">What is wrong, and what to do.</param>
/// <param name="innerException">The cause, if there is one.</param>
public sealed class EvaluationDataException(string path, int? line, string problem, Exception? innerException = null)
    : KotonohaException(line is { } number ? $"{path}, line {number}: {problem}" : $"{path}: {problem}", innerException)
{
    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;

    /// <summary>The line, from 1, or null where it is about the whole.</summary>
    public int? Line { get; } = line;
}

/// <summary>Lines of a file with their numbers, without the blank ones.</summary>
internal static class DataLines
{
    internal static async IAsyncEnumerable<(string Line, int Number)> ReadAsync(
        string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
            throw new EvaluationDataException(path, null, "the file does not exist.");
        int number = 0;
        await foreach (var line in File.ReadLinesAsync(path, cancellationToken).ConfigureAwait(false))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
                yield return (line, number);
        }
    }
}

/// <summary>JSON of sets and reports, without reflection; letters of every script stay readable.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EvaluationQuestion))]
[JsonSerializable(typeof(EvaluationReport))]
internal sealed partial class EvaluationJson : JsonSerializerContext
{
    internal static EvaluationJson Lines { get; } = new(Readable(false));

    internal static EvaluationJson Indented { get; } = new(Readable(true));

    private static JsonSerializerOptions Readable(bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.Create(UnicodeRanges.All),
        WriteIndented = indented,
    };
}
