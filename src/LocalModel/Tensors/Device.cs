using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>Where a model computes. Naming a device that is not there throws; nothing falls back to another one silently.</summary>
public sealed class Device
{
    private Device(string name) => Name = name;

    /// <summary>The processor.</summary>
    public static Device Cpu { get; } = new("cpu");

    /// <summary>An NVIDIA GPU.</summary>
    /// <exception cref="DeviceNotAvailableException">There is none that this version can use.</exception>
    public static Device Cuda
        => throw new DeviceNotAvailableException("cuda",
            "this version of Kotonoha computes on the processor only. Use Device.Cpu, or Device.Best for the best one there is.");

    /// <summary>The fastest device there is.</summary>
    public static Device Best => Cpu;

    /// <summary>The device's short name.</summary>
    public string Name { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>A device was asked for that this machine or this version does not have.</summary>
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
