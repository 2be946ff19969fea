using System.Globalization;
using System.Text.Json;

namespace Kotonoha.Benchmarks;

/// <summary><c>foreign QUESTIONS.json [ANSWERS.jsonl | --questions-only]</c>: the table of the questions on somebody else's documents.</summary>
internal static class ForeignDocuments
{
    public static int Run(string[] args)
    {
        using var file = JsonDocument.Parse(File.ReadAllText(args[0]));
        var questions = file.RootElement.GetProperty("questions").EnumerateArray().ToList();
        if (args[1] == "--questions-only")
        {
            foreach (var question in questions)
                Console.WriteLine(question.GetProperty("question").GetString());
            return 0;
        }

        var answers = File.ReadLines(args[1]).Where(l => l.Length > 0).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        if (answers.Count != questions.Count)
        {
            Console.Error.WriteLine($"foreign: {answers.Count} answers for {questions.Count} questions");
            return 1;
        }

        int right = 0, rightFile = 0, abstained = 0, unanswerable = 0;
        Console.WriteLine("| # | kind | question | expected | got | right |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
        for (int i = 0; i < questions.Count; i++)
        {
            var (question, answer) = (questions[i], answers[i]);
            bool found = answer.GetProperty("found").GetBoolean();
            var citations = answer.GetProperty("citations").EnumerateArray().ToList();
            var expected = question.GetProperty("contains").GetString();
            var source = question.GetProperty("file").GetString();
            string verdict, got = found ? $"{citations[0].GetProperty("source").GetString()}: “{Shorten(citations[0].GetProperty("quote").GetString()!)}”" : "not in the documents";
            if (expected is null)
            {
                unanswerable++;
                abstained += found ? 0 : 1;
                verdict = found ? "NO" : "yes";
            }
            else
            {
                bool quoted = citations.Any(c => Plain(c.GetProperty("quote").GetString()!).Contains(Plain(expected), StringComparison.OrdinalIgnoreCase));
                bool sameFile = citations.Any(c => c.GetProperty("source").GetString() == source);
                right += quoted ? 1 : 0;
                rightFile += quoted && sameFile ? 1 : 0;
                verdict = quoted ? sameFile ? "yes" : "yes, another file" : sameFile ? "NO, but the file" : "NO";
            }

            Console.WriteLine($"| {i + 1} | {question.GetProperty("kind").GetString()} | {question.GetProperty("question").GetString()} | {(expected is null ? "nothing" : $"{source}: “{expected}”")} | {got.Replace('|', '/')} | {verdict} |");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"answerable: {right} of {questions.Count - unanswerable} quotes hold the expected text ({rightFile} from the expected file); unanswerable: {abstained} of {unanswerable} refused"));
        return 0;
    }

    private static string Plain(string text)
        => string.Join(' ', text.Replace("`", "").Replace("*", "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static string Shorten(string text)
    {
        var line = text.ReplaceLineEndings(" ");
        return line.Length > 200 ? line[..200] + " …" : line;
    }
}
