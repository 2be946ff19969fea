using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Kotonoha.Server.Training;

/// <summary>
/// The command that trains, as a process: what it costs in memory or breaks does not touch the server. It saves and ends when its standard
/// input ends, and so never outlives the server, however that ends.
/// </summary>
internal sealed class TrainingProcess : IDisposable
{
    /// <summary>The exit code of a run that was stopped and has saved.</summary>
    public const int Interrupted = 130;

    private const int LinesKept = 50;
    private const string Prefix = "kotonoha: ";

    // A hint for people at a terminal comes after what is wrong.
    private const string SeeHelp = "see '";

    private readonly Process _process;
    private readonly Queue<string> _errors = new();
    private readonly StringBuilder _output = new();

    private TrainingProcess(Process process) => _process = process;

    /// <summary>Starts it.</summary>
    /// <param name="command">The command and what comes before the recipe.</param>
    /// <param name="arguments">The recipe and its options.</param>
    /// <exception cref="Win32Exception">There is no such program.</exception>
    public static TrainingProcess Start(IReadOnlyList<string> command, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(command[0], [.. command.Skip(1), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            CreateNoWindow = true,
        };
        var training = new TrainingProcess(Process.Start(start)!);
        training._process.OutputDataReceived += (_, line) => training.Note(line.Data, isError: false);
        training._process.ErrorDataReceived += (_, line) => training.Note(line.Data, isError: true);
        training._process.BeginOutputReadLine();
        training._process.BeginErrorReadLine();
        training.StepBack();
        return training;
    }

    /// <summary>What it wrote to standard output; whole once it has ended.</summary>
    public string Output
    {
        get
        {
            lock (_errors)
                return _output.ToString();
        }
    }

    /// <summary>What it said went wrong.</summary>
    public string Problem
    {
        get
        {
            lock (_errors)
                return _errors.LastOrDefault(line => line.StartsWith(Prefix, StringComparison.Ordinal)
                    && !line.StartsWith(Prefix + SeeHelp, StringComparison.Ordinal)) is { } told
                    ? told[Prefix.Length..]
                    : FormattableString.Invariant($"The training process ended unexpectedly (exit code {_process.ExitCode})")
                        + (_errors.Count > 0 ? $": {_errors.Last()}" : ".");
        }
    }

    /// <summary>Tells it to end the step that it is at, to save and to end.</summary>
    public void Stop()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended by itself.
        }
    }

    /// <summary>Ends it at once; what was saved last stays.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    /// <returns>The exit code.</returns>
    public async Task<int> WaitAsync(CancellationToken cancellationToken = default)
    {
        await _process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        return _process.ExitCode;
    }

    public void Dispose() => _process.Dispose();

    // Answers go before training.
    private void StepBack()
    {
        try
        {
            _process.PriorityClass = ProcessPriorityClass.BelowNormal;
        }
        catch (Exception exception) when (exception is Win32Exception or InvalidOperationException or NotSupportedException)
        {
            // It has ended already, or the system does not let us.
        }
    }

    private void Note(string? line, bool isError)
    {
        if (line is null)
            return;
        lock (_errors)
        {
            if (!isError)
                _output.AppendLine(line);
            else if (!string.IsNullOrWhiteSpace(line))
                _errors.Enqueue(line);
            while (_errors.Count > LinesKept)
                _errors.Dequeue();
        }
    }
}
