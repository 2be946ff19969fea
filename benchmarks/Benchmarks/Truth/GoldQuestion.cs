using System.Text.Json;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>A question whose answer is known.</summary>
/// <param name="Question">The question.</param>
/// <param name="Answers">What the first quotation must contain one of; empty where the documents do not answer.</param>
internal sealed record GoldQuestion(string Question, IReadOnlyList<string> Answers)
{
    /// <summary>
    /// Reads questions: one object { question, answers } a line, or an array of { question, expect: { contains } | null }.
    /// </summary>
    public static IReadOnlyList<GoldQuestion> ReadFile(string path)
    {
        if (!path.EndsWith(".json", StringComparison.Ordinal))
            return [.. File.ReadLines(path).Select(line => JsonSerializer.Deserialize<GoldQuestion>(line, JsonSerializerOptions.Web)!)];
        using var file = JsonDocument.Parse(File.ReadAllText(path));
        return
        [
            .. file.RootElement.EnumerateArray().Select(q => new GoldQuestion(
                q.GetProperty("question").GetString()!,
                q.GetProperty("expect") is { ValueKind: JsonValueKind.Object } expect
                    ? [expect.GetProperty("contains").GetString()!]
                    : [])),
        ];
    }
}
