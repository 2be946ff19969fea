using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Kotonoha.Rag.Documents;

/// <summary>Runs a program that converts a document, with an end to its time and its output.</summary>
internal static class BoundedProcess
{
    private const int MaxErrorChars = 4096;

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Its exit code, its standard output and the start of its error output.</returns>
    /// <exception cref="Win32Exception">There is no such program.</exception>
    /// <exception cref="DocumentFormatException">It prints more than <see cref="DocumentLimits.MaxProcessOutputBytes"/>.</exception>
    internal static async Task<(int ExitCode, byte[] Output, string Error)> RunAsync(
        string program, IEnumerable<string> arguments, string documentName, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            CreateNoWindow = true,
        };
        using var process = Process.Start(start)!;
        try
        {
            process.StandardInput.Close();
            var error = ReadErrorAsync(process.StandardError, cancellationToken);
            using var output = new MemoryStream();
            var block = new byte[1 << 16];
            int count;
            while ((count = await process.StandardOutput.BaseStream.ReadAsync(block, cancellationToken).ConfigureAwait(false)) > 0)
            {
                if (output.Length + count > DocumentLimits.MaxProcessOutputBytes)
                    throw new DocumentFormatException(
                        $"'{documentName}' makes {program} print more than {DocumentLimits.MaxProcessOutputBytes >> 20} MB; split the document.");
                output.Write(block, 0, count);
            }

            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            return (process.ExitCode, output.ToArray(), await error.ConfigureAwait(false));
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static async Task<string> ReadErrorAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        var kept = new StringBuilder();
        var block = new char[1024];
        int count;
        while ((count = await reader.ReadAsync(block, cancellationToken).ConfigureAwait(false)) > 0)
            kept.Append(block, 0, Math.Min(count, MaxErrorChars - kept.Length));
        return kept.ToString().Trim();
    }
}
