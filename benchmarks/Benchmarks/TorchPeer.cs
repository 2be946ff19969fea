using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics.X86;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.Benchmarks;

/// <summary>A PyTorch process that trains the same model in blocks of steps on request and sleeps in between.</summary>
internal sealed class TorchPeer : IDisposable
{
    private readonly Process _process;

    private TorchPeer(Process process, string description, int threads)
    {
        _process = process;
        Description = description;
        Threads = threads;
    }

    public string Description { get; }

    public int Threads { get; }

    /// <summary>The seconds, and the processor seconds, of a step of every measured block.</summary>
    public List<(double Wall, double Processor)> Steps { get; } = [];

    /// <summary>Starts the peer, or says why it cannot be started.</summary>
    public static TorchPeer? Start(string script, string text, Gpt2Config config, int batch, int threads, out string reason)
    {
        var python = Environment.GetEnvironmentVariable("KOTONOHA_TORCH_PYTHON") ?? "/usr/bin/python3";
        var start =
            new ProcessStartInfo(python) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (object argument
            in (object[])[script, text, config.VocabularySize, config.Layers, config.Heads, config.Width, config.ContextLength, batch])
            start.ArgumentList.Add(Convert.ToString(argument, CultureInfo.InvariantCulture)!);
        start.Environment["OMP_NUM_THREADS"] = threads.ToString(CultureInfo.InvariantCulture);
        start.Environment["OPENBLAS_NUM_THREADS"] = threads.ToString(CultureInfo.InvariantCulture);
        if (Avx512F.IsSupported)
            start.Environment.TryAdd("OPENBLAS_CORETYPE", "SkylakeX");
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or FileNotFoundException)
        {
            reason = $"'{python}' cannot be started ({exception.Message})";
            return null;
        }

        var description = process.StandardOutput.ReadLine();
        if (description is null)
        {
            reason = $"'{python}' has no PyTorch: {process.StandardError.ReadToEnd().Trim().Split('\n')[^1]}";
            process.Dispose();
            return null;
        }

        reason = "";
        return new TorchPeer(process, description, threads);
    }

    /// <summary>Trains some steps and returns the seconds and the processor seconds of one.</summary>
    public (double Wall, double Processor) Train(int steps)
    {
        _process.StandardInput.WriteLine(steps.ToString(CultureInfo.InvariantCulture));
        _process.StandardInput.Flush();
        var line = _process.StandardOutput.ReadLine()
            ?? throw new InvalidOperationException($"The peer ended: {_process.StandardError.ReadToEnd()}");
        var numbers = line.Split(' ').Select(n => double.Parse(n, CultureInfo.InvariantCulture) / steps).ToArray();
        return (numbers[0], numbers[1]);
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(10_000))
            _process.Kill();
        _process.Dispose();
    }
}
