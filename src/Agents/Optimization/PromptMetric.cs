using System.Text.Json;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Foundation.Text;

namespace Kotonoha.Agents.Optimization;

/// <summary>How good an answer is, from 0 (wrong) to 1 (right).</summary>
/// <param name="name">What it is called in reports.</param>
/// <param name="score">The score of an answer's text for an example, from 0 to 1; called by several threads at the same time.</param>
public sealed class PromptMetric(string name, Func<string, PromptExample, double> score)
{
    private readonly Func<string, PromptExample, double> _score = score ?? throw new ArgumentNullException(nameof(score));

    /// <summary>
    /// 1 where the answer is the expected one: the same terms in the same order, without case, width and punctuation; JSON that is not a
    /// text must have the same value.
    /// </summary>
    public static PromptMetric ExactMatch { get; } = new("exact", (answer, example) => IsExact(answer, example) ? 1 : 0);

    /// <summary>
    /// The harmonic mean of precision and recall over the terms of the answer and of the expected one (as SQuAD measures: Rajpurkar et al.,
    /// 2016); bigrams in Japanese.
    /// </summary>
    public static PromptMetric TokenF1 { get; } = new("f1", (answer, example) => F1(Terms(answer), Terms(example.ExpectedText)));

    /// <summary>
    /// The share of fields that are right, among all that the answer or the expected JSON has; nested fields count each. Texts are compared
    /// as <see cref="ExactMatch"/> does. 0 for what is not JSON.
    /// </summary>
    public static PromptMetric JsonFields { get; } = new("fields", Fields);

    /// <summary>What it is called.</summary>
    public string Name { get; } = name ?? throw new ArgumentNullException(nameof(name));

    /// <summary>The built-in metrics.</summary>
    public static IReadOnlyList<PromptMetric> All { get; } = [ExactMatch, TokenF1, JsonFields];

    /// <summary>Scores an answer.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="example">The example that was asked.</param>
    /// <returns>From 0 to 1.</returns>
    /// <exception cref="InvalidOperationException">The metric gives a number outside of that.</exception>
    public double Score(string answer, PromptExample example)
    {
        ArgumentNullException.ThrowIfNull(answer);
        ArgumentNullException.ThrowIfNull(example);
        return _score(answer, example) is >= 0 and <= 1 and var score
            ? score
            : throw new InvalidOperationException($"The metric '{Name}' gives a score outside of 0 to 1.");
    }

    private static bool IsExact(string answer, PromptExample example)
    {
        if (example.Expected.ValueKind == JsonValueKind.String)
            return IsSameText(answer, example.ExpectedText);
        return PromptFile.ReadJson(answer) is { } json && JsonElement.DeepEquals(json, example.Expected);
    }

    private static bool IsSameText(string a, string b)
        => a == b || Terms(a) is { Count: > 0 } terms && terms.SequenceEqual(Terms(b), StringComparer.Ordinal);

    private static List<string> Terms(string text) => [.. TextAnalyzer.Analyze(text).Select(token => token.Term)];

    private static double F1(List<string> answer, List<string> expected)
    {
        var left = expected.CountBy(term => term, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        int common = 0;
        foreach (var term in answer)
            if (left.GetValueOrDefault(term) > 0)
            {
                left[term]--;
                common++;
            }

        return answer.Count + expected.Count == 0 ? 1 : 2.0 * common / (answer.Count + expected.Count);
    }

    private static double Fields(string answer, PromptExample example)
    {
        var expected = example.Expected.ValueKind == JsonValueKind.String ? PromptFile.ReadJson(example.ExpectedText) : example.Expected;
        if (expected is not { } right || PromptFile.ReadJson(answer) is not { } given)
            return 0;
        var (wanted, found) = (new Dictionary<string, JsonElement>(), new Dictionary<string, JsonElement>());
        Collect(right, "", wanted);
        Collect(given, "", found);
        int same = wanted.Count(field => found.TryGetValue(field.Key, out var value) && IsSame(field.Value, value));
        return (double)same / wanted.Keys.Union(found.Keys).Count();

        static bool IsSame(JsonElement a, JsonElement b) => a.ValueKind == JsonValueKind.String && b.ValueKind == JsonValueKind.String
            ? IsSameText(a.GetString()!, b.GetString()!)
            : JsonElement.DeepEquals(a, b);
    }

    // By JSON pointer; an empty object or list is a field of its own.
    private static void Collect(JsonElement json, string place, Dictionary<string, JsonElement> fields)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object when json.EnumerateObject().Any():
                foreach (var member in json.EnumerateObject())
                    Collect(member.Value,
                        $"{place}/{member.Name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}",
                        fields);
                break;
            case JsonValueKind.Array when json.GetArrayLength() > 0:
                int i = 0;
                foreach (var item in json.EnumerateArray())
                    Collect(item, FormattableString.Invariant($"{place}/{i++}"), fields);
                break;
            default:
                fields[place] = json;
                break;
        }
    }
}
