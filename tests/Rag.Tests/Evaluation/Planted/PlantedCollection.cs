using Kotonoha.Rag.Evaluation;
using Kotonoha.Readers;

namespace Kotonoha.Tests.Planted;

/// <summary>
/// Documents with planted facts and questions about them, drawn by a seed: sibling things, rooms, years, plans, departments and courses in
/// near duplicates, as prose, labels and tables; lists, procedures, rules with conditions; questions that the documents do not answer.
/// </summary>
public static class PlantedCollection
{
    private const double UnanswerableShare = 0.3;

    /// <summary>Writes the documents.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="seed">The same seed gives the same documents and questions.</param>
    /// <param name="count">How many questions, half of them English and half Japanese.</param>
    /// <returns>The questions with the places that answer them.</returns>
    public static async Task<IReadOnlyList<EvaluationQuestion>> WriteAsync(string folder, int seed, int count)
    {
        var questions = new List<EvaluationQuestion>();
        foreach (var language in (string[])["en", "ja"])
        {
            var planter = new Planter(seed, language);
            int wanted = language == "en" ? (count + 1) / 2 : count / 2;
            var drafts = planter.Plant(wanted - (int)(wanted * UnanswerableShare), (int)(wanted * UnanswerableShare));
            var places = new Dictionary<string, List<GoldSpan>>(StringComparer.Ordinal);
            foreach (var document in planter.Documents)
            {
                document.Write(folder);
                var text = (await DocumentReaders.InProcess.ReadFileAsync(Path.Combine(folder, document.Name))).Text;
                foreach (var (fact, start, end, value) in document.Locate(text))
                {
                    if (text[start..end] != value)
                        throw new InvalidOperationException($"{document.Name}: '{value}' does not stand at {start}.");
                    if (!places.TryGetValue(fact, out var spans))
                        places[fact] = spans = [];
                    spans.Add(new GoldSpan(document.Name, value) { Start = start });
                }
            }

            questions.AddRange(drafts.Select((draft, i) => new EvaluationQuestion(draft.Text)
            {
                Id = $"{language}-{i + 1}",
                Kind = $"{language} {draft.Kind}",
                Answers = draft.Facts.Count == 0 ? [] : [string.Join(", ", draft.Facts.Select(fact => places[fact][0].Quote))],
                Gold = [.. draft.Facts.SelectMany((fact, part) => places[fact].Select(span => span with { Part = part }))],
            }));
        }

        return questions;
    }
}

/// <summary>A question, its kind, and the facts that answer it; none where nothing does.</summary>
internal sealed record Draft(string Text, string Kind, params IReadOnlyList<string> Facts);
