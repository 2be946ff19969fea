using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// Runs jobs step by step, all of them in one batch (continuous batching): each step decodes one token of every running sequence and adds a
/// part of the prompts that wait. Not thread-safe; <see cref="EngineThread{TJob}"/> gives it a thread and a queue. In steady state a step
/// allocates nothing.
/// </summary>
/// <remarks>
/// Sequences take room in the cache as they grow. When it runs out, the youngest ones make room for the older ones: they pause, and are
/// read again once there is room (as vLLM's preemption by recomputation does). The oldest one always gets on, so all of them end.
/// </remarks>
internal sealed class EngineCore : IEngineCore<EngineJob>, IDisposable
{
    private readonly CausalModel _model;
    private readonly InferenceSession _session;
    private readonly KvCache _cache;
    private readonly SamplingScratch _scratch;
    private readonly StepPlan _plan = new();
    private readonly List<EngineJob> _active = [];

    // The oldest first, all of them younger than those that run and can pause, and older than those that have not been taken up.
    private readonly List<EngineJob> _paused = [];
    private int _pausedCount;

    /// <summary>Makes an engine for a model.</summary>
    /// <param name="model">The model, whose weights stay as they are.</param>
    /// <param name="session">What computes; the caller disposes it.</param>
    /// <param name="cacheTokens">The tokens of the key/value cache.</param>
    /// <param name="prefixReuse">Whether prompts begin with the keys and values of earlier ones that begin alike.</param>
    public EngineCore(CausalModel model, InferenceSession session, int cacheTokens, bool prefixReuse = true)
    {
        _model = model;
        _session = session;
        _cache = session.CreateCache(model.CacheShape, cacheTokens);
        if (prefixReuse)
            _cache.KeepPrefixes();
        _scratch = new SamplingScratch(model.VocabularySize);
    }

    /// <summary>The blocks of the whole cache.</summary>
    public int CapacityBlocks => _cache.CapacityTokens / KvCache.BlockTokens;

    /// <summary>The blocks that no running sequence holds, whether or not they are kept for later ones.</summary>
    public int FreeBlocks => _cache.FreeTokens / KvCache.BlockTokens;

    /// <summary>The jobs that have been taken up and have not ended.</summary>
    public int ActiveJobs => _active.Count + _paused.Count;

    /// <summary>The jobs among them that wait for room; may be read on any thread.</summary>
    public int PausedJobs => Volatile.Read(ref _pausedCount);

    /// <summary>Whether a job's cache fits beside those of the running ones, and none that was taken up before waits for room.</summary>
    public bool CanAdmit(EngineJob job) => _paused.Count == 0 && Fits(job);

    /// <summary>Takes a job up.</summary>
    public void Admit(EngineJob job)
    {
        _active.Add(job);
        job.Start(_cache);
    }

    /// <summary>Runs one step of all jobs; those that are done, cancelled or failed leave.</summary>
    public void Step()
    {
        EndCancelled(_active);
        EndCancelled(_paused);
        MakeRoom();
        if (_active.Count == 0)
            return;

        _plan.Clear();
        try
        {
            foreach (var job in _active)
                job.Plan(_plan);
            if (_plan.Batch.Tokens == 0)
                throw new InvalidOperationException("No running job planned any work.");
            Run();
        }
        catch (OperationCanceledException)
        {
            // One job was cancelled between two layers; the others run the same step again.
            foreach (var job in _active)
                job.Rollback();
            return;
        }
        catch (Exception exception)
        {
            var reason = _session.Explain(exception) ?? exception;
            for (int i = _active.Count - 1; i >= 0; i--)
                End(_active, i, reason);
            return;
        }

        for (int i = _active.Count - 1; i >= 0; i--)
            if (_active[i].IsDone)
                End(_active, i, null);
    }

