using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Kotonoha.Cli.Comparisons;

/// <summary>A request with the answers of several systems, a line of a comparisons file.</summary>
/// <param name="Id">The number of its line, from 1.</param>
/// <param name="Prompt">The request.</param>
/// <param name="Answers">The answers by the names of the systems; at least two.</param>
internal sealed record Comparison(int Id, string Prompt, IReadOnlyDictionary<string, string> Answers)
{
    /// <summary>Each pair of systems once, in ordinal order of their names.</summary>
    public IEnumerable<(string First, string Second)> Pairs
    {
        get
        {
            string[] names = [.. Answers.Keys.Order(StringComparer.Ordinal)];
            return names.SelectMany((first, i) => names.Skip(i + 1).Select(second => (first, second)));
        }
    }

    /// <summary>Reads <c>{"prompt": "…", "answers": {"base": "…", "tuned": "…"}}</c> lines.</summary>
    /// <exception cref="UsageException">A line has another form; the message names file and line.</exception>
    public static IReadOnlyList<Comparison> Read(string file)
    {
        if (!File.Exists(file))
            throw new UsageException($"'{file}': there is no such file");
        var all = new List<Comparison>();
        int number = 0;
        foreach (var line in File.ReadLines(file))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                using var json = JsonDocument.Parse(line, new JsonDocumentOptions { AllowDuplicateProperties = false });
                var answers = json.RootElement.GetProperty("answers").EnumerateObject().ToDictionary(
                    answer => answer.Name, answer => answer.Value.GetString() ?? throw new FormatException("an answer is no text"));
                if (answers.Count < 2)
                    throw new FormatException("there are fewer than two answers");
                all.Add(new Comparison(number, json.RootElement.GetProperty("prompt").GetString()
                    ?? throw new FormatException("'prompt' is no text"), answers));
            }
            catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException
                or FormatException)
            {
                throw new UsageException(string.Create(CultureInfo.InvariantCulture,
                    $"{file}, line {number}: {exception.Message} "
                        + $"(a line is {{\"prompt\": …, \"answers\": {{\"name\": …, \"name\": …}}}})"));
            }
        }

        return all.Count > 0 ? all : throw new UsageException($"'{file}' has no line");
    }
}

/// <summary>What somebody said of two answers.</summary>
/// <param name="Id">The line of the comparison.</param>
/// <param name="First">The system of one answer.</param>
/// <param name="Second">The system of the other.</param>
/// <param name="Score">1 where the first is better, 0 where the second is, 0.5 for neither.</param>
/// <param name="By">Who said it.</param>
internal sealed record Vote(int Id, string First, string Second, double Score, string By)
{
    private static readonly JsonSerializerOptions Form = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };

    /// <summary>Reads votes; a last line that was cut off while it was written is left out.</summary>
    /// <exception cref="UsageException">A line is no vote.</exception>
    public static IReadOnlyList<Vote> Read(string file)
    {
        var votes = new List<Vote>();
        string[] lines = File.Exists(file) ? File.ReadAllLines(file) : [];
        for (int i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i]))
                continue;
            try
            {
                var vote = JsonSerializer.Deserialize<Vote>(lines[i], Form) ?? throw new JsonException("a vote is a JSON object");
                votes.Add(vote.Score is >= 0 and <= 1 ? vote : throw new JsonException("a score is a number from 0 to 1"));
            }
            catch (JsonException exception) when (i == lines.Length - 1 && !File.ReadAllText(file).EndsWith('\n'))
            {
                Console.Error.WriteLine($"left out: {file}, line {i + 1}: {exception.Message}");
            }
            catch (JsonException exception)
            {
                throw new UsageException($"{file}, line {i + 1}: {exception.Message}");
            }
        }

        return votes;
    }

    /// <summary>Adds votes to a file.</summary>
    public static void Append(string file, params IEnumerable<Vote> votes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        bool isCut = File.Exists(file) && new FileInfo(file).Length > 0 && !File.ReadAllText(file).EndsWith('\n');
        var text = new StringBuilder(isCut ? "\n" : "");
        foreach (var vote in votes)
            text.Append(JsonSerializer.Serialize(vote, Form)).Append('\n');
        File.AppendAllText(file, text.ToString());
    }
}
