using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using TorchSharp;
using Device = Kotonoha.LocalModel.Devices.Device;

namespace Kotonoha.LocalModel.Torch;

/// <summary>How precisely a <see cref="TorchDevice"/> computes.</summary>
public enum TorchPrecision
{
    /// <summary>Single precision throughout.</summary>
    Float32,

    /// <summary>
    /// Single precision, but matrix products round their inputs to 10 bits of fraction (TensorFloat-32), several times as fast on NVIDIA
    /// GPUs since Ampere; the same as <see cref="Float32"/> elsewhere.
    /// </summary>
    TensorFloat32,

    /// <summary>
    /// Activations and products in bfloat16 (8 bits of fraction); softmax, norms and losses are computed in single precision. Training
    /// keeps weights, gradients and the optimiser's moments in single precision.
    /// </summary>
    BFloat16,
}

/// <summary>
/// A device of TorchSharp: an NVIDIA GPU, Apple's GPU, or the processor through libtorch. The application adds the package of its libtorch:
/// TorchSharp-cuda-linux or TorchSharp-cuda-windows for NVIDIA GPUs, TorchSharp-cpu otherwise.
/// </summary>
/// <remarks>
/// The same model on another device gives the same results up to rounding, not to the bit. Results may also differ in their last bits
/// between two runs on a GPU, and with the other sequences of a batch. TorchSharp has only been tested here on Linux with the processor and
/// with an NVIDIA GPU; Apple's GPU (MPS) is untested, and TorchSharp's Windows packages have known faults (dotnet/TorchSharp issue 1567).
/// </remarks>
public sealed class TorchDevice : Device
{
    private readonly torch.Device _device;
    private readonly TorchPrecision _precision;