    /// <summary>Ends all jobs with an error.</summary>
    public void FailAll(Func<EngineJob, Exception> reason)
    {
        foreach (var jobs in new[] { _active, _paused })
            for (int i = jobs.Count - 1; i >= 0; i--)
                End(jobs, i, reason(jobs[i]));
    }

    public void Dispose()
    {
        FailAll(_ => new ObjectDisposedException(nameof(LocalGpt)));
        _cache.Dispose();
    }

    private void Run()
    {
        using var cancellation = PrefillCancellation();
        var pass = _session.Begin(cancellation.Token);
        var hidden = _model.Forward(pass, _plan.Batch);
        var hiddenValues = _plan.NeedsHiddenStates ? pass.Read(hidden) : default;
        if (_plan.LogitRows.IsEmpty)
        {
            Accept(new StepResult(hiddenValues, hidden.Columns, default, 0));
            return;
        }

        var logits = _model.Logits(pass, _plan.LogitRows.Length == hidden.Rows ? hidden : pass.SelectRows(hidden, _plan.LogitRows));
        Accept(new StepResult(hiddenValues, hidden.Columns, pass.Read(logits), logits.Columns));
    }

    private void Accept(in StepResult result)
    {
        foreach (var job in _active)
            try
            {
                job.Accept(result, _scratch);
            }
            catch (Exception exception)
            {
                // A failure of one sequence is no reason to end the others.
                job.Fail(exception);
            }
    }

    // Looks at the tokens of all jobs whose prompt is being run; a step that only decodes is short enough to be let through.
    private PrefillScope PrefillCancellation()
    {
        EngineJob? only = null;
        bool several = false;
        foreach (var job in _active)
            if (job.IsPrefilling)
            {
                several |= only is not null;
                only = job;
            }

        if (!several)
            return new PrefillScope(only?.Cancellation ?? CancellationToken.None, null);
        var linked = CancellationTokenSource.CreateLinkedTokenSource([.. _active.Where(j => j.IsPrefilling).Select(j => j.Cancellation)]);
        return new PrefillScope(linked.Token, linked);
    }

    // With a block to spare for each running sequence, so that none has to pause a few tokens later.
    private bool Fits(EngineJob job)
    {
        int blocks = WithSpare(job);
        foreach (var running in _active)
            blocks += WithSpare(running);
        return blocks <= CapacityBlocks;

        static int WithSpare(EngineJob job) => Math.Min(job.NeededBlocks + 1, job.MaximumBlocks);
    }

    private void MakeRoom()
    {
        int blocks = 0;
        foreach (var job in _active)
            blocks += job.NeededBlocks;
        for (int i = _active.Count - 1; blocks > CapacityBlocks; i--)
            if (_active[i] is { CanPause: true } youngest)
            {
                blocks -= youngest.NeededBlocks;
                youngest.Pause();
                _active.RemoveAt(i);
                _paused.Insert(0, youngest);
            }

        while (_paused.Count > 0 && Fits(_paused[0]))
        {
            Admit(_paused[0]);
            _paused.RemoveAt(0);
        }

        Volatile.Write(ref _pausedCount, _paused.Count);
    }

    private void EndCancelled(List<EngineJob> jobs)
    {
        for (int i = jobs.Count - 1; i >= 0; i--)
            if (jobs[i].Cancellation.IsCancellationRequested)
                End(jobs, i, new OperationCanceledException(jobs[i].Cancellation));
    }

    private static void End(List<EngineJob> jobs, int index, Exception? failure)
    {
        var job = jobs[index];
        jobs.RemoveAt(index);
        job.Dispose();
        if (failure is not null)
            job.Fail(failure);
    }

    private readonly struct PrefillScope(CancellationToken token, CancellationTokenSource? source) : IDisposable
    {
        public CancellationToken Token => token;

        public void Dispose() => source?.Dispose();
    }
}

