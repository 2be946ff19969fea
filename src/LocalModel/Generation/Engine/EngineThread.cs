namespace Kotonoha.LocalModel.Generation;

/// <summary>The one thread that runs a model, and the queue before it. Requests are taken up in the order of their arrival.</summary>
/// <typeparam name="TJob">The kind of work.</typeparam>
internal sealed class EngineThread<TJob> : IDisposable
    where TJob : IEngineJob
{
    private readonly IEngineCore<TJob> core;
    private readonly List<WaitingRequest> waiting = [];
    private readonly int queueLength;
    private readonly Type owner;
    private readonly Thread thread;
    private bool stopping;

    /// <summary>Starts the thread.</summary>
    /// <param name="core">What does the work.</param>
    /// <param name="queueLength">The requests that may wait.</param>
    /// <param name="owner">What is disposed when the engine is stopped, for errors.</param>
    public EngineThread(IEngineCore<TJob> core, int queueLength, Type owner)
    {
        this.core = core;
        this.queueLength = queueLength;
        this.owner = owner;
        thread = new Thread(Loop) { IsBackground = true, Name = "Kotonoha engine" };
        thread.Start();
    }

    /// <summary>Hands jobs over; together they are one request and share their cancellation.</summary>
    /// <exception cref="QueueFullException">As many requests as may wait are waiting.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been stopped.</exception>
    public void Enqueue(IReadOnlyList<TJob> jobs)
    {
        lock (waiting)
        {
            ObjectDisposedException.ThrowIf(stopping, owner);
            if (waiting.Count >= queueLength)
                throw new QueueFullException(queueLength);
            waiting.Add(new WaitingRequest(jobs));
            Monitor.Pulse(waiting);
        }
    }

    /// <summary>Refuses new jobs and lets the thread end the others after its present step.</summary>
    public void Stop()
    {
        lock (waiting)
        {
            stopping = true;
            Monitor.Pulse(waiting);
        }
    }

    /// <summary>Stops, and waits for the thread.</summary>
    public void Dispose()
    {
        Stop();
        thread.Join();
    }

    private void Loop()
    {
        while (TakeUp())
            core.Step();
        core.FailAll(_ => Stopped());
        lock (waiting)
        {
            foreach (var request in waiting)
                request.Fail(_ => Stopped());
            waiting.Clear();
        }
    }

    private static OperationCanceledException Stopped() => new("The model was disposed while the request was waiting or running.");

    // Takes up what fits, drops what was cancelled, waits while there is nothing to do. False when the engine is to stop.
    private bool TakeUp()
    {
        lock (waiting)
        {
            while (!stopping)
            {
                for (int i = waiting.Count - 1; i >= 0; i--)
                    if (waiting[i].IsCancelled)
                    {
                        waiting[i].Fail(job => new OperationCanceledException(job.Cancellation));
                        waiting.RemoveAt(i);
                    }

                while (waiting.Count > 0)
                {
                    while (waiting[0].HasNext && core.CanAdmit(waiting[0].Next))
                        core.Admit(waiting[0].Take());
                    if (waiting[0].HasNext)
                        break;
                    waiting.RemoveAt(0);
                }

                if (core.ActiveJobs > 0)
                    return true;
                Monitor.Wait(waiting);
            }
        }

        return false;
    }

    /// <summary>The jobs of one request that have not been taken up.</summary>
    private sealed class WaitingRequest(IReadOnlyList<TJob> jobs)
    {
        private int taken;

        public bool HasNext => taken < jobs.Count;

        public TJob Next => jobs[taken];

        public bool IsCancelled => HasNext && Next.Cancellation.IsCancellationRequested;

        public TJob Take() => jobs[taken++];

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
