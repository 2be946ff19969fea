using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// Runs one text and pools its hidden states, token after token in order, so that the vector does not depend on chunks or neighbours.
/// </summary>
internal sealed class EmbeddingJob(int[] ids, int width, Pooling pooling, CancellationToken cancellation) : EngineJob(cancellation)
{
    private readonly TaskCompletionSource<float[]> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[] _pooled = new float[width];
    private PromptReader _reader;
    private int _seen;
    private bool _failed;

    public Task<float[]> Result => _completion.Task;

    public override int MaximumBlocks => Blocks(ids.Length);

    public override bool IsDone => _failed || _seen == ids.Length;

    public override bool IsPrefilling => true;

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        _reader = new PromptReader { Sequence = cache.NewSequence(promptLength: ids.Length), Prompt = ids };
    }

    public override void Plan(StepPlan plan)
    {
        _reader.Plan(plan);
        plan.NeedsHiddenStates = true;
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        for (int i = 0; i < _reader.Planned; i++)
            Add(result.Hidden(_reader.FirstRow + i));
        _reader.Accept();
        if (_seen < ids.Length)
            return;
        if (pooling == Pooling.Mean)
            for (int c = 0; c < _pooled.Length; c++)
                _pooled[c] /= ids.Length;
        foreach (float x in _pooled)
            if (!float.IsFinite(x))
                throw new SamplingException("The model gave a hidden state that is not a finite number; its weights are damaged, or "
                    + "training has diverged. Load another checkpoint.");
        _completion.TrySetResult(_pooled);
    }

    public override void Rollback() => _reader.Rollback();

    public override void Fail(Exception exception)
    {
        _failed = true;
        _completion.TrySetException(exception);
    }

    public override void Dispose() => _reader.Sequence?.Dispose();

    private void Add(ReadOnlySpan<float> hidden)
    {
        bool first = _seen++ == 0;
        switch (pooling)
        {
            case Pooling.Mean or Pooling.Sum:
                for (int c = 0; c < _pooled.Length; c++)
                    _pooled[c] += hidden[c];
                break;
            case Pooling.Max:
                for (int c = 0; c < _pooled.Length; c++)
                    _pooled[c] = first ? hidden[c] : Math.Max(_pooled[c], hidden[c]);
                break;
            case Pooling.First when first:
            case Pooling.Last when _seen == ids.Length:
                hidden.CopyTo(_pooled);
                break;
        }
    }
}
