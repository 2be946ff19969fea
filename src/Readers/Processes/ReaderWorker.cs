using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Kotonoha.Readers.Processes;

/// <summary>One running reader program. It reads one document at a time; after anything but a reply it is of no further use.</summary>
internal sealed class ReaderWorker
{
    private const int MaxErrorChars = 4096;

    private readonly Process _process;
    private readonly Stream _requests;
    private readonly Stream _replies;
    private readonly Task<string> _errors;

    private ReaderWorker(Process process)
    {
        _process = process;
        _requests = process.StandardInput.BaseStream;
        _replies = process.StandardOutput.BaseStream;
        _errors = ReadErrorsAsync(process.StandardError);
    }

    /// <summary>When it became idle, in milliseconds of <see cref="Environment.TickCount64"/>.</summary>
    internal long IdleSince { get; set; }

    internal bool IsAlive => !_process.HasExited;

    internal int ProcessId => _process.Id;

    /// <summary>Starts a program and waits for its greeting.</summary>
    /// <exception cref="DocumentReaderUnavailableException">It does not start.</exception>
    internal static async Task<ReaderWorker> StartAsync(ReaderProgram program, long maxMemoryBytes, CancellationToken cancellationToken)
    {
        ReaderWorker worker;
        Action started;
        try
        {
            worker = new ReaderWorker(program.Start(maxMemoryBytes, out started));
        }
        catch (Exception error) when (error is Win32Exception or IOException or UnauthorizedAccessException)
        {
            throw Unavailable(program, error.Message, error);
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(DocumentLimits.MaxReaderStartMs);
        string? problem = null;
        try
        {
            var greeting = await ReaderProtocol.ReadFrameAsync(worker._replies, 0, limit.Token).ConfigureAwait(false);
            problem = greeting is null ? "it ended at once" : null;
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            problem = error.Message;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            problem = $"it gave no sign within {DocumentLimits.MaxReaderStartMs / 1000} s";
        }
        catch (OperationCanceledException)
        {
            await worker.EndAsync(kill: true).ConfigureAwait(false);
            throw;
        }
        finally
        {
            started();
        }

        if (problem is null)
            return worker;
        var said = await worker.EndAsync(kill: true).ConfigureAwait(false);
        throw Unavailable(program, said.Length > 0 ? said : problem, null);
    }

    /// <summary>Has a document read.</summary>
    /// <exception cref="IOException">The program ended meanwhile.</exception>
    /// <exception cref="InvalidDataException">Its reply is not valid.</exception>
    internal async Task<Reply> ReadAsync(byte[] content, string name, bool wantsImages, CancellationToken cancellationToken)
    {
        await _requests.WriteAsync(ReaderProtocol.RequestHead(name, content.Length, wantsImages), cancellationToken).ConfigureAwait(false);
        await _requests.WriteAsync(content, cancellationToken).ConfigureAwait(false);
        await _requests.FlushAsync(cancellationToken).ConfigureAwait(false);
        var frame = await ReaderProtocol.ReadFrameAsync(_replies, DocumentLimits.MaxProcessOutputBytes, cancellationToken)
            .ConfigureAwait(false);
        return ReaderProtocol.ReadReply(frame ?? throw new EndOfStreamException());
    }

    /// <summary>Ends the program: by the end of its input, or at once.</summary>
    /// <returns>The beginning of its error output.</returns>
    internal async Task<string> EndAsync(bool kill)
    {
        try
        {
            if (kill)
                _process.Kill();
            _requests.Close();
        }
        catch (Exception error) when (error is IOException or InvalidOperationException or Win32Exception)
        {
            // It has ended by itself.
        }

        using var patience = new CancellationTokenSource(DocumentLimits.ReaderEndMs);
        try
        {
            await _process.WaitForExitAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        }

        var said = await _errors.ConfigureAwait(false);
        _process.Dispose();
        return said;
    }

    private static DocumentReaderUnavailableException Unavailable(ReaderProgram program, string reason, Exception? error)
        => new(
            $"The program that reads documents does not start ({program.Muxer} exec {program.Assembly}): {reason} "
            + "Its folder must hold the app's assemblies. Where every document can be trusted, DocumentReaders.InProcess does without it.",
            error);

    /// <summary>Reads the error output to its end, since a program that is not listened to stops; the start of it is kept.</summary>
    private static async Task<string> ReadErrorsAsync(StreamReader reader)
    {
        var kept = new StringBuilder();
        var block = new char[1024];
        try
        {
            int count;
            while ((count = await reader.ReadAsync(block, CancellationToken.None).ConfigureAwait(false)) > 0)
                kept.Append(block, 0, Math.Min(count, MaxErrorChars - kept.Length));
        }
        catch (IOException)
        {
            // The pipe broke with the program.
        }

        return kept.ToString().Trim();
    }
}
