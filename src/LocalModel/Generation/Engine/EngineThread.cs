namespace Kotonoha.LocalModel.Generation.Engine;

/// <summary>The one thread that runs a model, and the queue before it. Requests are taken up in the order of their arrival.</summary>
internal sealed class EngineThread : IDisposable
{
    private readonly EngineCore core;
    private readonly Queue<IReadOnlyList<EngineJob>> waiting = new();
    private readonly int queueLength;
    private readonly Thread thread;
    private int takenOfFirst;
    private bool stopping;

    public EngineThread(EngineCore core, int queueLength)
    {
        this.core = core;
        this.queueLength = queueLength;
        thread = new Thread(Loop) { IsBackground = true, Name = "Kotonoha engine" };
        thread.Start();
    }

    /// <summary>Hands jobs over; together they count as one request.</summary>
    /// <exception cref="QueueFullException">As many requests as may wait are waiting.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been stopped.</exception>
    public void Enqueue(IReadOnlyList<EngineJob> jobs)
    {
        lock (waiting)
        {
            ObjectDisposedException.ThrowIf(stopping, typeof(LocalGpt));
            if (waiting.Count >= queueLength)
                throw new QueueFullException(queueLength);
            waiting.Enqueue(jobs);
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
            while (NextWaiting() is { } job)
            {
                takenOfFirst++;
                job.Fail(Stopped());
            }
    }

    private static OperationCanceledException Stopped() => new("The model was disposed while the request was waiting or running.");

    // Takes up what fits; waits while there is nothing to do. False when the engine is to stop.
    private bool TakeUp()
    {
        lock (waiting)
        {
            while (true)
            {
                if (stopping)
                    return false;
                while (NextWaiting() is { } job)
                {
                    if (job.Cancellation.IsCancellationRequested)
                        job.Fail(new OperationCanceledException(job.Cancellation));
                    else if (core.CanAdmit(job))
                        core.Admit(job);
                    else
                        break;
                    takenOfFirst++;
                }

                if (core.ActiveJobs > 0)
                    return true;
                Monitor.Wait(waiting);
            }
        }
    }

    // The first job that waits; requests all of whose jobs were taken up leave the queue.
    private EngineJob? NextWaiting()
    {
        while (waiting.TryPeek(out var jobs))
        {
            if (takenOfFirst < jobs.Count)
                return jobs[takenOfFirst];
            waiting.Dequeue();
            takenOfFirst = 0;
        }

        return null;
    }
}
