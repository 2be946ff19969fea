namespace Kotonoha.LocalModel.Generation;

/// <summary>The one thread that runs a model, and the queue before it. Requests are taken up in the order of their arrival.</summary>
/// <typeparam name="TJob">The kind of work.</typeparam>
internal sealed class EngineThread<TJob> : IDisposable
    where TJob : IEngineJob
{
    private readonly IEngineCore<TJob> _core;
    private readonly List<WaitingRequest> _waiting = [];
    private readonly int _queueLength;
    private readonly Type _owner;
    private readonly Thread _thread;
    private bool _stopping;

    /// <summary>Starts the thread.</summary>
    /// <param name="core">What does the work.</param>
    /// <param name="queueLength">The requests that may wait.</param>
    /// <param name="owner">What is disposed when the engine is stopped, for errors.</param>
    public EngineThread(IEngineCore<TJob> core, int queueLength, Type owner)
    {
        _core = core;
        _queueLength = queueLength;
        _owner = owner;
        _thread = new Thread(Loop) { IsBackground = true, Name = "Kotonoha engine" };
        _thread.Start();
    }

    /// <summary>The requests that wait at this moment and of which nothing runs yet.</summary>
    public int Waiting
    {
        get
        {
            lock (_waiting)
                return _waiting.Count(request => !request.HasBegun);
        }
    }

    /// <summary>Hands jobs over; together they are one request and share their cancellation.</summary>
    /// <exception cref="QueueFullException">As many requests as may wait are waiting.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been stopped.</exception>
    public void Enqueue(IReadOnlyList<TJob> jobs)
    {
        lock (_waiting)
        {
            ObjectDisposedException.ThrowIf(_stopping, _owner);
            if (_waiting.Count >= _queueLength)
                throw new QueueFullException(_queueLength);
            _waiting.Add(new WaitingRequest(jobs));
            Monitor.Pulse(_waiting);
        }
    }

    /// <summary>Refuses new jobs and lets the thread end the others after its present step.</summary>
    public void Stop()
    {
        lock (_waiting)
        {
            _stopping = true;
            Monitor.Pulse(_waiting);
        }
    }

    /// <summary>Stops, and waits for the thread.</summary>
    public void Dispose()
    {
        Stop();
        _thread.Join();
    }

    private void Loop()
    {
        while (TakeUp())
            _core.Step();
        _core.FailAll(_ => Stopped());
        lock (_waiting)
        {
            foreach (var request in _waiting)
                request.Fail(_ => Stopped());
            _waiting.Clear();
        }
    }

    private static OperationCanceledException Stopped() => new("The model was disposed while the request was waiting or running.");

    // Takes up what fits, drops what was cancelled, waits while there is nothing to do. False when the engine is to stop.
    private bool TakeUp()
    {
        lock (_waiting)
        {
            while (!_stopping)
            {
                for (int i = _waiting.Count - 1; i >= 0; i--)
                    if (_waiting[i].IsCancelled)
                    {
                        _waiting[i].Fail(job => new OperationCanceledException(job.Cancellation));
                        _waiting.RemoveAt(i);
                    }

                while (_waiting.Count > 0)
                {
                    while (_waiting[0].HasNext && _core.CanAdmit(_waiting[0].Next))
                        _core.Admit(_waiting[0].Take());
                    if (_waiting[0].HasNext)
                        break;
                    _waiting.RemoveAt(0);
                }

                if (_core.ActiveJobs > 0)
                    return true;
                Monitor.Wait(_waiting);
            }
        }

        return false;
    }

    /// <summary>The jobs of one request that have not been taken up.</summary>
    private sealed class WaitingRequest(IReadOnlyList<TJob> jobs)
    {
        private int _taken;

        public bool HasBegun => _taken > 0;

        public bool HasNext => _taken < jobs.Count;

        public TJob Next => jobs[_taken];

        public bool IsCancelled => HasNext && Next.Cancellation.IsCancellationRequested;

        public TJob Take() => jobs[_taken++];

        public void Fail(Func<TJob, Exception> reason)
        {
            while (HasNext)
            {
                var job = Take();
                job.Fail(reason(job));
            }
        }
    }
}
