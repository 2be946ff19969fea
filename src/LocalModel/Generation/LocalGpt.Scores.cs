namespace Kotonoha.LocalModel.Generation;

// Scores token by token.
public sealed partial class LocalGpt
{
    /// <summary>How likely the model finds each token of a sequence, given those before it.</summary>
    /// <param name="tokenIds">At least one token, at most as many as the context holds.</param>
    /// <param name="includeLastLogits">Whether the logits after the last token are wanted too.</param>
    /// <param name="top">
    /// How many of the likeliest tokens of each place are named, at most <see cref="GenerationRequest.MaxTopLogProbabilities"/>.
    /// </param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ArgumentException">There is no token, or one that the model does not know.</exception>
    /// <exception cref="ContextOverflowException">The sequence does not fit into the context.</exception>
    public Task<TokenScores> ScoreTokensAsync(
        IReadOnlyList<int> tokenIds, bool includeLastLogits = false, int top = 0, CancellationToken cancellationToken = default)
        => ScoreTokensAsync(tokenIds, includeLastLogits, top, goesOn: false, cancellationToken);

    /// <inheritdoc cref="ScoreTokensAsync(IReadOnlyList{int}, bool, int, CancellationToken)"/>
    /// <param name="tokenIds">The tokens.</param>
    /// <param name="includeLastLogits">Whether the logits after the last token are wanted too.</param>
    /// <param name="top">How many of the likeliest tokens of each place are named.</param>
    /// <param name="goesOn">Whether a request follows that goes on with the tokens: their keys and values are kept for it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal async Task<TokenScores> ScoreTokensAsync(
        IReadOnlyList<int> tokenIds, bool includeLastLogits, int top, bool goesOn, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tokenIds);
        if (tokenIds.Count == 0)
            throw new ArgumentException("There is no token to score; give at least one.", nameof(tokenIds));
        RequireTokens(tokenIds, nameof(tokenIds));
        ArgumentOutOfRangeException.ThrowIfNegative(top);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(top, GenerationRequest.MaxTopLogProbabilities);
        if (tokenIds.Count > ContextLength)
            throw new ContextOverflowException(tokenIds.Count, ContextLength, "sequence");
        using var source = Link(cancellationToken);
        if (tokenIds.Count == 1 && !includeLastLogits)
            return new TokenScores([], null); // nothing comes after it
        var job = new TokenScoreJob([.. tokenIds], includeLastLogits, source.Token)
        {
            Top = Math.Min(top, VocabularySize),
            KeepsPrefix = goesOn,
        };
        return await RunAsync([job], () => job.Result, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// How likely the model finds several endings of one text. Unlike <see cref="ScoreAsync(string, IReadOnlyList{string},
    /// CancellationToken)"/>, text and ending are encoded together, as they are read: a tokenizer may cut an ending that stands alone in
    /// another way. What all of the encoded texts begin with alike is the prefix, which is run once; the tokens after it are scored.
    /// </summary>
    /// <param name="text">What comes before; when empty, the model's start token.</param>
    /// <param name="endings">The texts to score, none of them empty.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>A score for each ending, in order.</returns>
    /// <exception cref="ArgumentException">An ending is empty.</exception>
    /// <exception cref="ContextOverflowException">A text and its ending do not fit into the context.</exception>
    public async Task<IReadOnlyList<SequenceScore>> ScoreEndingsAsync(
        string text, IReadOnlyList<string> endings, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(endings);
        if (endings.Any(string.IsNullOrEmpty))
            throw new ArgumentException("An ending is empty; there is nothing to score.", nameof(endings));
        if (endings.Count == 0)
            return [];
        using var source = Link(cancellationToken);
        var token = source.Token; // the encoding may outlive the source
        var job = await EngineRequest.EncodeAsync(() => EndingsJob(text, endings, token), source.Token, cancellationToken)
            .ConfigureAwait(false);
        return await RunAsync([job], () => job.Result, cancellationToken).ConfigureAwait(false);
    }

    private ScoreJob EndingsJob(string text, IReadOnlyList<string> endings, CancellationToken token)
    {
        int[] alone = Tokenizer.Encode(text);
        var whole = endings.Select(ending => Tokenizer.Encode(text + ending)).ToArray();

        // A token that reaches from the text into an ending belongs to the ending, of every ending.
        int shared = whole.Min(ids => Math.Min(ids.AsSpan().CommonPrefixLength(alone), ids.Length - 1));
        int[] prefix = shared > 0 ? whole[0][..shared] : [StartToken("text")];
        int longest = prefix.Length - shared + whole.Max(ids => ids.Length);
        if (longest > ContextLength)
            throw new ContextOverflowException(longest, ContextLength, "text with its ending");
        return new ScoreJob(prefix, [.. whole.Select(ids => ids[shared..])], token);
    }

    private void RequireTokens(IReadOnlyList<int> ids, string name)
    {
        foreach (int id in ids)
            if (id < 0 || id >= VocabularySize)
                throw new ArgumentOutOfRangeException(name, id,
                    $"{name} holds {id}, but the model knows the tokens 0 to {VocabularySize - 1}.");
    }
}
