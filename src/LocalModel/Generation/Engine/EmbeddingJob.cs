using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>Runs one text and pools its hidden states, token after token in order, so that the vector does not depend on chunks or neighbours.</summary>
internal sealed class EmbeddingJob(int[] ids, int width, Pooling pooling, CancellationToken cancellation) : EngineJob(cancellation)
{
    private readonly TaskCompletionSource<float[]> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[] pooled = new float[width];
    private PromptReader reader;
    private int seen;
    private bool failed;

    public Task<float[]> Result => completion.Task;

    public override int ReservedBlocks => Blocks(ids.Length);

    public override bool IsDone => failed || seen == ids.Length;

    public override bool IsPrefilling => true;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        reader = new PromptReader { Sequence = cache.NewSequence(promptLength: ids.Length) };
    }

    public override void Plan(StepPlan plan)
    {
        reader.Plan(ids, plan);
        plan.NeedsHiddenStates = true;
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        for (int i = 0; i < reader.Planned; i++)
            Add(result.Hidden(reader.FirstRow + i));
        reader.Accept();
        if (seen < ids.Length)
            return;
        if (pooling == Pooling.Mean)
            for (int c = 0; c < pooled.Length; c++)
                pooled[c] /= ids.Length;
        foreach (float x in pooled)
            if (!float.IsFinite(x))
                throw new SamplingException("The model gave a hidden state that is not a finite number; its weights are damaged, or training has diverged. Load another checkpoint.");
        completion.TrySetResult(pooled);
    }

    public override void Rollback() => reader.Rollback();

    public override void Fail(Exception exception)
    {
        failed = true;
        completion.TrySetException(exception);
    }

    public override void Dispose() => reader.Sequence?.Dispose();

    private void Add(ReadOnlySpan<float> hidden)
    {
        bool first = seen++ == 0;
        switch (pooling)
        {
            case Pooling.Mean or Pooling.Sum:
                for (int c = 0; c < pooled.Length; c++)
                    pooled[c] += hidden[c];
                break;
            case Pooling.Max:
                for (int c = 0; c < pooled.Length; c++)
                    pooled[c] = first ? hidden[c] : Math.Max(pooled[c], hidden[c]);
                break;
            case Pooling.First when first:
            case Pooling.Last when seen == ids.Length:
                hidden.CopyTo(pooled);
                break;
        }
    }
}
