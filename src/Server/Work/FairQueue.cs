namespace Kotonoha.Server.Work;

/// <summary>
/// Lets so many requests run at a time. When one ends, the next comes from the caller who has the fewest running, the longest wait among
/// equals: a caller with a hundred requests does not keep another's first one waiting.
/// </summary>
/// <param name="maxRunning">How many run at a time.</param>
/// <param name="maxWaitingPerCaller">How many of one caller may wait.</param>
/// <param name="maxWaiting">How many may wait together.</param>
/// <remarks>Thread-safe.</remarks>
internal sealed class FairQueue(int maxRunning, int maxWaitingPerCaller, int maxWaiting)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Caller> _callers = new(StringComparer.Ordinal);
    private long _arrivals;
    private int _running;
    private int _waiting;

    public int Running => Volatile.Read(ref _running);

    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Why a caller's request got no place, and what helps.</summary>
    public string WhyFull(string caller)
    {
        lock (_lock)
        {
            int own = _callers.TryGetValue(caller, out var known) ? known.Waiters.Count : 0;
            var waiting = own >= maxWaitingPerCaller
                ? $"{own} requests of this caller wait, as many as may ('max-waiting-per-key')"
                : $"{_waiting} requests wait, as many as may ('max-waiting')";
            return $"No place is free ('max-running' is {maxRunning}), and {waiting}; send this one again a little later, or fewer at a "
                + "time.";
        }
    }

    /// <summary>Waits for a turn.</summary>
    /// <param name="caller">Whose request it is.</param>
    /// <param name="weight">How many sequences it computes; more than there are places counts as all of them.</param>
    /// <param name="cancellationToken">Leaves the queue.</param>
    /// <returns>The place; disposing it lets the next one in. Null when the queue is full.</returns>
    public async ValueTask<IDisposable?> EnterAsync(string caller, int weight, CancellationToken cancellationToken)
    {
        weight = Math.Clamp(weight, 1, maxRunning);
        Waiter waiter;
        lock (_lock)
        {
            if (!_callers.TryGetValue(caller, out var own))
                _callers.Add(caller, own = new Caller());
            if (_waiting == 0 && _running + weight <= maxRunning)
            {
                Take(own, weight);
                return new Place(this, caller, weight);
            }

            if (own.Waiters.Count >= maxWaitingPerCaller || _waiting >= maxWaiting)
            {
                Forget(caller, own);
                return null;
            }

            waiter = new Waiter(_arrivals++, weight);
            waiter.Node = own.Waiters.AddLast(waiter);
            _waiting++;
        }

        await using var registration = cancellationToken.Register(() => Leave(caller, waiter, cancellationToken)).ConfigureAwait(false);
        await waiter.Turn.Task.ConfigureAwait(false);
        return new Place(this, caller, weight);
    }

    private void Leave(string caller, Waiter waiter, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            // Its turn may have come a moment ago.
            if (waiter.Node is null)
                return;
            var own = _callers[caller];
            own.Waiters.Remove(waiter.Node);
            waiter.Node = null;
            _waiting--;
            Forget(caller, own);

            // A heavy one may have kept lighter ones waiting.
            LetIn();
        }

        waiter.Turn.TrySetCanceled(cancellationToken);
    }

    private void Exit(string caller, int weight)
    {
        lock (_lock)
        {
            var own = _callers[caller];
            own.Running -= weight;
            _running -= weight;
            Forget(caller, own);
            LetIn();
        }
    }

    private void LetIn()
    {
        while (_waiting > 0)
        {
            var next = _callers.Values.Where(caller => caller.Waiters.Count > 0)
                .MinBy(caller => (caller.Running, caller.Waiters.First!.Value.Arrival))!;
            var waiter = next.Waiters.First!.Value;
            if (_running + waiter.Weight > maxRunning)
                return;
            next.Waiters.RemoveFirst();
            waiter.Node = null;
            _waiting--;
            Take(next, waiter.Weight);
            waiter.Turn.TrySetResult();
        }
    }

    private void Take(Caller caller, int weight)
    {
        caller.Running += weight;
        _running += weight;
    }

    private void Forget(string name, Caller caller)
    {
        if (caller is { Running: 0, Waiters.Count: 0 })
            _callers.Remove(name);
    }

    private sealed class Caller
    {
        public int Running { get; set; }

        public LinkedList<Waiter> Waiters { get; } = [];
    }

    private sealed class Waiter(long arrival, int weight)
    {
        public long Arrival => arrival;

        public int Weight => weight;

        public LinkedListNode<Waiter>? Node { get; set; }

        public TaskCompletionSource Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Place(FairQueue queue, string caller, int weight) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
                queue.Exit(caller, weight);
        }
    }
}
