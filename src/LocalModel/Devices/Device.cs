using System.Globalization;
using System.Reflection;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Devices;

/// <summary>
/// Where a model computes. <see cref="Cpu"/> is built in; the package Kotonoha.LocalModel.Torch adds NVIDIA GPUs and others. Naming a
/// device that is not there throws; nothing falls back to another one silently.
/// </summary>
public abstract class Device
{
    private protected Device()
    {
    }

    /// <summary>The processor, with the kernels of this library.</summary>
    public static Device Cpu { get; } = new CpuDevice();

    /// <summary>Finds a device by the name that command lines and settings use.</summary>
    /// <param name="name"><c>cpu</c>; with the package Kotonoha.LocalModel.Torch also <c>cuda</c>, <c>cuda:1</c>, <c>mps</c>,
    /// <c>torch-cpu</c>.</param>
    /// <param name="precision">How precisely another device than the processor computes: <c>fp32</c>, <c>tf32</c> or <c>bf16</c>; null for
    /// its default.</param>
    /// <exception cref="DeviceNotAvailableException">The device, or the package that it needs, is not there.</exception>
    /// <exception cref="ArgumentException">There is no device or precision of this name.</exception>
    public static Device Parse(string name, string? precision = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name == Cpu.Name)
            return precision is null or "fp32"
                ? Cpu
                : throw new ArgumentException($"The processor computes in fp32, not in '{precision}'.", nameof(precision));
        var parse = Type.GetType("Kotonoha.LocalModel.Torch.TorchDevice, Kotonoha.LocalModel.Torch")
            ?.GetMethod("Parse", BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly);
        if (parse is null)
            throw new DeviceNotAvailableException(name, "this application was built without it. Add the package Kotonoha.LocalModel.Torch "
                + "and a libtorch (TorchSharp-cuda-linux, TorchSharp-cuda-windows or TorchSharp-cpu).");
        return (Device)parse.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [name, precision], CultureInfo.InvariantCulture)!;
    }

    /// <summary>The device's short name: <c>cpu</c>, <c>cuda:0</c>, …</summary>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Makes a session that runs models forward.</summary>
    /// <param name="threads">The threads of the processor; 0 for one per core.</param>
    /// <param name="exact">Whether quantised weights are multiplied in single precision.</param>
    internal abstract InferenceSession CreateInferenceSession(int threads = 0, bool exact = false);

    /// <summary>Makes a session that trains.</summary>
    /// <param name="parameters">The parameters to train, as the host has them now.</param>
    /// <param name="seed">What random numbers (dropout) depend on, together with the step and the place in the model.</param>
    /// <param name="threads">The threads of the processor; 0 for one per core.</param>
    /// <param name="recompute">Whether layers are run once more when they are differentiated.</param>
    /// <exception cref="KotonohaException">The device cannot recompute.</exception>
    internal abstract TrainingSession CreateTrainingSession(
        IReadOnlyList<Parameter> parameters, ulong seed = 0, int threads = 0, bool recompute = false);
}

/// <summary>A device was asked for that this machine or this application does not have.</summary>
public sealed class DeviceNotAvailableException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="device">The device's short name.</param>
    /// <param name="problem">Why it cannot be used, and what to do.</param>
    public DeviceNotAvailableException(string device, string problem)
        : base($"The device '{device}' is not available: {problem}")
        => Device = device;

    /// <summary>The device's short name.</summary>
    public string Device { get; }
}

/// <summary>A device has no memory left.</summary>
public sealed class DeviceMemoryException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="device">The device's short name.</param>
    /// <param name="problem">What holds its memory, and which setting would help.</param>
    /// <param name="innerException">The device's own error.</param>
    public DeviceMemoryException(string device, string problem, Exception? innerException = null)
        : base($"The device '{device}' is out of memory: {problem}", innerException)
        => Device = device;

    /// <summary>The device's short name.</summary>
    public string Device { get; }
}
