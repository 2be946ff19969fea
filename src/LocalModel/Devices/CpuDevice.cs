using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Devices;

/// <summary>The processor. Weights are used where the model has them.</summary>
internal sealed class CpuDevice : Device
{
    public override string Name => "cpu";

    internal override InferenceSession CreateInferenceSession(int threads = 0, bool exact = false)
        => new CpuInferenceSession(new CpuBackend(threads) { IsExact = exact }, ownsBackend: true);

    internal override TrainingSession CreateTrainingSession(
        IReadOnlyList<Parameter> parameters, ulong seed = 0, int threads = 0, bool recompute = false)
        => new CpuTrainingSession(parameters, new CpuBackend(threads) { IsExact = true }, seed, ownsBackend: true, recompute);
}
