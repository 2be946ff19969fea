using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Generation;

/// <summary>When beam search stops although beams still run.</summary>
public enum EarlyStopping
{
    /// <summary>When the best running beam, at its present length, cannot beat the worst finished one.</summary>
    WhenUnlikely,

    /// <summary>As soon as as many hypotheses are finished as there are beams.</summary>
    Always,

    /// <summary>Only when no continuation up to the maximum length can beat the worst finished one.</summary>
    Never,
}

/// <summary>Settings of beam search, with the meaning they have in Hugging Face's <c>generate</c>.</summary>
public sealed record BeamSearchOptions
{
    /// <summary>How many beams run side by side. Default 4.</summary>
    public int BeamCount { get; init; } = 4;

    /// <summary>A finished hypothesis scores its summed log-probability / (new tokens ^ penalty): above 0 favours long ones. Default 1.</summary>
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

/// <summary>The bookkeeping of one beam search: it is given the logits of all running beams, and says which beams go on with which token.</summary>
/// <remarks>The rules are those of transformers' <c>generate</c> (version 5): vectorised beam search with a list of finished hypotheses.</remarks>
internal sealed class BeamSearch
{
    // The score of a beam that has not started, and of an empty place in the list of finished hypotheses.
    private const double Empty = -1e9;

    private readonly BeamSearchOptions options;
    private readonly LogitsProcessor[] processors;
    private readonly int[] endTokens;
    private readonly int promptLength;
    private readonly int maxLength;
    private readonly LogSoftmax logSoftmax = new();
    private readonly List<(int[] Ids, double Score, bool Ended)> finished = [];
    private readonly (double Score, int Beam, int Token)[] candidates;
    private readonly double[] scores;
    private readonly double[] nextScores;
    private int[][] beams;
    private int[][] nextBeams;
    private int length;

    /// <summary>Starts a search.</summary>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="maxNewTokens">The longest continuation.</param>
    /// <param name="options">Validated settings.</param>
    /// <param name="processors">Act on the log-probabilities, which are not renormalised afterwards.</param>
    /// <param name="endTokens">The tokens that end a hypothesis.</param>
    public BeamSearch(ReadOnlySpan<int> prompt, int maxNewTokens, BeamSearchOptions options, IEnumerable<LogitsProcessor> processors, IReadOnlyList<int> endTokens)
    {
        this.options = options;
        this.processors = [.. processors];
        this.endTokens = [.. endTokens];
        promptLength = length = prompt.Length;
        maxLength = prompt.Length + maxNewTokens;
        int count = options.BeamCount;
        beams = new int[count][];
        nextBeams = new int[count][];
        for (int beam = 0; beam < count; beam++)
        {
            beams[beam] = new int[maxLength];
            nextBeams[beam] = new int[maxLength];
            prompt.CopyTo(beams[beam]);
        }

        scores = new double[count];
        nextScores = new double[count];
        scores.AsSpan(1).Fill(Empty);
        candidates = new (double, int, int)[Math.Max(2, 1 + endTokens.Count) * count];
    }

    /// <summary>The number of beams.</summary>
    public int BeamCount => scores.Length;

    /// <summary>The tokens of a running beam, the prompt included.</summary>
    public ReadOnlySpan<int> Ids(int beam) => beams[beam].AsSpan(0, length);

    /// <summary>Takes one step.</summary>
    /// <param name="logits">The scores of every running beam's next token, beam after beam; changed on the way.</param>
    /// <param name="parents">Receives for every beam of the next step the beam it continues.</param>
    /// <param name="tokens">Receives for every beam of the next step its new token.</param>
    /// <param name="scratch">Working memory of the vocabulary's size.</param>
    /// <returns>False when the search is over; then the outputs mean nothing.</returns>
    public bool Step(Span<float> logits, Span<int> parents, Span<int> tokens, SamplingScratch scratch)
    {
        int vocabulary = logits.Length / BeamCount;
        int found = 0;
        for (int beam = 0; beam < BeamCount; beam++)
        {
            var row = logits.Slice(beam * vocabulary, vocabulary);
            TokenSampler.Best(row);
            logSoftmax.Apply(row, Ids(beam), scratch);
            foreach (var processor in processors)
                processor.Apply(row, Ids(beam), scratch);
            for (int id = 0; id < row.Length; id++)
                Offer((scores[beam] + row[id], beam, id), ref found);
        }

        length++;
        int newTokens = length - promptLength;
        bool allEnd = true, open = finished.Count < BeamCount || options.EarlyStopping != EarlyStopping.Always;
        int running = 0;
        for (int rank = 0; rank < found; rank++)
        {
            var (score, beam, token) = candidates[rank];
            bool ended = endTokens.AsSpan().Contains(token);
            if (ended || length == maxLength)
            {
                if (open && rank < BeamCount && double.IsFinite(score))
                    Finish(beam, token, score / Math.Pow(newTokens, options.LengthPenalty), ended);
                continue;
            }

            allEnd = false;
            if (running == BeamCount)
                continue;
            parents[running] = beam;
            tokens[running] = token;
            nextScores[running] = score;
            beams[beam].AsSpan(0, length - 1).CopyTo(nextBeams[running]);
            nextBeams[running][length - 1] = token;
            running++;
        }

        bool full = finished.Count == BeamCount;
        if (allEnd || running < BeamCount || (full && options.EarlyStopping == EarlyStopping.Always))
            return false;
        (beams, nextBeams) = (nextBeams, beams);
        nextScores.CopyTo(scores, 0);
        int horizon = options.EarlyStopping == EarlyStopping.Never && options.LengthPenalty > 0 ? maxLength - promptLength : newTokens;
        double worst = full ? finished[^1].Score : Empty;
        return scores[0] / Math.Pow(horizon, options.LengthPenalty) > worst;
    }

    /// <summary>The finished hypotheses, best first: new tokens (the end token included), score, and whether an end token ended it.</summary>
    public IReadOnlyList<(int[] Ids, double Score, bool Ended)> Results => [.. finished.Take(options.ReturnCount)];

    // Keeps the best candidates in descending order; an equal one that came earlier stays in front.
    private void Offer((double Score, int Beam, int Token) candidate, ref int found)
    {
        if (found == candidates.Length && !(candidate.Score > candidates[found - 1].Score))
            return;
        int place = found < candidates.Length ? found++ : found - 1;
        while (place > 0 && candidate.Score > candidates[place - 1].Score)
        {
            candidates[place] = candidates[place - 1];
            place--;
        }

        candidates[place] = candidate;
    }

    private void Finish(int beam, int token, double score, bool ended)
    {
        if (finished.Count == BeamCount && score <= finished[^1].Score)
            return;
        int[] ids = [.. beams[beam].AsSpan(promptLength, length - 1 - promptLength), token];
        int place = finished.FindIndex(h => score > h.Score);
        finished.Insert(place < 0 ? finished.Count : place, (ids, score, ended));
        if (finished.Count > BeamCount)
            finished.RemoveAt(BeamCount);
    }
}
