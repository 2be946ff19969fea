using System.Globalization;
using System.Runtime.InteropServices;

namespace Kotonoha.Benchmarks;

/// <summary>The machine that a measurement ran on, for its report.</summary>
internal static class Machine
{
    public static string Describe()
        => string.Create(CultureInfo.InvariantCulture, $"{Processor()}, {Environment.ProcessorCount} cores, "
            + $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.FrameworkDescription}, load {Load()}");

    /// <summary>A process's memory: VmHWM is the most that was resident, VmRSS what is resident now.</summary>
    /// <param name="kind">The line of /proc/ID/status.</param>
    /// <param name="process">The process, or null for this one.</param>
    public static double Megabytes(string kind, int? process = null)
    {
        if (!OperatingSystem.IsLinux())
            return System.Diagnostics.Process.GetProcessById(process ?? Environment.ProcessId).PeakWorkingSet64 / 1e6;
        var line = File.ReadLines($"/proc/{process ?? Environment.ProcessId}/status")
            .First(line => line.StartsWith(kind + ":", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024 / 1e6;
    }

    private static string Processor()
    {
        try
        {
            foreach (var line in File.ReadLines("/proc/cpuinfo"))
                if (line.StartsWith("model name", StringComparison.Ordinal))
                    return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }
        catch (IOException)
        {
            // Not a Linux machine.
        }

        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static string Load()
    {
        try
        {
            return File.ReadAllText("/proc/loadavg").Split(' ')[0];
        }
        catch (IOException)
        {
            return "unknown";
        }
    }
}
