using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Evaluation;

/// <summary>Holds the sentences of an answer against the quotations that they cite.</summary>
internal static partial class AnswerSentences
{
    internal static string WithoutMarks(string text) => Marks().Replace(text, "").Trim();

    /// <summary>The sentences that no quotation of theirs states; one without a marker must be stated by any of them.</summary>
    internal static async Task<(IReadOnlyList<string> Sentences, int Of)> UnsupportedAsync(
        IKnowledgeStore store, Question asked, Answer answer, CancellationToken cancellationToken)
    {
        // A quotation that does not stand in its document supports nothing.
        var (held, numbers) = await CitationVerifier.VerifyAsync(store, answer.Citations, cancellationToken).ConfigureAwait(false);
        var unsupported = new List<string>();
        int count = 0;
        foreach (var (sentence, cited) in Split(answer.Text))
        {
            count++;
            var citations = cited.Count == 0 ? held
                : [.. cited.Where(numbers.ContainsKey).Select(number => held[numbers[number] - 1])];
            bool isStated = false;
            foreach (var citation in citations)
                isStated = isStated || await IsStatedAsync(store, asked, sentence, citation, cancellationToken).ConfigureAwait(false);
            if (!isStated)
                unsupported.Add(sentence);
        }

        return (unsupported, count);
    }

    private static async Task<bool> IsStatedAsync(
        IKnowledgeStore store, Question asked, string sentence, Citation citation, CancellationToken cancellationToken)
    {
        var letters = SupportCheck.Letters(sentence);
        if (letters.Length == 0 || SupportCheck.Letters(citation.Quote).Contains(letters, StringComparison.Ordinal)
            || SupportCheck.Letters(citation.Text).Contains(letters, StringComparison.Ordinal))
            return true;
        var chunk = (await store.ReadDocumentAsync(citation.Source, cancellationToken).ConfigureAwait(false))
            .First(chunk => citation.Start >= chunk.Start && citation.End <= chunk.End);
        var places = new SupportCheck(sentence, asked).Find(new Passage(new SearchHit(chunk, citation.Score, null, null), 0));
        return places is { Count: > 0 }
            && places.All(place => place.Start + chunk.Start < citation.End && citation.Start < place.End + chunk.Start);
    }

    // Markers hold for what stands between them and the ones before.
    private static IEnumerable<(string Sentence, IReadOnlyList<int> Cited)> Split(string text)
    {
        int start = 0;
        foreach (var (end, next, cited) in Marks().Matches(text).Select(match => (match.Index, match.Index + match.Length, Numbers(match)))
            .Append((text.Length, text.Length, [])))
        {
            var part = text[start..end];
            foreach (var span in SentenceSplitter.Split(part))
                if (part[span.Start..span.End] is var sentence && sentence.Any(char.IsLetterOrDigit))
                    yield return (sentence, cited);
            start = next;
        }
    }

    private static IReadOnlyList<int> Numbers(Match match)
        => [.. Number().Matches(match.Value).Select(number => int.Parse(number.ValueSpan, CultureInfo.InvariantCulture))];

    [GeneratedRegex(@"(?:\s*\[[0-9]{1,3}\])+[.。]?")]
    private static partial Regex Marks();

    [GeneratedRegex("[0-9]{1,3}")]
    private static partial Regex Number();
}
