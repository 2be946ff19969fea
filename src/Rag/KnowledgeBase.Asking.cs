using Kotonoha.Foundation;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag;

public sealed partial class KnowledgeBase
{
    // Each of a question's terms is looked up: a whole document is not a question.
    private const int MaxQuestionLength = 4000;

    // A chat model that sees no answer is believed unless the documents answer almost word for word.
    private const double BeyondDoubt = 0.8;

    // Fused scores count from the best hit of a search; a passage that only another search finds stands behind those that the question
    // itself found.
    private const double OtherSearchShare = 0.8;

    /// <summary>
    /// Answers a question from the documents: with sentences quoted from them, or in the words of a chat model as far as the documents
    /// support them; or says that the documents do not answer.
    /// </summary>
    /// <param name="question">The question, in any language.</param>
    /// <param name="chat">Writes the answer from the passages, or null: then sentences are quoted. What it writes without support is
    /// replaced by quotations.</param>
    /// <param name="options">How to answer, or null for the defaults.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The answer; its citations are verified literally against the store.</returns>
    /// <exception cref="KotonohaException">The question is too long, the store cannot do its work, or the collection was made by another
    /// embedder or analyzer.</exception>
    public Task<Answer> AskAsync(
        string question, IChatClient? chat = null, AskOptions? options = null, CancellationToken cancellationToken = default)
        => AnswerAsync(question, chat, options, null, null, cancellationToken);

    /// <summary>Answers a question as <see cref="AskAsync"/> does, and tells how the answer came about, stage by stage.</summary>
    /// <param name="question">The question, in any language.</param>
    /// <param name="chat">Writes the answer from the passages, or null: then sentences are quoted.</param>
    /// <param name="options">How to answer, or null for the defaults.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The answer, and what every stage made of the question.</returns>
    /// <exception cref="KotonohaException">As <see cref="AskAsync"/>.</exception>
    public async Task<AnswerExplanation> ExplainAsync(
        string question, IChatClient? chat = null, AskOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new AskOptions();
        AnswerTrace? trace = null;
        var answer = await AnswerAsync(question, chat, options, null, seen => trace = seen, cancellationToken).ConfigureAwait(false);
        return AnswerExplanation.Of(answer, new Question(answer.CompletedQuestion ?? question), trace, options);
    }

    private async Task<Answer> AnswerAloneAsync(
        string question, IChatClient? chat, AskOptions options, AnswerStream? stream, Action<AnswerTrace>? traced,
        CancellationToken cancellationToken)
    {
        if (question.Length > MaxQuestionLength)
            throw new KotonohaException(
                $"The question has {question.Length} characters; {MaxQuestionLength} is the limit. Ask one thing at a time.");
        var clock = new StageTimes();

        var parsed = new Question(question);
        if (await TraceAsync(parsed, options, clock, cancellationToken).ConfigureAwait(false) is not { } trace)
            return NotFound(parsed, [], clock);
        var candidates = trace.Candidates;
        traced?.Invoke(trace);
        stream?.Found(trace.Hits);
        if (candidates.Count == 0)
            return NotFound(parsed, [], clock);
        bool isFound = candidates[0].Probability >= options.Threshold;

        // What a model writes is checked word by word, so it may try where the ranking alone is in doubt.
        if (chat is not null && !candidates[0].IsOfAnother)
        {
            foreach (var prompt in ModelWriter.Prompts(parsed, candidates, options))
            {
                var draft = await (stream is null
                    ? ModelWriter.WriteAsync(chat, prompt, options, cancellationToken)
                    : stream.WriteAsync(chat, prompt, options,
                        async soFar =>
                            (await VerifyAsync(parsed, soFar, trace, isFound, cancellationToken).ConfigureAwait(false)).Sentences,
                        cancellationToken)).ConfigureAwait(false);
                clock.Mark("write");
                if (draft.Refused && candidates[0].Probability < BeyondDoubt)
                    return NotFound(parsed, AnswerComposer.Nearest(candidates, options.NearestDocuments), clock, AnsweredBy.Model);
                var (sentences, held) = await VerifyAsync(parsed, draft, trace, isFound, cancellationToken).ConfigureAwait(false);
                clock.Mark("verify");
                stream?.Settle(sentences);
                if (sentences.Count > 0)
                    return new Answer(question, true, string.Join(' ', sentences.Select(sentence => sentence.Text)), AnsweredBy.Model, held,
                        [], clock.Milliseconds);
            }
        }

        if (!isFound)
            return NotFound(parsed, AnswerComposer.Nearest(candidates, options.NearestDocuments), clock);

        var (citations, _) =
            await CitationVerifier.VerifyAsync(_store, AnswerComposer.Quote(candidates, trace.Features, options), cancellationToken)
                .ConfigureAwait(false);
        clock.Mark("verify");
        // Documents may have changed since they were searched.
        return citations.Count == 0
            ? NotFound(parsed, AnswerComposer.Nearest(candidates, options.NearestDocuments), clock)
            : new Answer(question, true, AnswerComposer.Text(citations), AnsweredBy.Extraction, citations, [], clock.Milliseconds);
    }

    /// <summary>The ranked candidates for a question, whatever the threshold says; null where the search finds nothing.</summary>
    internal Task<AnswerTrace?> TraceAsync(string question, AskOptions options, CancellationToken cancellationToken)
        => TraceAsync(new Question(question), options, new StageTimes(), cancellationToken);