    private TorchDevice(torch.Device device, string name, TorchPrecision precision)
    {
        _device = device;
        _precision = precision;
        Name = name;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>How precisely the device computes.</summary>
    public TorchPrecision Precision => _precision;

    /// <summary>An NVIDIA GPU.</summary>
    /// <param name="index">Its number, from 0.</param>
    /// <param name="precision">How precisely it computes.</param>
    /// <param name="libtorch">The folder of libtorch's libraries; null for those of the application's packages.</param>
    /// <exception cref="DeviceNotAvailableException">There is no such GPU, or no libtorch for it.</exception>
    public static TorchDevice Cuda(int index = 0, TorchPrecision precision = TorchPrecision.BFloat16, string? libtorch = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        var name = $"cuda:{index}";
        TorchLibraries.Load(name, libtorch);
        int count;
        try
        {
            torch.InitializeDeviceType(DeviceType.CUDA);
            count = torch.cuda.device_count();
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new DeviceNotAvailableException(name, $"libtorch finds no CUDA: {exception.Message.Split('\n', 2)[0]} Add the package "
                + "TorchSharp-cuda-linux or TorchSharp-cuda-windows to the application, and install NVIDIA's driver.");
        }

        if (index >= count)
            throw new DeviceNotAvailableException(name, count == 0
                ? "this machine shows libtorch no NVIDIA GPU, or the libtorch of this application was built without CUDA."
                : $"this machine has {count} NVIDIA GPU(s), numbered from 0.");
        return new TorchDevice(new torch.Device(DeviceType.CUDA, index), name, precision);
    }

    /// <summary>Apple's GPU. Untested.</summary>
    /// <exception cref="DeviceNotAvailableException">There is none.</exception>
    public static TorchDevice Mps(TorchPrecision precision = TorchPrecision.Float32)
    {
        TorchLibraries.Load("mps", null);
        if (!torch.mps_is_available())
            throw new DeviceNotAvailableException("mps", "libtorch finds no GPU of Apple's on this machine.");
        return new TorchDevice(torch.MPS, "mps", precision);
    }

    /// <summary>The processor, through libtorch: for comparison with <see cref="Device.Cpu"/>, which is faster on small models.</summary>
    /// <param name="precision">How precisely it computes.</param>
    /// <param name="libtorch">The folder of libtorch's libraries; null for those of the application's packages.</param>
    /// <exception cref="DeviceNotAvailableException">There is no libtorch.</exception>
    public static new TorchDevice Cpu(TorchPrecision precision = TorchPrecision.Float32, string? libtorch = null)
    {
        TorchLibraries.Load("torch-cpu", libtorch);
        return new TorchDevice(torch.CPU, "torch-cpu", precision);
    }

    /// <summary>Finds a device by the name that command lines use.</summary>
    /// <param name="name"><c>cuda</c>, <c>cuda:1</c>, <c>mps</c> or <c>torch-cpu</c>.</param>
    /// <param name="precision">How precisely it computes: <c>fp32</c>, <c>tf32</c> or <c>bf16</c>; null for the device's default.</param>
    /// <exception cref="DeviceNotAvailableException">The device is not there.</exception>
    /// <exception cref="ArgumentException">There is no device or precision of this name.</exception>
    public static new TorchDevice Parse(string name, string? precision = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        TorchPrecision? exactly = precision switch
        {
            null => null,
            "fp32" => TorchPrecision.Float32,
            "tf32" => TorchPrecision.TensorFloat32,
            "bf16" => TorchPrecision.BFloat16,
            _ => throw new ArgumentException($"'{precision}' is not a precision; there are fp32, tf32 and bf16.", nameof(precision)),
        };
        return name switch
        {
            "torch-cpu" => Cpu(exactly ?? TorchPrecision.Float32),
            "mps" => Mps(exactly ?? TorchPrecision.Float32),
            "cuda" => Cuda(0, exactly ?? TorchPrecision.BFloat16),
            _ when name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), out int index) && index >= 0
                => Cuda(index, exactly ?? TorchPrecision.BFloat16),
            _ => throw new ArgumentException($"'{name}' is not a device; there are cpu, cuda, cuda:N, mps and torch-cpu.", nameof(name)),
        };
    }

    internal override InferenceSession CreateInferenceSession(int threads = 0, bool exact = false)
    {
        Prepare(threads);
        return new TorchInferenceSession(new TorchWeights(Settings()));
    }

    internal override TrainingSession CreateTrainingSession(
        IReadOnlyList<Parameter> parameters, ulong seed = 0, int threads = 0, bool recompute = false)
    {
        if (recompute)
            throw new TrainingException(
                $"'{Name}' keeps the activations of all layers. Switch RecomputeActivations off, or take more micro-batches.");
        Prepare(threads);
        return new TorchTrainingSession(parameters, Settings(), seed);
    }

    private TorchSettings Settings()
        => new(_device, _precision == TorchPrecision.BFloat16 ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32, Name, Describe());

    // Both are settings of the process: libtorch has no others.
    private void Prepare(int threads)
    {
        if (threads > 0)
            torch.set_num_threads(threads);
        if (_device.type == DeviceType.CUDA)
            torch.backends.cuda.matmul.allow_tf32 = _precision == TorchPrecision.TensorFloat32;
    }

    private string Describe()
    {
        var precision = _precision switch
        {
            TorchPrecision.BFloat16 => "bf16",
            TorchPrecision.TensorFloat32 => "tf32",
            _ => "fp32",
        };
        return _device.type == DeviceType.CPU
            ? $"libtorch {torch.__version__} on the processor, {torch.get_num_threads()} threads, {precision}"
            : $"{Name}, libtorch {torch.__version__}, {precision}";
    }
}

/// <summary>Where and in which type a session computes.</summary>
/// <param name="Device">The device.</param>
/// <param name="Type">The type of activations.</param>
/// <param name="Name">The device's name, for messages.</param>
/// <param name="Description">The device, for logs.</param>
internal sealed record TorchSettings(torch.Device Device, torch.ScalarType Type, string Name, string Description);
