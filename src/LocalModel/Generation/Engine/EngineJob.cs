using System.Diagnostics;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>A piece of work of an engine.</summary>
internal interface IEngineJob
{
    /// <summary>Ends the job early.</summary>
    CancellationToken Cancellation { get; }

    /// <summary>Ends the job with an error.</summary>
    void Fail(Exception exception);
}

/// <summary>One piece of work of the engine: it adds its tokens to each step and takes what comes out, until it is done. All methods run on the engine's thread.</summary>
internal abstract class EngineJob : IEngineJob, IDisposable
{
    private protected EngineJob(CancellationToken cancellation) => Cancellation = cancellation;

    /// <summary>Ends the job early.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>When the job was created (<see cref="Stopwatch.GetTimestamp"/>).</summary>
    public long Created { get; } = Stopwatch.GetTimestamp();

    /// <summary>When the engine took it up.</summary>
    public long Started { get; private set; }

    /// <summary>The blocks of the key/value cache that it may need at once.</summary>
    public abstract int ReservedBlocks { get; }

    /// <summary>Nothing is left to do.</summary>
    public abstract bool IsDone { get; }

    /// <summary>Whether the next step runs a part of a prompt: then cancellation is looked at between layers.</summary>
    public abstract bool IsPrefilling { get; }

    /// <summary>Takes memory in the cache.</summary>
    public virtual void Start(KvCache cache) => Started = Stopwatch.GetTimestamp();

    /// <summary>Adds to a step what fits.</summary>
    public abstract void Plan(StepPlan plan);

    /// <summary>Takes the step's outcome.</summary>
    public abstract void Accept(in StepResult result, Sampling.SamplingScratch scratch);

    /// <summary>Forgets what the last plan added: the step did not run.</summary>
    public abstract void Rollback();

    /// <summary>Ends the job with an error.</summary>
    public abstract void Fail(Exception exception);

    /// <summary>Gives memory in the cache back.</summary>
    public abstract void Dispose();

    /// <summary>The blocks that hold a number of tokens.</summary>
    protected static int Blocks(int tokens) => (tokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens;
}

/// <summary>What requests of every engine have in common: texts are encoded on the thread pool, and the end of a cancelled one says why.</summary>
internal static class EngineRequest
{
    /// <summary>Runs the encoding of a request's texts.</summary>
    /// <param name="encode">Encodes.</param>
    /// <param name="token">The caller's cancellation or the end of the model.</param>
    /// <param name="callers">The caller's cancellation alone.</param>
    public static async Task<T> EncodeAsync<T>(Func<T> encode, CancellationToken token, CancellationToken callers)
    {
        try
        {
            // A long text may still be being encoded when nobody waits for it any more.
            return await Task.Run(encode, token).WaitAsync(token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception)
        {
            throw Cancelled(exception, callers);
        }
    }

    /// <summary>The caller's own cancellation, or the end of the model.</summary>
    public static OperationCanceledException Cancelled(OperationCanceledException exception, CancellationToken callers)
        => callers.IsCancellationRequested
            ? new OperationCanceledException(exception.Message, exception, callers)
            : new OperationCanceledException("The model was disposed while the request was waiting or running.", exception);
}

/// <summary>Brings the tokens of a prompt into the cache, chunk by chunk.</summary>
internal struct PromptReader
{
    private int _planned;
    private int _firstRow;

    /// <summary>The cached sequence.</summary>
    public KvSequence Sequence { get; init; }

    /// <summary>The batch row of the first token of the planned chunk.</summary>
    public readonly int FirstRow => _firstRow;

    /// <summary>The tokens of the planned chunk.</summary>
    public readonly int Planned => _planned;

    /// <summary>Plans the next chunk; 0 when the step is full.</summary>
    /// <returns>True when the chunk holds the last token.</returns>
    public bool Plan(ReadOnlySpan<int> prompt, StepPlan plan)
    {
        var rest = prompt[Sequence.Length..];
        _planned = Math.Min(rest.Length, plan.PrefillBudget);
        if (_planned > 0)
            _firstRow = plan.AppendPrefill(rest[.._planned], Sequence);
        return _planned == rest.Length;
    }

    /// <summary>Forgets the planned chunk.</summary>
    public void Rollback()
    {
        Sequence.Truncate(Sequence.Length - _planned);
        _planned = 0;
    }

    /// <summary>The planned chunk has run.</summary>
    public void Accept() => _planned = 0;
}
