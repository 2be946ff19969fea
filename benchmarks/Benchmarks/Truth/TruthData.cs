using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>
/// JSQuAD as a test of truth: half of the articles are indexed, one document an article; questions of that half are answerable, those of the other
/// half are not. A question belongs to the measured or to the tuning part by a hash of its id, so that no threshold is chosen on what is measured.
/// </summary>
internal sealed class TruthData
{
    private TruthData(IReadOnlyList<(string Name, string Text)> documents, IReadOnlyList<GoldQuestion> answerable, IReadOnlyList<GoldQuestion> unanswerable)
        => (Documents, Answerable, Unanswerable) = (documents, answerable, unanswerable);

    internal IReadOnlyList<(string Name, string Text)> Documents { get; }

    internal IReadOnlyList<GoldQuestion> Answerable { get; }

    internal IReadOnlyList<GoldQuestion> Unanswerable { get; }

    /// <summary>Draws a test.</summary>
    /// <param name="path">The data set in SQuAD's layout.</param>
    /// <param name="seed">Decides the halves and the questions.</param>
    /// <param name="perHalf">How many questions of each half.</param>
    /// <param name="tuning">Whether the questions come from the tuning part.</param>
    internal static TruthData Draw(string path, int seed, int perHalf, bool tuning)
    {
        using var data = JsonDocument.Parse(File.ReadAllBytes(path));
        var random = new Random(seed);
        var articles = data.RootElement.GetProperty("data").EnumerateArray().ToArray();
        random.Shuffle(articles);
        var indexed = articles[..(articles.Length / 2)];
        var left = articles[(articles.Length / 2)..];
        var documents = indexed.Select((article, i) => (
            $"article-{i + 1:D2}.txt",
            string.Join("\n\n", article.GetProperty("paragraphs").EnumerateArray().Select(p => p.GetProperty("context").GetString())))).ToList();
        return new TruthData(documents, Questions(indexed, answerable: true), Questions(left, answerable: false));

        List<GoldQuestion> Questions(JsonElement[] part, bool answerable)
        {
            var all = part.SelectMany(article => article.GetProperty("paragraphs").EnumerateArray())
                .SelectMany(paragraph => paragraph.GetProperty("qas").EnumerateArray())
                .Where(question => IsTuning(question.GetProperty("id").GetString()!) == tuning)
                .Select(question => new GoldQuestion(
                    question.GetProperty("question").GetString()!.ReplaceLineEndings(" "),
                    answerable ? [.. question.GetProperty("answers").EnumerateArray().Select(answer => answer.GetProperty("text").GetString()!)] : []))
                .ToArray();
            random.Shuffle(all);
            return [.. all.Take(perHalf)];
        }
    }

    private static bool IsTuning(string id) => SHA256.HashData(Encoding.UTF8.GetBytes(id))[0] % 2 == 0;
}
