using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>A pass that records nothing: prefill, decoding, scoring, embedding. Its memory is used again from layer to layer.</summary>
internal sealed class CpuInferencePass : CpuPass
{
    private CancellationToken _cancellation;

    /// <summary>Creates a pass on a backend; <see cref="Begin"/> starts it.</summary>
    /// <param name="backend">The device that runs the operations.</param>
    public CpuInferencePass(Backend backend)
        : base(backend)
    {
    }

    /// <inheritdoc/>
    public override bool IsTraining => false;

    /// <summary>Starts anew: every tensor made before becomes invalid.</summary>
    /// <param name="cancellationToken">Looked at between layers.</param>
    public void Begin(CancellationToken cancellationToken = default)
    {
        _cancellation = cancellationToken;
        Arena.Reset();
    }

    /// <inheritdoc/>
    /// <exception cref="OperationCanceledException">The pass was cancelled.</exception>
    private protected override Tensor NextLayerCore(Tensor hidden)
    {
        _cancellation.ThrowIfCancellationRequested();
        return Arena.ResetKeeping(hidden);
    }

    private protected override void Record(in TapeEntry entry)
    {
    }

    private protected override ulong NextKey() => throw new InvalidOperationException("An inference pass draws no random numbers.");
}
