using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>
/// JSQuAD as a test of truth: half of the articles are indexed, one document an article; questions of that half are answerable, those of
/// the other half are not. A question belongs to the measured or to the tuning part by a hash of its id, so that no threshold is chosen on
/// what is measured.
/// </summary>
internal sealed class TruthData
{
    private TruthData(
        IReadOnlyList<(string Name, string Text)> documents, IReadOnlyList<GoldQuestion> answerable,
        IReadOnlyList<GoldQuestion> unanswerable, IReadOnlyList<GoldQuestion> near)
        => (Documents, Answerable, Unanswerable, Near) = (documents, answerable, unanswerable, near);

    internal IReadOnlyList<(string Name, string Text)> Documents { get; }

    internal IReadOnlyList<GoldQuestion> Answerable { get; }

    internal IReadOnlyList<GoldQuestion> Unanswerable { get; }

    /// <summary>
    /// Questions about indexed articles whose paragraph was held out: unanswerable too, most of them, and harder to tell.
    /// </summary>
    internal IReadOnlyList<GoldQuestion> Near { get; }

    /// <summary>Draws a test.</summary>
    /// <param name="path">The data set in SQuAD's layout.</param>
    /// <param name="seed">Decides the halves and the questions.</param>
    /// <param name="perHalf">How many questions of each half.</param>
    /// <param name="tuning">Whether the questions come from the tuning part.</param>
    /// <param name="heldOut">Which part of the indexed articles' paragraphs is held out; 0 except for fitting.</param>
    internal static TruthData Draw(string path, int seed, int perHalf, bool tuning, double heldOut = 0)
    {
        using var data = JsonDocument.Parse(File.ReadAllBytes(path));
        var random = new Random(seed);
        var articles = data.RootElement.GetProperty("data").EnumerateArray().ToArray();
        random.Shuffle(articles);
        var indexed = articles[..(articles.Length / 2)].Select(Paragraphs).ToArray();
        var left = articles[(articles.Length / 2)..].SelectMany(Paragraphs);
        var hidden = indexed.SelectMany(article => article).Where(_ => random.NextDouble() < heldOut).ToHashSet();
        var documents = indexed.Select((article, i) => (
            $"article-{i + 1:D2}.txt",
            string.Join("\n\n",
                article.Where(paragraph => !hidden.Contains(paragraph)).Select(paragraph => paragraph.GetProperty("context").GetString()))))
                    .ToList();
        return new TruthData(
            documents,
            Questions(indexed.SelectMany(article => article).Where(paragraph => !hidden.Contains(paragraph)), answerable: true),
            Questions(left, answerable: false),
            Questions(hidden, answerable: false));

        static JsonElement[] Paragraphs(JsonElement article) => [.. article.GetProperty("paragraphs").EnumerateArray()];

        List<GoldQuestion> Questions(IEnumerable<JsonElement> paragraphs, bool answerable)
        {
            var all = paragraphs
                .SelectMany(paragraph => paragraph.GetProperty("qas").EnumerateArray())
                .Where(question => IsTuning(question.GetProperty("id").GetString()!) == tuning)
                .Select(question => new GoldQuestion(
                    question.GetProperty("question").GetString()!.ReplaceLineEndings(" ").Trim(),
                    answerable
                        ? [.. question.GetProperty("answers").EnumerateArray().Select(answer => answer.GetProperty("text").GetString()!)]
                        : []))
                .ToArray();
            random.Shuffle(all);
            return [.. all.Take(perHalf)];
        }
    }

    private static bool IsTuning(string id) => SHA256.HashData(Encoding.UTF8.GetBytes(id))[0] % 2 == 0;
}
