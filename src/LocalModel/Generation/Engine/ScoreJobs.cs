using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>Scores continuations of one prefix; the prefix runs once and its cache is shared.</summary>
internal sealed class ScoreJob : EngineJob
{
    // Blocks for continuations that run side by side in one step.
    private const int ForkBlocks = 2 * StepPlan.MaximumPrefillTokens / KvCache.BlockTokens;

    private readonly TaskCompletionSource<SequenceScore[]> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int[] _prefix;
    private readonly IReadOnlyList<int[]> _continuations;
    private readonly SequenceScore[] _scores;
    private readonly List<Fork> _forks = [];
    private readonly int _forkBlocks;
    private PromptReader _reader;
    private int _prefixRow = -1;
    private bool _prefixDone;
    private int _next;
    private int _open;
    private bool _failed;

    /// <summary>Prepares the job.</summary>
    /// <param name="prefix">At least one token.</param>
    /// <param name="continuations">Their tokens.</param>
    /// <param name="cancellation">Ends the job early.</param>
    public ScoreJob(int[] prefix, IReadOnlyList<int[]> continuations, CancellationToken cancellation)
        : base(cancellation)
    {
        _prefix = prefix;
        _continuations = continuations;
        _scores = [.. continuations.Select(c => new SequenceScore(0, c.Length))];
        _open = continuations.Count(c => c.Length > 0);
        int largest = 0, total = 0;
        foreach (var continuation in continuations)
        {
            int blocks = BlocksOf(continuation);
            largest = Math.Max(largest, blocks);
            total += blocks;
        }

        _forkBlocks = Math.Max(largest, Math.Min(total, ForkBlocks));
    }

    public Task<SequenceScore[]> Result => _completion.Task;

    public override int MaximumBlocks => Blocks(_prefix.Length) + _forkBlocks;

    public override bool IsDone => _failed || _open == 0;

    public override bool IsPrefilling => _prefixDone || _reader.Planned > 0;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        _reader = new PromptReader { Sequence = cache.NewSequence(promptLength: _prefix.Length), Prompt = _prefix, ReusesPrefix = true };
        if (_open == 0)
            _completion.TrySetResult(_scores);
    }

    public override void Plan(StepPlan plan)
    {
        if (!_prefixDone)
        {
            if (_open > 0 && _reader.Plan(plan))
                _prefixRow = plan.WantLogits(_reader.FirstRow + _reader.Planned - 1);
            return;
        }

        foreach (var fork in _forks)
            PlanFork(fork, plan);
        int used = _forks.Sum(f => BlocksOf(_continuations[f.Index]));
        while (plan.PrefillBudget > 0 && _next < _continuations.Count)
        {
            var continuation = _continuations[_next];
            if (continuation.Length > 1)
            {
                used += BlocksOf(continuation);
                if (used > _forkBlocks)
                    break;
                var fork = new Fork(_reader.Sequence.Fork(), _next);
                _forks.Add(fork);
                PlanFork(fork, plan);
            }

            _next++;
        }
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        if (!_prefixDone)
        {
            _reader.Accept();
            if (_prefixRow < 0)
                return;
            _prefixDone = true;
            var logits = result.Logits(_prefixRow);
            TokenSampler.RequireNumbers(logits);
            var softmax = Softmax.Of(logits);
            for (int i = 0; i < _continuations.Count; i++)
                if (_continuations[i] is { Length: > 0 } continuation)
                {
                    Add(i, softmax.LogProbability(logits[continuation[0]]));
                    if (continuation.Length == 1)
                        _open--;
                }
        }

        for (int f = _forks.Count - 1; f >= 0; f--)
        {
            var fork = _forks[f];
            var continuation = _continuations[fork.Index];
            for (int i = 0; i < fork.Planned; i++)
            {
                var logits = result.Logits(fork.FirstRow + i);
                TokenSampler.RequireNumbers(logits);
                Add(fork.Index, Softmax.Of(logits).LogProbability(logits[continuation[fork.Done + i + 1]]));
            }

            fork.Done += fork.Planned;
            fork.Planned = 0;
            if (fork.Done == continuation.Length - 1)
            {
                fork.Sequence.Dispose();
                _forks.RemoveAt(f);
                _open--;
            }
        }

        if (_open == 0)
            _completion.TrySetResult(_scores);
    }

    public override void Rollback()
    {
        if (!_prefixDone)
        {
            _reader.Rollback();
            _prefixRow = -1;
            return;
        }

        foreach (var fork in _forks)
        {
            fork.Sequence.Truncate(fork.Sequence.Length - fork.Planned);
            fork.Planned = 0;
        }
    }

    public override void Fail(Exception exception)
    {
        _failed = true;
        _completion.TrySetException(exception);
    }

    public override void Dispose()
    {
        foreach (var fork in _forks)
            fork.Sequence.Dispose();
        _forks.Clear();
        _reader.Sequence?.Dispose();
    }

    // The last token is only predicted, never run.
    private void PlanFork(Fork fork, StepPlan plan)
    {
        var rest = _continuations[fork.Index].AsSpan(fork.Done, _continuations[fork.Index].Length - 1 - fork.Done);
        fork.Planned = Math.Min(rest.Length, plan.PrefillBudget);
        if (fork.Planned == 0)
            return;
        int row = plan.AppendPrefill(rest[..fork.Planned], fork.Sequence);
        for (int i = 0; i < fork.Planned; i++)
        {
            int logitRow = plan.WantLogits(row + i);
            if (i == 0)
                fork.FirstRow = logitRow;
        }
    }

    private void Add(int index, double logProbability)
        => _scores[index] = _scores[index] with { LogProbability = _scores[index].LogProbability + logProbability };

    // What a continuation needs beside the prefix: its own blocks, and a copy of the prefix's last one when that is not full.
    private int BlocksOf(int[] continuation)
        => continuation.Length <= 1 ? 0 : Blocks(_prefix.Length + continuation.Length - 1) - _prefix.Length / KvCache.BlockTokens;

    private sealed class Fork(KvSequence sequence, int index)
    {
        public KvSequence Sequence => sequence;

        public int Index => index;

        public int Done { get; set; }

        public int Planned { get; set; }

        public int FirstRow { get; set; }
    }
}

