using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Tensors;

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
