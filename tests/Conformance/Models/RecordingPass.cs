using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>An inference pass that keeps what enters each layer.</summary>
internal sealed class RecordingPass(Backend backend) : CpuPass(backend)
{
    /// <summary>The input of each layer, row after row, layer after layer.</summary>
    public List<float> LayerInputs { get; } = [];

    public override bool IsTraining => false;

    private protected override Tensor NextLayerCore(Tensor hidden)
    {
        LayerInputs.AddRange(Read(hidden));
        return hidden;
    }

    private protected override void Record(in TapeEntry entry)
    {
    }

    private protected override ulong NextKey() => throw new InvalidOperationException("Nothing is random here.");
}
