using System.Globalization;
using System.Text.Json;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>questions QUESTIONS.json [ANSWERS.jsonl | --questions-only]</c>: the table of questions with a known answer (or none): what was
/// expected, what was quoted, whether the first quotation or any holds the expected text.
/// </summary>
internal static class QuestionTable
{
    public static int Run(string[] args)
    {
        using var file = JsonDocument.Parse(File.ReadAllText(args[0]));
        var root = file.RootElement;
        var questions = (root.ValueKind == JsonValueKind.Array ? root : root.GetProperty("questions")).EnumerateArray()
            .Select(Question.Read).ToList();
        if (args[1] == "--questions-only")
        {
            foreach (var question in questions)
                Console.WriteLine(question.Text);
            return 0;
        }

        var answers = File.ReadLines(args[1]).Where(l => l.Length > 0).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        if (answers.Count != questions.Count)
        {
            Console.Error.WriteLine($"foreign: {answers.Count} answers for {questions.Count} questions");
            return 1;
        }

        int right = 0, first = 0, rightFile = 0, abstained = 0, unanswerable = 0;
        Console.WriteLine("| # | kind | question | expected | got | right |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
        for (int i = 0; i < questions.Count; i++)
        {
            var (question, answer) = (questions[i], answers[i]);
            bool found = answer.GetProperty("found").GetBoolean();
            var citations = answer.GetProperty("citations").EnumerateArray().ToList();
            var (expected, source) = (question.Contains, question.Source);
            string verdict, got = found
                ? $"{citations[0].GetProperty("source").GetString()}: “{Shorten(citations[0].GetProperty("quote").GetString()!)}”"
                : "not in the documents";
            if (expected is null)
            {
                unanswerable++;
                abstained += found ? 0 : 1;
                verdict = found ? "NO" : "yes";
            }
            else
            {
                bool quoted = citations.Any(c => Holds(c, expected));
                bool sameFile = citations.Any(c => c.GetProperty("source").GetString() == source);
                right += quoted ? 1 : 0;
                first += found && Holds(citations[0], expected) ? 1 : 0;
                rightFile += quoted && sameFile ? 1 : 0;
                verdict = quoted ? sameFile ? "yes" : "yes, another file" : sameFile ? "NO, but the file" : "NO";
            }

            Console.WriteLine($"| {i + 1} | {question.Kind} | {question.Text} | "
                + $"{(expected is null ? "nothing" : $"{source}: “{expected}”")} | {got.Replace('|', '/')} | {verdict} |");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"answerable: {right} of {questions.Count - unanswerable} are "
            + $"quoted ({first} in the first quotation, {rightFile} with the expected file among the sources); unanswerable: "
            + $"{abstained} of {unanswerable} refused"));
        return 0;
    }

    private static bool Holds(JsonElement citation, string expected)
        => Plain(citation.GetProperty("quote").GetString()!).Contains(Plain(expected), StringComparison.OrdinalIgnoreCase);

    private static string Plain(string text)
        => string.Join(' ', text.Replace("`", "").Replace("*", "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static string Shorten(string text)
    {
        var line = text.ReplaceLineEndings(" ");
        return line.Length > 200 ? line[..200] + " …" : line;
    }

    private sealed record Question(string Text, string Kind, string? Contains, string? Source)
    {
        // Two spellings: { question, kind, contains, file } and { question, language, expect: { contains, source } | null }.
        public static Question Read(JsonElement element)
        {
            var text = element.GetProperty("question").GetString()!;
            if (!element.TryGetProperty("expect", out var expect))
                return new Question(text, element.GetProperty("kind").GetString()!, element.GetProperty("contains").GetString(),
                    element.GetProperty("file").GetString());
            return expect.ValueKind == JsonValueKind.Null
                ? new Question(text, element.GetProperty("language").GetString()!, null, null)
                : new Question(text, element.GetProperty("language").GetString()!, expect.GetProperty("contains").GetString(),
                    expect.GetProperty("source").GetString());
        }
    }
}