/// <summary>Scores every token of one sequence by those before it.</summary>
/// <param name="ids">At least one token, two where the last logits are not wanted.</param>
/// <param name="lastLogits">The logits after the last token are wanted too.</param>
/// <param name="cancellation">Ends the job early.</param>
internal sealed class TokenScoreJob(int[] ids, bool lastLogits, CancellationToken cancellation) : EngineJob(cancellation)
{
    private readonly TaskCompletionSource<TokenScores> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[] _logProbabilities = new float[ids.Length - 1];
    private readonly TokenLogProbability[][] _alternatives = new TokenLogProbability[ids.Length - 1][];
    private PromptReader _reader;
    private int _firstLogitRow;
    private int _done;
    private bool _finished;

    public Task<TokenScores> Result => _completion.Task;

    /// <summary>How many of the likeliest tokens of each place are kept.</summary>
    public int Top { get; init; }

    /// <summary>Whether the keys and values are kept for whoever goes on with the sequence.</summary>
    public bool KeepsPrefix { get; init; }

    public override int MaximumBlocks => Blocks(ids.Length);

    public override bool IsDone => _finished;

    public override bool IsPrefilling => true;

    // The last token is run only when somebody wants to know what follows it.
    private int RunTokens => lastLogits ? ids.Length : ids.Length - 1;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        _reader = new PromptReader { Sequence = cache.NewSequence(ids.Length, ids.Length), Prompt = ids.AsMemory(0, RunTokens) };
    }

    public override void Plan(StepPlan plan)
    {
        _reader.Plan(plan);
        for (int i = 0; i < _reader.Planned; i++)
        {
            int row = plan.WantLogits(_reader.FirstRow + i);
            if (i == 0)
                _firstLogitRow = row;
        }
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        int planned = _reader.Planned;
        _reader.Accept();
        if (KeepsPrefix)
            _reader.Sequence.Publish(ids.AsSpan(0, _reader.Sequence.Length));
        for (int i = 0; i < planned; i++, _done++)
        {
            var logits = result.Logits(_firstLogitRow + i);
            TokenSampler.RequireNumbers(logits);
            if (_done < _logProbabilities.Length)
            {
                var softmax = Softmax.Of(logits);
                _logProbabilities[_done] = (float)softmax.LogProbability(logits[ids[_done + 1]]);
                if (Top > 0)
                    softmax.KeepLikeliest(logits, _alternatives[_done] = new TokenLogProbability[Top]);
            }

            if (_done == RunTokens - 1)
            {
                Complete(lastLogits ? logits.ToArray() : null);
                return;
            }
        }
    }

    public override void Rollback() => _reader.Rollback();

    public override void Fail(Exception exception)
    {
        _finished = true;
        _completion.TrySetException(exception);
    }

    public override void Dispose() => _reader.Sequence?.Dispose();

    private void Complete(float[]? last)
    {
        _finished = true;
        _completion.TrySetResult(new TokenScores(_logProbabilities, last) { Alternatives = Top == 0 ? [] : _alternatives });
    }
}
