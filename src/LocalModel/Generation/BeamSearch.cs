using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Generation;

/// <summary>When beam search stops although beams still run.</summary>
public enum EarlyStopping
{
    /// <summary>When the best running beam, at its present length, cannot beat the worst finished one.</summary>
    WhenUnlikely,

    /// <summary>As soon as there are as many finished hypotheses as beams.</summary>
    Always,

    /// <summary>Only when no continuation up to the maximum length can beat the worst finished one.</summary>
    Never,
}

/// <summary>Settings of beam search, with the meaning they have in Hugging Face's <c>generate</c>.</summary>
public sealed record BeamSearchOptions
{
    /// <summary>How many beams run side by side. Default 4.</summary>
    public int BeamCount { get; init; } = 4;

    /// <summary>
    /// A finished hypothesis scores its summed log-probability / (new tokens ^ penalty): above 0 favours long ones. Default 1.
    /// </summary>
    public float LengthPenalty { get; init; } = 1;

    /// <summary>When to stop early.</summary>
    public EarlyStopping EarlyStopping { get; init; }

    /// <summary>How many hypotheses are returned, best first; at most <see cref="BeamCount"/>. Default 1.</summary>
    public int ReturnCount { get; init; } = 1;

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(BeamCount, 1, nameof(BeamCount));
        ArgumentOutOfRangeException.ThrowIfLessThan(ReturnCount, 1, nameof(ReturnCount));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ReturnCount, BeamCount, nameof(ReturnCount));
        if (!float.IsFinite(LengthPenalty))
            throw new ArgumentOutOfRangeException(nameof(LengthPenalty), LengthPenalty, "LengthPenalty must be a finite number.");
    }
}

/// <summary>A continuation found by beam search.</summary>
/// <param name="Text">The text, without an end token.</param>
/// <param name="TokenIds">The generated tokens, an end token included.</param>
/// <param name="Score">The summed log-probability divided by (number of tokens ^ length penalty).</param>
/// <param name="FinishReason">Why it ended.</param>
public sealed record BeamHypothesis(string Text, IReadOnlyList<int> TokenIds, double Score, FinishReason FinishReason);

/// <summary>What a beam search found.</summary>
/// <param name="Hypotheses">The best continuations, best first.</param>
/// <param name="Usage">What it cost; the output tokens are those that all beams generated.</param>
public sealed record BeamSearchResult(IReadOnlyList<BeamHypothesis> Hypotheses, GenerationUsage Usage);

/// <summary>
/// The bookkeeping of one beam search: it is given the logits of all running beams, and says which beams go on with which token.
/// </summary>
/// <remarks>
/// The rules are those of transformers' <c>generate</c> (version 5): vectorised beam search with a list of finished hypotheses.
/// </remarks>
internal sealed class BeamSearch
{
    // The score of a beam that has not started, and of an empty place in the list of finished hypotheses.
    private const double Empty = -1e9;

    private readonly BeamSearchOptions _options;
    private readonly LogitsProcessor[] _processors;
    private readonly int[] _endTokens;
    private readonly int _promptLength;
    private readonly int _maxLength;
    private readonly LogSoftmax _logSoftmax = new();
    private readonly List<(int[] Ids, double Score, bool Ended)> _finished = [];
    private readonly (double Score, int Beam, int Token)[] _candidates;
    private readonly double[] _scores;
    private readonly double[] _nextScores;
    private int[][] _beams;
    private int[][] _nextBeams;
    private int _length;

    /// <summary>Starts a search.</summary>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="maxNewTokens">The longest continuation.</param>
    /// <param name="options">Validated settings.</param>
    /// <param name="processors">These act on the log-probabilities, which are not renormalised afterwards.</param>
    /// <param name="endTokens">The tokens that end a hypothesis.</param>
    public BeamSearch(
        ReadOnlySpan<int> prompt, int maxNewTokens, BeamSearchOptions options, IEnumerable<LogitsProcessor> processors,
        IReadOnlyList<int> endTokens)
    {
        _options = options;
        _processors = [.. processors];
        _endTokens = [.. endTokens];
        _promptLength = _length = prompt.Length;
        _maxLength = prompt.Length + maxNewTokens;
        int count = options.BeamCount;
        _beams = new int[count][];
        _nextBeams = new int[count][];
        for (int beam = 0; beam < count; beam++)
        {
            _beams[beam] = new int[_maxLength];
            _nextBeams[beam] = new int[_maxLength];
            prompt.CopyTo(_beams[beam]);
        }

        _scores = new double[count];
        _nextScores = new double[count];
        _scores.AsSpan(1).Fill(Empty);
        _candidates = new (double, int, int)[Math.Max(2, 1 + endTokens.Count) * count];
    }

