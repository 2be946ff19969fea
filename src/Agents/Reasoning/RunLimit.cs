namespace Kotonoha.Agents.Reasoning;

/// <summary>Keeps a limit of time over work that is done with a token, and tells that limit apart from the caller's cancellation.</summary>
internal sealed class RunLimit : IDisposable
{
    private readonly CancellationTokenSource? _timer;
    private readonly CancellationTokenSource? _linked;
    private readonly CancellationToken _caller;

    internal RunLimit(TimeSpan? limit, TimeProvider time, CancellationToken caller)
    {
        _caller = caller;
        if (limit is null)
            return;
        _timer = new CancellationTokenSource(limit.Value, time);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(_timer.Token, caller);
    }

    /// <summary>Does work, also work that does not look at its token; null where the time was used up.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    internal async Task<T?> RunAsync<T>(Func<CancellationToken, Task<T>> work)
        where T : class
    {
        _caller.ThrowIfCancellationRequested();
        if (_timer?.IsCancellationRequested == true)
            return null;
        var token = _linked?.Token ?? _caller;
        try
        {
            return await work(token).WaitAsync(token).ConfigureAwait(false);
        }
        catch (Exception) when (_timer?.IsCancellationRequested == true && !_caller.IsCancellationRequested)
        {
            // Work that is cancelled may end with any error of its own.
            return null;
        }
        catch (Exception e) when (e is not OperationCanceledException && _caller.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, _caller);
        }
    }

    public void Dispose()
    {
        _linked?.Dispose();
        _timer?.Dispose();
    }
}
