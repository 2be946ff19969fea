using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance;

/// <summary>The device that the fixtures run on: the processor, unless <c>--device</c> names another.</summary>
internal static class ComputingDevice
{
    /// <summary>The device.</summary>
    public static Device Current { get; set; } = Device.Cpu;

    /// <summary>Whether it is the processor, whose results are also compared bit by bit.</summary>
    public static bool IsCpu => Current == Device.Cpu;

    /// <summary>A session that runs models forward, with exact products of quantised weights.</summary>
    public static InferenceSession Inference() => Current.CreateInferenceSession(exact: true);

    /// <summary>A session that trains.</summary>
    public static TrainingSession Training(IEnumerable<Parameter> parameters) => Current.CreateTrainingSession([.. parameters]);
}
