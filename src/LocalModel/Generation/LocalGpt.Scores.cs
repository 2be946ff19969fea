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

    private void RequireTokens(IReadOnlyList<int> ids, string name)
    {
        foreach (int id in ids)
            if (id < 0 || id >= VocabularySize)
                throw new ArgumentOutOfRangeException(name, id,
                    $"{name} holds {id}, but the model knows the tokens 0 to {VocabularySize - 1}.");
    }
}
