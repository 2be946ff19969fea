using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Foundation.Text;
using Kotonoha.Readers;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha doctor</c>: what this machine has, and what is missing.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var home = new Option<string?>("--home") { Description = "The home folder to look at.", HelpName = "DIR" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command("doctor", "Say what this machine has for Kotonoha, and how to get what is missing.") { home, json };
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetValue(home), parsed.GetValue(json), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string? homeOption, bool json, CancellationToken cancellationToken)
    {
        var home = Workspace.HomeFolder(homeOption);
        var facts = new (string Name, string Value)[]
        {
            ("runtime", RuntimeInformation.FrameworkDescription),
            ("system", $"{RuntimeInformation.OSDescription} ({RuntimeInformation.ProcessArchitecture})"),
            ("cores", Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture)),
            ("memory", string.Create(CultureInfo.InvariantCulture, $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20} MiB")),
            ("vectors", Vector512.IsHardwareAccelerated ? "512 bits" : Vector256.IsHardwareAccelerated ? "256 bits"
                : Vector128.IsHardwareAccelerated ? "128 bits" : "none: the model will be slow"),
            ("device", ComputeDevice.Describe()),
            ("analyzer", TextAnalyzer.Id),
            ("home", Directory.Exists(home) ? home : $"{home} (made at the first run)"),
            ("readers", await ReadersAsync(cancellationToken)),
            ("npm", FindOnPath("npm") ?? "missing: --store qdrant needs it to get a server (or use --qdrant-url)"),
        };
        if (json)
        {
            Console.Out.WriteLine(JsonLines.Line(writer =>
            {
                foreach (var (name, value) in facts)
                    writer.WriteString(name, value);
            }));
            return 0;
        }

        foreach (var (name, value) in facts)
            Console.Out.WriteLine($"{name,-10} {value}");
        return 0;
    }

    private static async Task<string> ReadersAsync(CancellationToken cancellationToken)
    {
        try
        {
            await DocumentReaders.Default.StartAsync(cancellationToken);
            return $"start ({string.Join(' ', DocumentReaders.Default.Extensions)})";
        }
        catch (DocumentReaderUnavailableException error)
        {
            return error.Message;
        }
    }

    private static string? FindOnPath(string command)
    {
        string[] endings = OperatingSystem.IsWindows() ? [".exe", ".cmd"] : [""];
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(folder => endings.Select(ending => Path.Combine(folder, command + ending)))
            .FirstOrDefault(File.Exists);
    }
}
