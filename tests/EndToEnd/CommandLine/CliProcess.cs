using System.Diagnostics;
using System.Text;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary>The <c>kotonoha</c> command as a real process, as a user starts it.</summary>
internal sealed class CliProcess : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new(), _error = new();
    private readonly Action<string>? _onLine;

    private CliProcess(
        IEnumerable<string> arguments, string? workingFolder, Action<string>? onLine, IReadOnlyDictionary<string, string>? environment,
        byte[]? input = null)
    {
        _onLine = onLine;
        // Where the tests run in the background, shells have them ignore what Ctrl+C sends, which children would inherit.
        string[] dotnet = OperatingSystem.IsLinux() ? ["env", "--default-signal=INT", "dotnet"] : ["dotnet"];
        var start = new ProcessStartInfo(dotnet[0])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = workingFolder ?? Path.GetTempPath(),
        };
        foreach (var argument in dotnet[1..].Append(Path.Combine(AppContext.BaseDirectory, "Kotonoha.Cli.dll")).Concat(arguments))
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, e) => Append(_output, e.Data, _onLine);
        _process.ErrorDataReceived += (_, e) => Append(_error, e.Data, null);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        try
        {
            _process.StandardInput.BaseStream.Write(input ?? []);
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended without reading.
        }
    }

    public string Output => Read(_output);

    public string Error => Read(_error);

    public int ExitCode => _process.ExitCode;

    public static CliProcess Start(
        IEnumerable<string> arguments, Action<string>? onLine = null, string? workingFolder = null,
        IReadOnlyDictionary<string, string>? environment = null)
        => new(arguments, workingFolder, onLine, environment);

    /// <summary>Runs the command to its end.</summary>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="workingFolder">Where it runs.</param>
    /// <param name="environment">Variables that are added to its environment.</param>
    /// <param name="input">What it reads from standard input.</param>
    public static (int ExitCode, string Output, string Error) Run(
        string[] arguments, string? workingFolder = null, IReadOnlyDictionary<string, string>? environment = null, byte[]? input = null)
    {
        using var cli = new CliProcess(arguments, workingFolder, null, environment, input);
        cli._process.WaitForExit();
        return (cli._process.ExitCode, cli.Output, cli.Error);
    }

    public void WaitForExit() => _process.WaitForExit();

    /// <summary>Waits at most so long; says whether the process has ended.</summary>
    public async Task<bool> WaitForExitAsync(TimeSpan atMost)
    {
        using var limit = new CancellationTokenSource(atMost > TimeSpan.Zero ? atMost : TimeSpan.Zero);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return _process.HasExited;
        }
    }

    /// <summary>Asks the process to stop, as Ctrl+C does.</summary>
    public void Interrupt()
    {
        using var kill = Process.Start("kill", ["-INT", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Ends the process and its children as a power cut would: without a chance to clean up.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private static void Append(StringBuilder to, string? line, Action<string>? tell)
    {
        if (line is null)
            return;
        lock (to)
            to.AppendLine(line);
        tell?.Invoke(line);
    }

    private static string Read(StringBuilder from)
    {
        lock (from)
            return from.ToString();
    }
}
