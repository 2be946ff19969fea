using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>Scores continuations of one prefix; the prefix runs once and its cache is shared.</summary>
internal sealed class ScoreJob : EngineJob
{
    // Blocks for continuations that run side by side in one step.
    private const int ForkBlocks = 2 * StepPlan.MaximumPrefillTokens / KvCache.BlockTokens;

    private readonly TaskCompletionSource<SequenceScore[]> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int[] prefix;
    private readonly IReadOnlyList<int[]> continuations;
    private readonly SequenceScore[] scores;
    private readonly List<Fork> forks = [];
    private readonly int forkBlocks;
    private PromptReader reader;
    private int prefixRow = -1;
    private bool prefixDone;
    private int next;
    private int open;
    private bool failed;

    /// <summary>Prepares the job.</summary>
    /// <param name="prefix">At least one token.</param>
    /// <param name="continuations">Their tokens.</param>
    /// <param name="cancellation">Ends the job early.</param>
    public ScoreJob(int[] prefix, IReadOnlyList<int[]> continuations, CancellationToken cancellation)
        : base(cancellation)
    {
        this.prefix = prefix;
        this.continuations = continuations;
        scores = [.. continuations.Select(c => new SequenceScore(0, c.Length))];
        open = continuations.Count(c => c.Length > 0);
        int largest = 0, total = 0;
        foreach (var continuation in continuations)
        {
            int blocks = BlocksOf(continuation);
            largest = Math.Max(largest, blocks);
            total += blocks;
        }

        forkBlocks = Math.Max(largest, Math.Min(total, ForkBlocks));
    }

    public Task<SequenceScore[]> Result => completion.Task;

    public override int ReservedBlocks => Blocks(prefix.Length) + forkBlocks;

    public override bool IsDone => failed || open == 0;

    public override bool IsPrefilling => true;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        reader = new PromptReader { Sequence = cache.NewSequence(promptLength: prefix.Length) };
        if (open == 0)
            completion.TrySetResult(scores);
    }

    public override void Plan(StepPlan plan)
    {
        if (!prefixDone)
        {
            if (open > 0 && reader.Plan(prefix, plan))
                prefixRow = plan.WantLogits(reader.FirstRow + reader.Planned - 1);
            return;
        }

        foreach (var fork in forks)
            PlanFork(fork, plan);
        int used = forks.Sum(f => BlocksOf(continuations[f.Index]));
        while (plan.PrefillBudget > 0 && next < continuations.Count)
        {
            var continuation = continuations[next];
            if (continuation.Length > 1)
            {
                used += BlocksOf(continuation);
                if (used > forkBlocks)
                    break;
                var fork = new Fork(reader.Sequence.Fork(), next);
                forks.Add(fork);
                PlanFork(fork, plan);
            }

            next++;
        }
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        if (!prefixDone)
        {
            reader.Accept();
            if (prefixRow < 0)
                return;
            prefixDone = true;
            var logits = result.Logits(prefixRow);
            TokenSampler.RequireNumbers(logits);
            var softmax = Softmax.Of(logits);
            for (int i = 0; i < continuations.Count; i++)
                if (continuations[i] is { Length: > 0 } continuation)
                {
                    Add(i, softmax.LogProbability(logits[continuation[0]]));
                    if (continuation.Length == 1)
                        open--;
                }
        }

        for (int f = forks.Count - 1; f >= 0; f--)
        {
            var fork = forks[f];
            var continuation = continuations[fork.Index];
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
                forks.RemoveAt(f);
                open--;
            }
        }

        if (open == 0)
            completion.TrySetResult(scores);
    }

    public override void Rollback()
    {
        if (!prefixDone)
        {
            reader.Rollback();
            prefixRow = -1;
            return;
        }

        foreach (var fork in forks)
        {
            fork.Sequence.Truncate(fork.Sequence.Length - fork.Planned);
            fork.Planned = 0;
        }
    }

    public override void Fail(Exception exception)
    {
        failed = true;
        completion.TrySetException(exception);
    }

    public override void Dispose()
    {
        foreach (var fork in forks)
            fork.Sequence.Dispose();
        forks.Clear();
        reader.Sequence?.Dispose();
    }

    // The last token is only predicted, never run.
    private void PlanFork(Fork fork, StepPlan plan)
    {
        var rest = continuations[fork.Index].AsSpan(fork.Done, continuations[fork.Index].Length - 1 - fork.Done);
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
        => scores[index] = scores[index] with { LogProbability = scores[index].LogProbability + logProbability };

    // What a continuation needs beside the prefix: its own blocks, and a copy of the prefix's last one when that is not full.
    private int BlocksOf(int[] continuation)
        => continuation.Length <= 1 ? 0 : Blocks(prefix.Length + continuation.Length - 1) - prefix.Length / KvCache.BlockTokens;

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
    private readonly TaskCompletionSource<TokenScores> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[] logProbabilities = new float[ids.Length - 1];
    private PromptReader reader;
    private int firstLogitRow;
    private int done;
    private bool finished;

    public Task<TokenScores> Result => completion.Task;

    public override int ReservedBlocks => Blocks(ids.Length);

    public override bool IsDone => finished;

    public override bool IsPrefilling => true;

    // The last token is run only when somebody wants to know what follows it.
    private int RunTokens => lastLogits ? ids.Length : ids.Length - 1;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        reader = new PromptReader { Sequence = cache.NewSequence(ids.Length, ids.Length) };
    }

    public override void Plan(StepPlan plan)
    {
        reader.Plan(ids.AsSpan(0, RunTokens), plan);
        for (int i = 0; i < reader.Planned; i++)
        {
            int row = plan.WantLogits(reader.FirstRow + i);
            if (i == 0)
                firstLogitRow = row;
        }
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        int planned = reader.Planned;
        reader.Accept();
        for (int i = 0; i < planned; i++, done++)
        {
            var logits = result.Logits(firstLogitRow + i);
            TokenSampler.RequireNumbers(logits);
            if (done < logProbabilities.Length)
                logProbabilities[done] = (float)Softmax.Of(logits).LogProbability(logits[ids[done + 1]]);
            if (done == RunTokens - 1)
            {
                Complete(lastLogits ? logits.ToArray() : null);
                return;
            }
        }
    }

    public override void Rollback() => reader.Rollback();

    public override void Fail(Exception exception)
    {
        finished = true;
        completion.TrySetException(exception);
    }

    public override void Dispose() => reader.Sequence?.Dispose();

    private void Complete(float[]? last)
    {
        finished = true;
        completion.TrySetResult(new TokenScores(logProbabilities, last));
    }
}
