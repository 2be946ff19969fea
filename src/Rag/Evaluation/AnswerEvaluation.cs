using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Text;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Evaluation;

/// <summary>Asks questions whose answers are known, and measures what comes back (<see cref="AnswerMetrics"/>).</summary>
/// <remarks>Without a judge the same documents and answers give the same numbers. Thread-safe.</remarks>
/// <param name="knowledge">The knowledge base that is asked.</param>
/// <param name="embedder">Compares questions and answers, or null.</param>
/// <param name="judge">Grades answers, or null.</param>
public sealed class AnswerEvaluation(
    KnowledgeBase knowledge, IEmbeddingGenerator<string, Embedding<float>>? embedder = null, ChatJudge? judge = null)
{
    /// <summary>The remark of an answer that the judge did not grade: what it wrote held no grades.</summary>
    public const string NoGrades = "the judge gave no grades";

    /// <summary>Asks all questions of a set and measures the answers.</summary>
    /// <param name="questions">The questions.</param>
    /// <param name="chat">Writes the answers, or null: then sentences are quoted.</param>
    /// <param name="options">How to answer, or null for the defaults.</param>
    /// <param name="progress">Told how far the work is, or null.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="KotonohaException">A place of the set does not stand in the documents, or the store cannot do its work.</exception>
    public async Task<EvaluationReport> RunAsync(
        IReadOnlyList<EvaluationQuestion> questions, IChatClient? chat = null, AskOptions? options = null,
        IProgress<ProgressReport>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(questions);
        options ??= new AskOptions();
        await CheckAsync(questions, cancellationToken).ConfigureAwait(false);
        var evaluated = new List<EvaluatedQuestion>();
        foreach (var question in questions)
        {
            var asked = question.Before is { Count: > 0 } before
                ? options with { History = [.. before.Select(text => new ChatMessage(ChatRole.User, text))] } : options;
            var answer = await knowledge.AskAsync(question.Question, chat, asked, cancellationToken).ConfigureAwait(false);
            evaluated.Add(await MeasureAsync(question, answer, options, cancellationToken).ConfigureAwait(false));
            progress?.Report(new ProgressReport("evaluate", evaluated.Count, questions.Count));
        }

        return EvaluationReport.Of(evaluated);
    }

    /// <summary>Measures one answer.</summary>
    /// <param name="question">The question with what is known of its answer.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="options">How it was asked, or null for the defaults.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public async Task<EvaluatedQuestion> MeasureAsync(
        EvaluationQuestion question, Answer answer, AskOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(question);
        ArgumentNullException.ThrowIfNull(answer);
        options ??= new AskOptions();
        var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal);
        var remarks = new List<string>();
        var asked = new Question(answer.CompletedQuestion ?? question.Question);
        metrics[question.IsAnswerable ? AnswerMetrics.Answered : AnswerMetrics.Abstained] = answer.Found == question.IsAnswerable ? 1 : 0;
        await AddContextAsync(metrics, question, asked, options, cancellationToken).ConfigureAwait(false);
        if (question.Gold.Count > 0)
        {
            var citations = CitationScore.Of(question, answer);
            metrics[AnswerMetrics.CitationRecall] = citations.Recall;
            if (answer.Found)
                metrics[AnswerMetrics.CitationPrecision] = answer.Citations.Count == 0 ? 0 : citations.Precision;
        }

        if (question.Answers.Count > 0)
            AddAgreement(metrics, question.Answers, answer.Found ? AnswerSentences.WithoutMarks(answer.Text) : "");
        if (answer.Found)
        {
            var unsupported = await AnswerSentences.UnsupportedAsync(knowledge.Store, asked, answer, cancellationToken)
                .ConfigureAwait(false);
            metrics[AnswerMetrics.Faithfulness] = unsupported.Of == 0 ? 0 : 1 - unsupported.Sentences.Count / (double)unsupported.Of;
            remarks.AddRange(unsupported.Sentences.Select(sentence => $"no quotation states: {sentence}"));
            metrics[AnswerMetrics.AnswerRelevance] =
                Coverage(asked, TermKeys.Of($"{answer.Text}\n{string.Join('\n', answer.Citations.Select(citation => citation.Heading))}"));
            if (embedder is not null)
                metrics[AnswerMetrics.AnswerSimilarity] = await SimilarityAsync(answer, cancellationToken).ConfigureAwait(false);
            if (judge is not null)
            {
                if (await judge.GradeAsync(answer, cancellationToken).ConfigureAwait(false) is { } grades)
                {
                    metrics[AnswerMetrics.JudgeFaithfulness] = grades.Faithfulness;
                    metrics[AnswerMetrics.JudgeRelevance] = grades.Relevance;
                }
                else
                {
                    remarks.Add(NoGrades);
                }
            }
        }

        return new EvaluatedQuestion(question, answer.Found, answer.Text, metrics)
        {
            Citations = [.. answer.Citations.Select(citation => new EvaluatedCitation(
                citation.Number, citation.Source, citation.Text, citation.Start, citation.End,
                question.Gold.Count == 0 ? null : question.Gold.Any(span => span.IsCitedBy(citation)))
            {
                Heading = citation.Heading,
                Page = citation.Page,
            })],
            Remarks = remarks,
        };
    }

    // A set that was made of other documents would measure nothing.
    private async Task CheckAsync(IReadOnlyList<EvaluationQuestion> questions, CancellationToken cancellationToken)
    {
        foreach (var document in questions.SelectMany(question => question.Gold.Select(span => (Question: question, Span: span)))
            .GroupBy(pair => pair.Span.Source, StringComparer.Ordinal))
        {
            var chunks = await knowledge.Store.ReadDocumentAsync(document.Key, cancellationToken).ConfigureAwait(false);
            foreach (var (question, span) in document)
            {
                bool stands = span.Start is { } start
                    ? chunks.Any(chunk => start < chunk.End && chunk.Start < start + span.Quote.Length
                        && Common(chunk.Text, start - chunk.Start, span.Quote))
                    : chunks.Any(chunk => chunk.Text.Contains(span.Quote, StringComparison.Ordinal)
                        || span.Quote.Contains(chunk.Text, StringComparison.Ordinal));
                if (!stands)
                    throw new KotonohaException(
                        $"Question {question.Id} ('{question.Question}'): '{span.Quote}' does not stand in '{span.Source}'"
                        + (span.Start is { } at ? $" at {at}" : "") + ". The documents are not those of the set: bring them in, or make "
                            + "the "
                        + "set anew.");
            }
        }
    }

    // A place may go beyond its chunk: what lies in the chunk must be the same.
    private static bool Common(string text, int start, string quote)
    {
        int from = Math.Max(0, start), to = Math.Min(text.Length, start + quote.Length);
        return from < to && text.AsSpan(from, to - from).SequenceEqual(quote.AsSpan(from - start, to - from));
    }

    private async Task AddContextAsync(
        IDictionary<string, double> metrics, EvaluationQuestion question, Question asked, AskOptions options,
        CancellationToken cancellationToken)
    {
        var search = (options.Search ?? new SearchOptions()) with { Limit = options.Passages };
        var hits = await knowledge.SearchAsync(asked.Text, search, cancellationToken).ConfigureAwait(false);
        if (hits.Count > 0)
            metrics[AnswerMetrics.ContextRelevance] = hits.Average(hit => Coverage(asked, TermKeys.Of(IndexText(hit))));
        if (question.Gold.Count == 0)
            return;
        var parts = question.Gold.GroupBy(span => span.Part).ToArray();
        metrics[AnswerMetrics.ContextRecall] =
            parts.Count(part => part.Any(span => hits.Any(hit => Holds(hit, span)))) / (double)parts.Length;
        double sum = 0;
        int relevant = 0;
        for (int i = 0; i < hits.Count; i++)
            if (question.Gold.Any(span => Holds(hits[i], span)))
                sum += ++relevant / (double)(i + 1);
        metrics[AnswerMetrics.ContextPrecision] = relevant == 0 ? 0 : sum / relevant;
    }

    private static string IndexText(SearchHit hit) => $"{hit.Chunk.Title}\n{hit.Chunk.Heading}\n{hit.Chunk.TableHeader}\n{hit.Chunk.Text}";

    private static bool Holds(SearchHit hit, GoldSpan span)
        => span.IsCitedBy(new Citation(
            1, hit.Chunk.Source, hit.Chunk.Text, hit.Chunk.Start, hit.Chunk.End, hit.Chunk.Page, hit.Chunk.Heading, hit.Score));

    private static double Coverage(Question asked, IReadOnlySet<string> keys)
    {
        double all = asked.Terms.Sum(term => term.Weight);
        return all == 0 ? 1 : asked.Terms.Where(term => keys.Contains(term.Key)).Sum(term => term.Weight) / all;
    }

    private static void AddAgreement(IDictionary<string, double> metrics, IReadOnlyList<string> answers, string given)
    {
        var said = Terms(given);
        var right = answers.Select(Terms).ToArray();
        metrics[AnswerMetrics.ExactMatch] = right.Any(said.SequenceEqual) ? 1 : 0;
        metrics[AnswerMetrics.F1] = right.Max(terms => F1(said, terms));
        var text = Spaced(given);
        metrics[AnswerMetrics.Contains] = answers.Any(answer => Holds(text, Spaced(answer))) ? 1 : 0;
    }

    private static string[] Terms(string text) => [.. TextAnalyzer.Analyze(text).Select(token => token.Term)];

    // Letters and digits, with one space for all that lies between.
    private static string Spaced(string text)
    {
        var folded = Normalizer.FoldCase(Normalizer.Normalize(text, NormalizationForm.FormKC));
        return string.Join(' ', string.Concat(folded.Select(c => char.IsLetterOrDigit(c) ? c : ' '))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    // "3 kg" does not stand in "13 kg"; Japanese has no spaces to tell.
    private static bool Holds(string text, string answer)
    {
        if (answer.Length == 0)
            return false;
        for (int at = text.IndexOf(answer, StringComparison.Ordinal); at >= 0; at = text.IndexOf(answer, at + 1, StringComparison.Ordinal))
            if (!GoesOn(text, at) && !GoesOn(text, at + answer.Length))
                return true;
        return false;
    }

    private static bool GoesOn(string text, int at)
        => at > 0 && at < text.Length && ((char.IsDigit(text[at - 1]) && char.IsDigit(text[at]))
            || (char.IsAsciiLetter(text[at - 1]) && char.IsAsciiLetter(text[at])));

    private static double F1(string[] said, string[] right)
    {
        var left = right.GroupBy(term => term, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Count(),
            StringComparer.Ordinal);
        int common = 0;
        foreach (var term in said)
            if (left.TryGetValue(term, out int count) && count > 0)
            {
                left[term] = count - 1;
                common++;
            }

        return common == 0 ? 0 : 2.0 * common / (said.Length + right.Length);
    }

    private async Task<double> SimilarityAsync(Answer answer, CancellationToken cancellationToken)
    {
        var asked = await embedder!.GenerateAsync([answer.Question], EmbeddingPurpose.Query, cancellationToken).ConfigureAwait(false);
        var said = await embedder.GenerateAsync(
            [AnswerSentences.WithoutMarks(answer.Text)], EmbeddingPurpose.Document, cancellationToken).ConfigureAwait(false);
        return Math.Clamp(VectorMath.Cosine(asked[0].Vector.Span, said[0].Vector.Span), 0, 1);
    }
}
