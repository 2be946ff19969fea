namespace Kotonoha.Readers.Processes;

/// <summary>
/// Keeps the running reader programs: starts one when a document comes and none is idle, up to a maximum; ends those that have been idle
/// for a while. A document that makes its program end, hang or eat too much memory costs that document alone.
/// </summary>
/// <remarks>Thread-safe. All programs end with this process, however it ends, since their input ends with it.</remarks>
internal sealed class ReaderPool
{
    /// <summary>How long a document waits for a busy program before another one is started: each has to compile the parsers for itself,
    /// which costs more than a few documents.</summary>
    private const int PatienceMs = 400;

    private readonly ReaderProcessOptions _options;
    private readonly Func<ReaderProgram> _find;
    private readonly SemaphoreSlim _slots;
    private readonly Stack<ReaderWorker> _idle = new();
    private readonly SemaphoreSlim _returned = new(0);
    private readonly Timer _sweep;
    private ReaderProgram? _program;
    private int _busy;
    private int _waiting;

    internal ReaderPool(ReaderProcessOptions options, Func<ReaderProgram>? find = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxProcesses);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxMemoryBytes, ReaderProcessOptions.LeastMemoryBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxReadMs);
        ArgumentOutOfRangeException.ThrowIfNegative(options.IdleMs);
        (_options, _find) = (options, find ?? ReaderProgram.Find);
        _slots = new SemaphoreSlim(options.MaxProcesses);
        _sweep = new Timer(_ => Sweep(), null, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>The ids of the idle programs.</summary>
    internal IReadOnlyList<int> IdleProcesses
    {
        get
        {
            lock (_idle)
                return [.. _idle.Select(worker => worker.ProcessId)];
        }
    }

    /// <summary>Starts a program if none is idle.</summary>
    /// <exception cref="DocumentReaderUnavailableException">It does not start.</exception>
    internal async Task StartAsync(CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Return(await TakeAsync(cancellationToken).ConfigureAwait(false));
        }
        finally
        {
            Interlocked.Decrement(ref _busy);
            _slots.Release();
        }
    }

    /// <summary>Reads a document.</summary>
    /// <exception cref="DocumentFormatException">It cannot be read, or reading it had to be given up.</exception>
    /// <exception cref="DocumentReaderUnavailableException">There is no program to read it.</exception>
    internal async Task<ExtractedDocument> ReadAsync(
        byte[] content, string name, CancellationToken cancellationToken, bool wantsImages = false)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var reply = await ReadAsync(
                await TakeAsync(cancellationToken).ConfigureAwait(false), content, name, wantsImages, cancellationToken)
                    .ConfigureAwait(false);
            return reply.Document ?? throw new DocumentFormatException(reply.Text);
        }
        finally
        {
            Interlocked.Decrement(ref _busy);
            _slots.Release();
        }
    }

    private async Task<Reply> ReadAsync(
        ReaderWorker worker, byte[] content, string name, bool wantsImages, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_options.MaxReadMs);
        Exception? cause = null;
        string reason;
        bool deterministic = true;
        try
        {
            var reply = await worker.ReadAsync(content, name, wantsImages, limit.Token).ConfigureAwait(false);
            if (reply.Kind is ReplyKind.Document or ReplyKind.FormatError)
            {
                Return(worker);
                return reply;
            }

            await worker.EndAsync(kill: true).ConfigureAwait(false);
            if (reply.Kind == ReplyKind.MissingPart)
                throw LacksPart(reply.Text);
            reason = TooMuchMemory;
        }
        catch (OperationCanceledException)
        {
            await worker.EndAsync(kill: true).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            deterministic = false;
            reason = $"takes longer than {TimeSpan.FromMilliseconds(_options.MaxReadMs).TotalSeconds:0.###} s to read";
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            // The program is gone, or what it writes makes no sense any more.
            var said = await worker.EndAsync(kill: error is InvalidDataException).ConfigureAwait(false);
            if (said.Contains("Could not load file or assembly", StringComparison.Ordinal))
                throw LacksPart(said.Split('\n', 2)[0].Trim());
            cause = error;
            deterministic = said.Contains("Stack overflow", StringComparison.OrdinalIgnoreCase);
            reason = said.StartsWith("Out of memory", StringComparison.OrdinalIgnoreCase)
                || said.Contains("OutOfMemoryException", StringComparison.Ordinal)
                ? TooMuchMemory
                : $"made the reader program end ({(said.Length == 0 ? error.Message : said.Split('\n', 2)[0].Trim())})";
        }

        throw new DocumentFormatException($"'{name}' {reason} and was given up; it is broken, hostile or too large.", cause)
        {
            IsDeterministic = deterministic,
        };
    }

    private DocumentReaderUnavailableException LacksPart(string what)
        => new($"The program that reads documents lacks a part: {what} All assemblies of the app must lie beside '{_program!.Assembly}'.");

    private string TooMuchMemory => $"needs more than {_options.MaxMemoryBytes >> 20} MB of memory to read";

    /// <summary>Takes an idle program, or waits a little for one, or starts one. The caller counts as busy from here on.</summary>
    private async Task<ReaderWorker> TakeAsync(CancellationToken cancellationToken)
    {
        bool others = Interlocked.Increment(ref _busy) > 1;
        long until = Environment.TickCount64 + PatienceMs;
        Interlocked.Increment(ref _waiting);
        try
        {
            while (true)
            {
                ReaderWorker? worker;
                lock (_idle)
                    _idle.TryPop(out worker);
                if (worker is { IsAlive: true })
                    return worker;
                if (worker is not null)
                    await worker.EndAsync(kill: true).ConfigureAwait(false);
                else if (!others || until <= Environment.TickCount64
                    || !await _returned.WaitAsync((int)Math.Clamp(until - Environment.TickCount64, 0, PatienceMs), cancellationToken)
                        .ConfigureAwait(false))
                    break;
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }

        return await ReaderWorker.StartAsync(_program ??= _find(), _options.MaxMemoryBytes, cancellationToken).ConfigureAwait(false);
    }

    private void Return(ReaderWorker worker)
    {
        worker.IdleSince = Environment.TickCount64;
        lock (_idle)
        {
            _idle.Push(worker);
            if (_idle.Count == 1)
                _sweep.Change(_options.IdleMs, Timeout.Infinite);
        }

        if (Volatile.Read(ref _waiting) > 0)
            _returned.Release();
    }

    /// <summary>Ends the programs that have been idle long enough, and looks again when the next one will have been.</summary>
    private void Sweep()
    {
        var ending = new List<ReaderWorker>();
        lock (_idle)
        {
            long now = Environment.TickCount64;
            var kept = _idle.Where(worker => worker.IsAlive && now - worker.IdleSince < _options.IdleMs).ToList();
            ending.AddRange(_idle.Except(kept));
            _idle.Clear();
            for (int i = kept.Count - 1; i >= 0; i--)
                _idle.Push(kept[i]);
            if (kept.Count > 0)
                _sweep.Change(Math.Max(1, kept.Min(worker => worker.IdleSince) + _options.IdleMs - now), Timeout.Infinite);
        }

        foreach (var worker in ending)
            _ = worker.EndAsync(kill: false);
    }
}
