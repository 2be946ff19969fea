using System.Diagnostics;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation.Engine;

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