/// <summary>
/// What an <see cref="EngineThread{TJob}"/> drives: it holds the running jobs and works on them step by step. All methods run on that
/// thread.
/// </summary>
/// <typeparam name="TJob">The kind of work.</typeparam>
internal interface IEngineCore<TJob>
    where TJob : IEngineJob
{
    /// <summary>The jobs that run.</summary>
    int ActiveJobs { get; }

    /// <summary>Whether there is room for a job beside the running ones.</summary>
    bool CanAdmit(TJob job);

    /// <summary>Takes a job up.</summary>
    void Admit(TJob job);

    /// <summary>Runs one step; jobs that are done, cancelled or failed leave.</summary>
    void Step();

    /// <summary>Ends all jobs with an error.</summary>
    void FailAll(Func<TJob, Exception> reason);
}

/// <summary>
/// What one step of the engine runs: the tokens of many sequences in one batch, and the rows whose logits somebody needs.
/// </summary>
internal sealed class StepPlan
{
    /// <summary>The prompt tokens that one step runs at most, so that no prompt holds up the others for long.</summary>
    public const int MaximumPrefillTokens = 256;

    private int[] _logitRows = new int[16];
    private int _logitCount;

    /// <summary>The tokens of this step.</summary>
    public Batch Batch { get; } = new(MaximumPrefillTokens);

    /// <summary>The prompt tokens that still fit into this step.</summary>
    public int PrefillBudget { get; private set; }

    /// <summary>
    /// The prompts that are being read or wait for one that is, in the order of their jobs, with the position keys of their sequences.
    /// </summary>
    public List<(ReadOnlyMemory<int> Tokens, int PositionKey)> Prompts { get; } = [];

    /// <summary>Some job reads the hidden states.</summary>
    public bool NeedsHiddenStates { get; set; }

    /// <summary>The rows of the batch whose logits are needed, in order.</summary>
    public ReadOnlySpan<int> LogitRows => _logitRows.AsSpan(0, _logitCount);

    /// <summary>Begins the next step.</summary>
    public void Clear()
    {
        Batch.Clear();
        Prompts.Clear();
        _logitCount = 0;
        PrefillBudget = MaximumPrefillTokens;
        NeedsHiddenStates = false;
    }

    /// <summary>Adds the next token of a decoding sequence.</summary>
    /// <returns>The number of its row in the logits.</returns>
    public int AppendDecode(ReadOnlySpan<int> token, KvSequence sequence)
    {
        Batch.Append(token, sequence);
        return WantLogits(Batch.Tokens - 1);
    }

    /// <summary>Adds prompt tokens, at most as many as the budget holds.</summary>
    /// <returns>The batch row of the first one.</returns>
    public int AppendPrefill(ReadOnlySpan<int> tokens, KvSequence sequence)
    {
        int first = Batch.Tokens;
        Batch.Append(tokens, sequence);
        PrefillBudget -= tokens.Length;
        return first;
    }

    /// <summary>Asks for the logits of a row of the batch.</summary>
    /// <returns>The number of the row in the logits.</returns>
    public int WantLogits(int row)
    {
        if (_logitCount == _logitRows.Length)
            Array.Resize(ref _logitRows, _logitCount * 2);
        _logitRows[_logitCount] = row;
        return _logitCount++;
    }
}

/// <summary>What a step computed, for the jobs that planned it.</summary>
internal readonly ref struct StepResult(ReadOnlySpan<float> hidden, int width, ReadOnlySpan<float> logits, int vocabulary)
{
    private readonly ReadOnlySpan<float> _hidden = hidden;
    private readonly ReadOnlySpan<float> _logits = logits;

    /// <summary>The hidden state of a row of the batch.</summary>
    public ReadOnlySpan<float> Hidden(int row) => _hidden.Slice(row * width, width);

    /// <summary>The logits of a row that was asked for.</summary>
    public ReadOnlySpan<float> Logits(int row) => _logits.Slice(row * vocabulary, vocabulary);
}
