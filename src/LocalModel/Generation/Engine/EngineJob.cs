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

/// <summary>
/// One piece of work of the engine: it adds its tokens to each step and takes what comes out, until it is done. All methods run on the
/// engine's thread.
/// </summary>
internal abstract class EngineJob : IEngineJob, IDisposable
{
    private protected EngineJob(CancellationToken cancellation) => Cancellation = cancellation;

    /// <summary>Ends the job early.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>When the job was created (<see cref="Stopwatch.GetTimestamp"/>).</summary>
    public long Created { get; } = Stopwatch.GetTimestamp();

    /// <summary>When the engine took it up.</summary>
    public long Started { get; private set; }

    /// <summary>The most blocks of the key/value cache that it may need at once.</summary>
    public abstract int MaximumBlocks { get; }

    /// <summary>The blocks that its next step needs; it never becomes more than <see cref="MaximumBlocks"/>.</summary>
    public virtual int NeededBlocks => MaximumBlocks;

    /// <summary>Whether it can give its blocks back in the middle and go on later (<see cref="Pause"/>).</summary>
    public virtual bool CanPause => false;

    /// <summary>Nothing is left to do.</summary>
    public abstract bool IsDone { get; }

    /// <summary>Whether the next step runs a part of a prompt: then cancellation is looked at between layers.</summary>
    public abstract bool IsPrefilling { get; }

    /// <summary>Takes memory in the cache, at first or after a pause.</summary>
    public virtual void Start(KvCache cache)
    {
        if (Started == 0)
            Started = Stopwatch.GetTimestamp();
    }

    /// <summary>Gives its blocks back between two steps, until it is started again; what it has put out stays.</summary>
    public virtual void Pause() => throw new NotSupportedException($"{GetType().Name} cannot be paused.");

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

/// <summary>
/// What requests of every engine have in common: texts are encoded on the thread pool, and the end of a cancelled one says why.
/// </summary>
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

/// <summary>
/// Brings the tokens of a prompt into the cache, chunk by chunk. Where the cache keeps prefixes it begins with what is there already, and
/// waits for a prompt that is being read and begins alike instead of computing the same once more.
/// </summary>
internal struct PromptReader
{
    // Waiting for another prompt delays this one by a step, which fewer tokens are not worth.
    private const int WorthWaitingFor = KvCache.BlockTokens / 2;

    private bool _begun;
    private int _planned;
    private int _firstRow;

    /// <summary>The cached sequence.</summary>
    public KvSequence Sequence { get; init; }

    /// <summary>The tokens to read.</summary>
    public ReadOnlyMemory<int> Prompt { get; init; }

    /// <summary>
    /// Whether only what follows the last token is wanted: then those before it need not be computed where the cache has them.
    /// </summary>
    public bool ReusesPrefix { get; init; }

    /// <summary>The tokens that the cache had.</summary>
    public int CachedTokens { get; private set; }

    /// <summary>The batch row of the first token of the planned chunk.</summary>
    public readonly int FirstRow => _firstRow;

    /// <summary>The tokens of the planned chunk.</summary>
    public readonly int Planned => _planned;

    /// <summary>Plans the next chunk; 0 when the step is full.</summary>
    /// <returns>True when the chunk holds the last token.</returns>
    public bool Plan(StepPlan plan)
    {
        _planned = 0;
        if (ReusesPrefix && Sequence.Cache.KeepsPrefixes)
        {
            if (!_begun)
                _begun = TryBegin(plan);
            plan.Prompts.Add((Prompt, Sequence.PositionKey));
            if (!_begun)
                return false;
        }

        var rest = Prompt.Span[Sequence.Length..];
        _planned = Alike(Math.Min(rest.Length, plan.PrefillBudget));
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
    public void Accept()
    {
        if (_planned > 0 && ReusesPrefix)
            Sequence.Publish(Prompt.Span[..Sequence.Length]);
        _planned = 0;
    }

    // Beyond the prompt come tokens that were run one by one before a pause; where scalings go by the length, a chunk holds those alone
    // whose keys were turned alike.
    private readonly int Alike(int planned)
    {
        var cache = Sequence.Cache;
        int prompt = Sequence.PromptLength, first = Math.Max(Sequence.Length + 1, prompt);
        while (planned > 1 && cache.PositionKey(Math.Max(Sequence.Length + planned, prompt)) != cache.PositionKey(first))
            planned--;
        return planned;
    }

    private bool TryBegin(StepPlan plan)
    {
        if (plan.PrefillBudget == 0)
            return false;
        var wanted = Prompt.Span[..^1]; // what follows the last token must be computed
        CachedTokens = Sequence.Adopt(wanted);
        foreach (var (other, positionKey) in plan.Prompts)
            if (positionKey == Sequence.PositionKey && other.Span.CommonPrefixLength(wanted) - CachedTokens >= WorthWaitingFor)
            {
                Sequence.Truncate(0);
                return false;
            }

        return true;
    }
}
