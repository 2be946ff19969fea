using System.CommandLine;
using Kotonoha.LocalModel.Devices;

namespace Kotonoha.Cli.Models;

/// <summary>Where the models of a command compute: <c>--device</c> and <c>--precision</c>, which every command takes.</summary>
internal static class ComputeDevice
{
    private static readonly Option<string?> Name = new("--device")
    {
        Description =
            "Where models compute: cpu (default), or cuda, cuda:N, mps or torch-cpu in a build with TorchSharp (./run.sh makes one).",
        HelpName = "NAME",
        Recursive = true,
    };

    private static readonly Option<string?> Precision = new("--precision")
    {
        Description = "With --device: fp32, tf32 or bf16 (default: bf16 on an NVIDIA GPU).",
        HelpName = "NAME",
        Recursive = true,
    };

    /// <summary>The device of the command that runs.</summary>
    public static Device Current { get; private set; } = Device.Cpu;

    /// <summary>The options as they were given, for another process that is to compute in the same place.</summary>
    public static IReadOnlyList<string> Given { get; private set; } = [];

    /// <summary>Adds the options to all commands.</summary>
    public static void AddTo(RootCommand root)
    {
        root.Options.Add(Name);
        root.Options.Add(Precision);
    }

    /// <summary>Finds the device that was asked for.</summary>
    /// <exception cref="UsageException">There is no device or precision of this name.</exception>
    /// <exception cref="DeviceNotAvailableException">The device is not there.</exception>
    public static void Choose(ParseResult parsed)
    {
        try
        {
            Given = [.. new[] { Name, Precision }.Where(option => parsed.GetValue(option) is not null)
                .Select(option => $"{option.Name}={parsed.GetValue(option)}")];
            Current = Device.Parse(parsed.GetValue(Name) ?? Device.Cpu.Name, parsed.GetValue(Precision));
        }
        catch (ArgumentException exception)
        {
            throw new UsageException(exception.Message.Split('\n')[0]);
        }
    }

    /// <summary>The devices that this build finds on this machine, and why it has no GPU where it has none.</summary>
    public static string Describe()
    {
        try
        {
            using var session = Device.Parse("cuda").CreateInferenceSession();
            return $"cpu, {session.Description}";
        }
        catch (DeviceNotAvailableException exception)
        {
            return $"cpu ({exception.Message})";
        }
    }
}
