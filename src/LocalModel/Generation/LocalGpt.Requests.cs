using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Kotonoha.ChatTemplates;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

// What callers ask for. Texts are encoded on the thread pool and everything else happens on the engine's thread; the caller's thread only
// waits.
public sealed partial class LocalGpt
{
    /// <summary>Continues a prompt or answers a conversation, token by token.</summary>
    /// <param name="request">What to continue and how.</param>
    /// <param name="cancellationToken">Ends it: between two layers of a prompt, otherwise after the present token.</param>
    /// <returns>Updates with whole characters; the last one carries the finish reason and the usage.</returns>
    /// <exception cref="ArgumentException">The request is contradictory or a setting is out of range.</exception>
    /// <exception cref="ContextOverflowException">The prompt does not fit into the context.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="ChatTemplateException">A conversation cannot be rendered.</exception>
    /// <exception cref="GrammarException">The model's tokens cannot spell the constraint, or its shortest text is longer than the output
    /// may be.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="OperationCanceledException">The request was cancelled, or the model was disposed meanwhile.</exception>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        Validate(request);
        return RunAsync(request, cancellationToken);
    }

    /// <summary>As <see cref="GenerateAsync"/>, but returns the whole at once.</summary>
    /// <param name="request">What to continue and how.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<GenerationResult> CompleteAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        var text = new StringBuilder();
        var ids = new List<int>();
        var logProbabilities = new List<float>();
        GenerationUpdate? last = null;
        await foreach (var update in GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            text.Append(update.Text);
            ids.AddRange(update.TokenIds);
            logProbabilities.AddRange(update.LogProbabilities);
            last = update;
        }

        return new GenerationResult(text.ToString(), ids, logProbabilities, last!.FinishReason!.Value, last.Usage!);
    }

    /// <summary>The most probable continuations by beam search.</summary>
    /// <param name="request">
    /// What to continue; its sampling must be greedy (penalties and bans act on the log-probabilities; without it, those of
    /// <see cref="DefaultSampling"/> apply), and it has neither stop strings nor log-probabilities.
    /// </param>
    /// <param name="options">The search.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The best hypotheses, best first, and what they cost.</returns>
    /// <exception cref="ArgumentException">The request draws tokens, has stop strings (or its chat template has), or asks for
    /// log-probabilities.</exception>
    /// <exception cref="SamplingException">Every continuation is banned.</exception>
    /// <exception cref="KvCacheFullException">The beams need more cache than there is.</exception>
    public async Task<BeamSearchResult> BeamSearchAsync(
        GenerationRequest request, BeamSearchOptions options, CancellationToken cancellationToken = default)
    {
        Validate(request);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var sampling = request.Sampling ?? DefaultSampling with { Temperature = 0 };
        if (!sampling.IsGreedy)
            throw new ArgumentException("Beam search takes the best continuations and draws nothing; set Temperature to 0.",
                nameof(request));
        if (request.StopStrings.Count > 0)
            throw new ArgumentException("Beam search ends at end tokens and at the limit; it has no stop strings.", nameof(request));
        if (request.Turns is not null && ChatTemplate.StopStrings.Count > 0)
            throw new ArgumentException($"The chat template '{ChatTemplate.Name}' ends an answer by stop strings, which beam search does "
                + "not have. Give a Prompt, or leave out the beams.", nameof(request));
        if (request.Constraint is not null)
            throw new ArgumentException("Beam search does not know constraints; leave out Constraint, or the beams.", nameof(request));
        if (request.IncludeLogProbabilities)
            throw new ArgumentException("Beam search gives the score of a whole hypothesis, not the log-probability of each token; leave "
                + "out IncludeLogProbabilities.", nameof(request));

        using var source = Link(cancellationToken);
        int[] prompt = await EngineRequest.EncodeAsync(() => EncodePrompt(request), source.Token, cancellationToken).ConfigureAwait(false);
        int maxNewTokens = MaxNewTokens(request, prompt.Length);
        int[] modelEnds = EndTokensOf(request), ends = request.IgnoreEndTokens ? [] : modelEnds;

        // Checked before any memory is taken: the number of beams comes from the caller.
        RequireRoom((long)options.BeamCount * ((prompt.Length + maxNewTokens - 1) / KvCache.BlockTokens + 2));
        var search =
            new BeamSearch(prompt, maxNewTokens, options,
                TokenSampler.Processors(sampling, modelEnds, prompt.Length, prompt.Length + maxNewTokens), ends);
        var job = new BeamJob(prompt, maxNewTokens, search, VocabularySize, source.Token);
        var found = await RunAsync([job], () => job.Result, cancellationToken).ConfigureAwait(false);
        BeamHypothesis[] hypotheses = [.. found.Select(h => new BeamHypothesis(
            _tokenizer?.Decode(h.Ended ? h.Ids.AsSpan(0, h.Ids.Length - 1) : h.Ids, skipSpecialTokens: true) ?? "", h.Ids, h.Score, h.Ended
                ? FinishReason.EndToken
                : FinishReason.Length))];
        return new BeamSearchResult(hypotheses, job.Usage);
    }

    /// <summary>How likely the model finds several continuations of one prefix. The prefix is run once.</summary>
    /// <param name="prefix">What comes before; when empty, the model's start token.</param>
    /// <param name="continuations">The texts to score; each is encoded by itself.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>A score for each continuation, in order.</returns>
    /// <exception cref="ContextOverflowException">A prefix and its continuation do not fit into the context.</exception>
    public Task<IReadOnlyList<SequenceScore>> ScoreAsync(
        string prefix, IReadOnlyList<string> continuations, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentNullException.ThrowIfNull(continuations);
        return ScoreAsync([.. continuations.Select(c => (prefix, c))], cancellationToken);
    }

    /// <summary>How likely the model finds each continuation of its prefix. Pairs with the same prefix share its run.</summary>
    /// <param name="pairs">Prefixes (when empty, the model's start token) and continuations.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>A score for each pair, in order.</returns>
    /// <exception cref="ContextOverflowException">A prefix and its continuation do not fit into the context.</exception>
    public async Task<IReadOnlyList<SequenceScore>> ScoreAsync(
        IReadOnlyList<(string Prefix, string Continuation)> pairs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        foreach (var (prefix, continuation) in pairs)
        {
            ArgumentNullException.ThrowIfNull(prefix, nameof(pairs));
            ArgumentNullException.ThrowIfNull(continuation, nameof(pairs));
        }

        if (pairs.Count == 0)
            return [];
        using var source = Link(cancellationToken);
        var token = source.Token; // the encoding may outlive the source
        var groups = await EngineRequest.EncodeAsync(() => Groups(pairs, token), source.Token, cancellationToken).ConfigureAwait(false);
        var jobs = groups.Select(g => g.Job).ToArray();
        var results = await RunAsync(jobs, () => Task.WhenAll(jobs.Select(j => j.Result)), cancellationToken).ConfigureAwait(false);
        var scores = new SequenceScore[pairs.Count];
        for (int g = 0; g < groups.Count; g++)
            for (int i = 0; i < groups[g].Indexes.Count; i++)
                scores[groups[g].Indexes[i]] = results[g][i];
        return scores;
    }

    /// <summary>Turns texts into vectors: the hidden states after the final norm, pooled.</summary>
    /// <param name="texts">The texts; when one is empty, the model's start token stands for it.</param>
    /// <param name="options">Pooling and form of the vectors.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>A vector for each text, in order; each the same, to the bit, as if its text came alone.</returns>
    /// <exception cref="ContextOverflowException">A text does not fit into the context and may not be cut.</exception>
    public async Task<EmbeddingResult> EmbedAsync(
        IReadOnlyList<string> texts, EmbeddingRequestOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        foreach (var text in texts)
            ArgumentNullException.ThrowIfNull(text, nameof(texts));
        options ??= new EmbeddingRequestOptions();
        if (options.Dimensions is { } dimensions && (dimensions < 1 || dimensions > EmbeddingWidth))
            throw new ArgumentOutOfRangeException(nameof(options), dimensions, $"Dimensions is {dimensions}; the model's vectors have "
                + $"{EmbeddingWidth} components, so it must be between 1 and {EmbeddingWidth}.");
        if (texts.Count == 0)
        {
            ThrowIfDisposed();
            return new EmbeddingResult([], 0);
        }

        using var source = Link(cancellationToken);
        var encoded =
            await EngineRequest.EncodeAsync(() => texts.Select(t => EncodeWhole(t, options.TruncateLongTexts)).ToArray(), source.Token,
                cancellationToken).ConfigureAwait(false);
        var jobs = encoded.Select(ids => new EmbeddingJob(ids, EmbeddingWidth, options.Pooling, source.Token)).ToArray();
        var vectors = await RunAsync(jobs, () => Task.WhenAll(jobs.Select(j => j.Result)), cancellationToken).ConfigureAwait(false);
        return new EmbeddingResult([.. vectors.Select(v => Finish(v, options))], encoded.Sum(ids => ids.Length));
    }

    private async IAsyncEnumerable<GenerationUpdate> RunAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var source = Link(cancellationToken);
        var (prompt, matcher) = await EngineRequest.EncodeAsync(() => Prepare(request), source.Token, cancellationToken)
            .ConfigureAwait(false);
        IReadOnlyCollection<string> stops = request.Turns is null
            ? request.StopStrings
            : [.. request.StopStrings, .. ChatTemplate.StopStrings];
        bool trimStart = request.Turns is not null && matcher is null && ChatTemplate.TrimsAnswerStart;
        var job = new GenerationJob(
            prompt, MaxNewTokens(request, prompt.Length), request.Sampling
                ?? DefaultSampling, EndTokensOf(request), request.IgnoreEndTokens,
            stops, _tokenizer, request.IncludeLogProbabilities, matcher, source.Token)
        {
            Top = Math.Min(request.TopLogProbabilities, VocabularySize),
            VisibleTokens = [.. request.VisibleControlTokens.Select(token => Tokenizer.TokenToId(token)).OfType<int>()],
        };
        Enqueue([job]);
        var updates = job.ReadAsync().GetAsyncEnumerator(CancellationToken.None);
        try
        {
            while (true)
            {
                try
                {
                    // Nothing arrives after a cancellation, even if the engine was faster.
                    source.Token.ThrowIfCancellationRequested();
                    if (!await updates.MoveNextAsync().ConfigureAwait(false))
                        yield break;
                }
                catch (OperationCanceledException exception)
                {
                    throw EngineRequest.Cancelled(exception, cancellationToken);
                }

                var update = updates.Current;
                if (trimStart)
                {
                    update = update with { Text = update.Text.TrimStart() };
                    trimStart = update.Text.Length == 0;
                }

                yield return update;
            }
        }
        finally
        {
            // A reader that leaves early takes its sequence out of the batch.
            source.Cancel();
            await updates.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<T> RunAsync<T>(IReadOnlyList<EngineJob> jobs, Func<Task<T>> result, CancellationToken cancellationToken)
    {
        Enqueue(jobs);
        try
        {
            return await result().ConfigureAwait(false);
        }
        catch (OperationCanceledException exception)
        {
            throw EngineRequest.Cancelled(exception, cancellationToken);
        }
    }

    private void Enqueue(IReadOnlyList<EngineJob> jobs)
    {
        foreach (var job in jobs)
            RequireRoom(job.MaximumBlocks);
        _engine.Enqueue(jobs);
    }

    private void RequireRoom(long blocks)
    {
        if (blocks > _core.CapacityBlocks)
            throw new KvCacheFullException(string.Create(CultureInfo.InvariantCulture,
                $"The request needs room for {blocks * KvCache.BlockTokens} tokens in the key/value cache, which holds "
                    + $"{_core.CapacityBlocks * KvCache.BlockTokens}. Lower MaxOutputTokens or the number of beams, or raise "
                    + $"LocalGptOptions.CacheBytes or CacheTokens."));
    }

    private (int[] Prompt, GrammarMatcher? Matcher) Prepare(GenerationRequest request)
    {
        int[] prompt = EncodePrompt(request);
        if (request.Constraint is not { } grammar)
            return (prompt, null);
        int[] ends = EndTokensOf(request);
        var matcher = new GrammarMatcher(grammar, _tokenVocabulary.Value, MaxNewTokens(request, prompt.Length), ends);
        return matcher.CanContinue || ends.Length > 0
            ? (prompt, matcher)
            : throw new ArgumentException("The constraint allows the empty text alone, and the model has no end token that could say so. "
                + "Give another constraint, or EndTokenIds.", nameof(request));
    }

    internal int[] EncodePrompt(GenerationRequest request)
    {
        var ids = new List<int>();
        if (request.Suffix is { } suffix)
        {
            // What the tokenizer begins every text with comes before it all.
            Tokenizer.Encode("", ids, addSpecialTokens: true);
            ids.Add(FillInTheMiddle!.Prefix);
            if (request.TokenIds is not null)
                ids.AddRange(request.TokenIds);
            else
                Tokenizer.Encode(request.Prompt, ids, addSpecialTokens: false, request.ParseControlTokens);
            ids.Add(FillInTheMiddle.Suffix);
            Tokenizer.Encode(suffix, ids, addSpecialTokens: false);
            ids.Add(FillInTheMiddle.Middle);
        }
        else if (request.TokenIds is not null)
        {
            ids.AddRange(request.TokenIds);
        }
        else if (request.Prompt is not null)
        {
            Tokenizer.Encode(request.Prompt, ids, addSpecialTokens: true, request.ParseControlTokens);
        }
        else
        {
            ids.AddRange(Render(request).Encode(Tokenizer));
        }

        if (ids.Count == 0)
            ids.Add(StartToken("prompt"));
        return ids.Count < ContextLength ? [.. ids] : throw new ContextOverflowException(ids.Count, ContextLength);
    }

    /// <summary>Renders the conversation of a request, up to where the answer begins.</summary>
    internal ChatPrompt Render(GenerationRequest request) => ChatEncoding.Render(
        request.Tools is null ? ChatTemplate : ToolTemplate,
        new ChatTemplateInput
        {
            Turns = request.Turns,
            Tools = request.Tools,
            Variables = request.TemplateVariables,
            AddGenerationPrompt = true
        });

    private int[] EncodeWhole(string text, bool truncate)
    {
        int[] ids = Tokenizer.Encode(text);
        if (ids.Length == 0)
            ids = [StartToken("text")];
        if (ids.Length <= ContextLength)
            return ids;
        return truncate ? ids[..ContextLength] : throw new ContextOverflowException(ids.Length, ContextLength, "text");
    }

    private List<(ScoreJob Job, List<int> Indexes)> Groups(
        IReadOnlyList<(string Prefix, string Continuation)> pairs, CancellationToken token)
    {
        var byPrefix = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        for (int i = 0; i < pairs.Count; i++)
        {
            if (!byPrefix.TryGetValue(pairs[i].Prefix, out var indexes))
                byPrefix.Add(pairs[i].Prefix, indexes = []);
            indexes.Add(i);
        }

        var groups = new List<(ScoreJob, List<int>)>(byPrefix.Count);
        foreach (var (text, indexes) in byPrefix)
        {
            int[] prefix = Tokenizer.Encode(text);
            if (prefix.Length == 0)
                prefix = [StartToken("prefix")];
            var continuations = indexes.Select(i => Tokenizer.Encode(pairs[i].Continuation, addSpecialTokens: false)).ToArray();
            int longest = prefix.Length + continuations.Max(c => c.Length);
            if (longest > ContextLength)
                throw new ContextOverflowException(longest, ContextLength, "prefix with its continuation");
            groups.Add((new ScoreJob(prefix, continuations, token), indexes));
        }

        return groups;
    }

    private int StartToken(string what)
        => _startToken
            ?? throw new ArgumentException(
                $"The {what} is empty, and the model has no start token to begin with; give it at least one character.");

    private int[] EndTokensOf(GenerationRequest request)
        => request.EndTokenIds is { } own ? [.. own]
            : request.Suffix is null ? _endTokens
            : [.. _endTokens.Union(FillInTheMiddle!.EndTokens)];

    private int MaxNewTokens(GenerationRequest request, int promptLength)
        => Math.Min(request.MaxOutputTokens ?? int.MaxValue, ContextLength - promptLength);

    private static float[] Finish(float[] vector, EmbeddingRequestOptions options)
    {
        if (options.Dimensions is { } dimensions && dimensions < vector.Length)
            vector = vector[..dimensions];
        if (!options.Normalize)
            return vector;
        NormalizeStep.Normalize(vector);
        return vector;
    }

    private void Validate(GenerationRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        ThrowIfDisposed();
        int sources = (request.Prompt is null ? 0 : 1) + (request.TokenIds is null ? 0 : 1) + (request.Turns is null ? 0 : 1);
        if (sources != 1)
            throw new ArgumentException($"Exactly one of Prompt, TokenIds and Turns must be set; {sources} are.", nameof(request));
        if (request.MaxOutputTokens is { } limit)
            ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1, nameof(request.MaxOutputTokens));
        foreach (var stop in request.StopStrings)
            ArgumentException.ThrowIfNullOrEmpty(stop, nameof(request.StopStrings));
        if (request.Suffix is not null && request.Turns is not null)
            throw new ArgumentException("A suffix goes with a text; give a Prompt or TokenIds, or leave Suffix out.", nameof(request));
        if (request.Suffix is not null && FillInTheMiddle is null)
            throw new ArgumentException($"{ModelId} has no tokens to fill in what comes before a suffix; leave it out.", nameof(request));
        if (request.Tools is not null && request.Turns is null)
            throw new ArgumentException("Tools belong to a conversation; give Turns, or leave Tools out.", nameof(request));
        if (request.Turns is { Count: 0 })
            throw new ArgumentException("The conversation is empty; give it at least one message.", nameof(request));
        if (request.Constraint is not null && request.IgnoreEndTokens)
            throw new ArgumentException("A constraint ends the text where it is complete; leave out IgnoreEndTokens, or the constraint.",
                nameof(request));
        ArgumentOutOfRangeException.ThrowIfNegative(request.TopLogProbabilities, nameof(request.TopLogProbabilities));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(
            request.TopLogProbabilities, GenerationRequest.MaxTopLogProbabilities, nameof(request.TopLogProbabilities));
        if (request is { TopLogProbabilities: > 0, IncludeLogProbabilities: false })
            throw new ArgumentException(
                "TopLogProbabilities stand beside log-probabilities; set IncludeLogProbabilities.", nameof(request));
        RequireTokens(request.TokenIds ?? [], nameof(request.TokenIds));
        RequireTokens(request.EndTokenIds ?? [], nameof(request.EndTokenIds));
        request.Sampling?.Validate(VocabularySize);
    }

    private CancellationTokenSource Link(CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposal.Token);
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed != 0, this);
}