    private async Task<AnswerTrace?> TraceAsync(
        Question question, AskOptions options, StageTimes clock, CancellationToken cancellationToken)
    {
        var search = (options.Search ?? _options.Search) with
        {
            Limit = options.Passages,
            // A citation is a range of one chunk.
            Surroundings = SurroundingsKind.None,
        };
        var (hits, searches) = await FindPassagesAsync(question, search, cancellationToken).ConfigureAwait(false);
        clock.Mark("search");
        if (hits.Count == 0)
            return null;
        var statistics = await StatisticsAsync(question, cancellationToken).ConfigureAwait(false);
        var trace = await AnswerFinder.FindAsync(question, hits, statistics, options, cancellationToken).ConfigureAwait(false);
        clock.Mark("rank");
        return trace with { Hits = hits, Searches = searches };
    }

    /// <summary>The hits for the question as it stands, then those that only its other searches find; and the searches.</summary>
    private async Task<(IReadOnlyList<SearchHit> Hits, IReadOnlyList<SearchExplanation> Searches)> FindPassagesAsync(
        Question question, SearchOptions search, CancellationToken cancellationToken)
    {
        if (await FindAsync(question.Text, search, cancellationToken).ConfigureAwait(false) is not { } asked)
            return ([], []);
        var searches = new List<SearchExplanation> { asked };
        var hits = new List<SearchHit>(asked.Hits);
        var known = hits.Select(hit => hit.Chunk.Id).ToHashSet(StringComparer.Ordinal);
        var other = search with { Limit = Math.Max(1, search.Limit / 2), Expansion = null };
        foreach (var words in question.OtherSearches().Where(words => words.Length > 0))
        {
            if (await FindAsync(words, other, cancellationToken).ConfigureAwait(false) is not { } found)
                continue;
            searches.Add(found);
            hits.AddRange(found.Hits.Where(hit => known.Add(hit.Chunk.Id))
                .Select(hit => hit with { Score = OtherSearchShare * hit.Score }));
        }

        return (hits, searches);
    }

    /// <summary>The model's supported sentences, and all their citations.</summary>
    private async Task<(IReadOnlyList<SentenceVerified> Sentences, IReadOnlyList<Citation> Citations)> VerifyAsync(
        Question question, ModelDraft draft, AnswerTrace trace, bool isFound, CancellationToken cancellationToken)
    {
        var candidates = trace.Candidates;
        var kept = ModelWriter.Check(question, draft);
        kept.RemoveAll(sentence => !IsAbout(question, sentence, mustShareWords: !isFound && draft.IsShort));
        var citations = new List<Citation>();
        var marks = new List<(string Text, List<int> Numbers)>();
        foreach (var sentence in kept)
        {
            var cited = new List<int>();
            foreach (var span in sentence.Spans)
            {
                double score =
                    candidates.Find(candidate => candidate.Passage == sentence.Passage && candidate.Span == span)?.Probability
                    ?? candidates[0].Probability;
                var citation = AnswerComposer.Cite(sentence.Passage, span, citations.Count + 1, score);
                int known = citations.FindIndex(other =>
                    other.Source == citation.Source && other.Start == citation.Start && other.End == citation.End);
                if (known < 0)
                    citations.Add(citation);
                cited.Add(known < 0 ? citation.Number : known + 1);
            }

            marks.Add((sentence.Text, cited));
        }

        var (held, numbers) = await CitationVerifier.VerifyAsync(_store, citations, cancellationToken).ConfigureAwait(false);
        return (
            [.. marks.Where(mark => mark.Numbers.TrueForAll(numbers.ContainsKey)).Select(mark => new SentenceVerified(
                mark.Text + AnswerComposer.Marks(mark.Numbers.Select(number => numbers[number])),
                [.. mark.Numbers.Select(number => held[numbers[number] - 1])]))],
            held);
    }

    // Not of a sibling of what is asked about; of a small model, which cannot refuse, with a word of the question at least.
    private static bool IsAbout(Question question, SupportedSentence sentence, bool mustShareWords)
    {
        var passage = sentence.Passage;
        var places = Enumerable.Range(0, passage.Sentences.Count).Where(i => sentence.Spans.Contains(passage.Sentences[i].Span)).ToList();
        return !places.Exists(place => References.SpeaksOfAnother(question.References, question.Names, passage, place))
            && (!mustShareWords || sentence.Text.AsSpan().IndexOfAny(question.Characters) >= 0
                || TermKeys.Of(sentence.Text).Overlaps(question.Terms.Select(term => term.Key))
                || places.Exists(place => passage.Sentences[place].Keys.Overlaps(question.Terms.Select(term => term.Key))));
    }

    private static Answer NotFound(
        Question question, IReadOnlyList<NearestDocument> nearest, StageTimes clock, AnsweredBy by = AnsweredBy.Extraction)
        => new(question.Text, false, AnswerTexts.Refusal(question, nearest), by, [], nearest, clock.Milliseconds);

    private async Task<TermStatistics> StatisticsAsync(Question question, CancellationToken cancellationToken)
    {
        var info = await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        var terms = question.Terms.Select(term => term.Term)
            .Concat(question.Runs.SelectMany(run => Foundation.Text.TextAnalyzer.Analyze(run)).Select(token => token.Term));
        return await TermStatistics.CollectAsync(
            _store, info?.AverageLength ?? 1, await _state.ChunkCounts.OfAsync(_scope, _store, cancellationToken).ConfigureAwait(false),
            terms, cancellationToken).ConfigureAwait(false);
    }
}