    /// <summary>The number of beams.</summary>
    public int BeamCount => _scores.Length;

    /// <summary>The tokens of a running beam, the prompt included.</summary>
    public ReadOnlySpan<int> Ids(int beam) => _beams[beam].AsSpan(0, _length);

    /// <summary>Takes one step.</summary>
    /// <param name="logits">The scores of every running beam's next token, beam after beam; changed on the way.</param>
    /// <param name="parents">Receives for every beam of the next step the beam it continues.</param>
    /// <param name="tokens">Receives for every beam of the next step its new token.</param>
    /// <param name="scratch">Working memory of the vocabulary's size.</param>
    /// <returns>False when the search is over; the outputs are then undefined.</returns>
    public bool Step(Span<float> logits, Span<int> parents, Span<int> tokens, SamplingScratch scratch)
    {
        int vocabulary = logits.Length / BeamCount;
        int found = 0;
        for (int beam = 0; beam < BeamCount; beam++)
        {
            var row = logits.Slice(beam * vocabulary, vocabulary);
            TokenSampler.Best(row);
            _logSoftmax.Apply(row, Ids(beam), scratch);
            foreach (var processor in _processors)
                processor.Apply(row, Ids(beam), scratch);
            for (int id = 0; id < row.Length; id++)
                Offer((_scores[beam] + row[id], beam, id), ref found);
        }

        _length++;
        int newTokens = _length - _promptLength;
        bool allEnd = true, open = _finished.Count < BeamCount || _options.EarlyStopping != EarlyStopping.Always;
        int running = 0;
        for (int rank = 0; rank < found; rank++)
        {
            var (score, beam, token) = _candidates[rank];
            bool ended = _endTokens.AsSpan().Contains(token);
            if (ended || _length == _maxLength)
            {
                if (open && rank < BeamCount && double.IsFinite(score))
                    Finish(beam, token, score / Math.Pow(newTokens, _options.LengthPenalty), ended);
                continue;
            }

            allEnd = false;
            if (running == BeamCount)
                continue;
            parents[running] = beam;
            tokens[running] = token;
            _nextScores[running] = score;
            _beams[beam].AsSpan(0, _length - 1).CopyTo(_nextBeams[running]);
            _nextBeams[running][_length - 1] = token;
            running++;
        }

        bool full = _finished.Count == BeamCount;
        if (allEnd || running < BeamCount || (full && _options.EarlyStopping == EarlyStopping.Always))
            return false;
        (_beams, _nextBeams) = (_nextBeams, _beams);
        _nextScores.CopyTo(_scores, 0);
        int horizon = _options.EarlyStopping == EarlyStopping.Never && _options.LengthPenalty > 0 ? _maxLength - _promptLength : newTokens;
        double worst = full ? _finished[^1].Score : Empty;
        return _scores[0] / Math.Pow(horizon, _options.LengthPenalty) > worst;
    }

    /// <summary>
    /// The finished hypotheses, best first: new tokens (the end token included), score, and whether an end token ended it.
    /// </summary>
    public IReadOnlyList<(int[] Ids, double Score, bool Ended)> Results => [.. _finished.Take(_options.ReturnCount)];

    // Keeps the best candidates in descending order; an equal one that came earlier stays in front.
    private void Offer((double Score, int Beam, int Token) candidate, ref int found)
    {
        if (found == _candidates.Length && !(candidate.Score > _candidates[found - 1].Score))
            return;
        int place = found < _candidates.Length ? found++ : found - 1;
        while (place > 0 && candidate.Score > _candidates[place - 1].Score)
        {
            _candidates[place] = _candidates[place - 1];
            place--;
        }

        _candidates[place] = candidate;
    }

    private void Finish(int beam, int token, double score, bool ended)
    {
        if (_finished.Count == BeamCount && score <= _finished[^1].Score)
            return;
        int[] ids = [.. _beams[beam].AsSpan(_promptLength, _length - 1 - _promptLength), token];
        int place = _finished.FindIndex(h => score > h.Score);
        _finished.Insert(place < 0 ? _finished.Count : place, (ids, score, ended));
        if (_finished.Count > BeamCount)
            _finished.RemoveAt(BeamCount);
    }
}
