using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// A few threads that share the tasks of one job with the caller. A job is a static function and a pointer to its arguments, so nothing is
/// allocated. Workers look for the next job for a short while and then sleep; work that is a single task stays on the caller.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const int SpinRounds = 200;
    private const nuint Alignment = 64;

    private readonly object _oneJob = new();
    private readonly object _gate = new();
    private readonly Thread[] _workers;
    private delegate*<void*, int, int, void> _function;
    private void* _arguments;

    // High half: the number of the job; low half: the tasks that nobody has taken yet. One word, so that a late worker can never take a
    // task of one job for a task of another.
    private long _ticket;
    private int _completed;
    private int _parked;
    private volatile bool _stopping;
    private byte* _scratch;
    private long _scratchBytes;

    public WorkerPool(int threads)
    {
        Threads = threads;
        _workers = new Thread[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int worker = i + 1;
            _workers[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"Kotonoha worker {worker}" };
            _workers[i].Start();
        }
    }

    ~WorkerPool() => FreeScratch();

    /// <summary>The threads that share a job, the caller included.</summary>
    public int Threads { get; }

    /// <summary>
    /// Runs function(arguments, task, worker) for every task from 0 on, in any order; returns when all are done. The function must not
    /// throw.
    /// </summary>
    public void Run(delegate*<void*, int, int, void> function, void* arguments, int tasks)
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (tasks <= 0)
            return;
        lock (_oneJob)
        {
            if (tasks == 1 || _workers.Length == 0)
            {
                for (int task = 0; task < tasks; task++)
                    function(arguments, task, 0);
                return;
            }

            _function = function;
            _arguments = arguments;
            _completed = 0;
            long job = (_ticket >> 32) + 1;
            Interlocked.Exchange(ref _ticket, (job << 32) | (uint)tasks);
            if (Volatile.Read(ref _parked) > 0)
                lock (_gate)
                    Monitor.PulseAll(_gate);
            TakeTasks(0);
            var spinner = default(SpinWait);
            while (Volatile.Read(ref _completed) < tasks)
                spinner.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>
    /// Memory for each worker, 64-byte aligned; its contents do not outlive the job. Returns the first worker's; the others' follow.
    /// </summary>
    public float* Scratch(long floatsPerWorker)
    {
        long bytes = floatsPerWorker * sizeof(float) * Threads + (long)Alignment;
        if (bytes > _scratchBytes)
        {
            FreeScratch();
            _scratch = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
            _scratchBytes = bytes;
        }

        return (float*)_scratch;
    }

    /// <summary>Lets the workers end without waiting for them.</summary>
    public void Stop()
    {
        _stopping = true;
        lock (_gate)
            Monitor.PulseAll(_gate);
    }

    public void Dispose()
    {
        lock (_oneJob)
            Stop();
        foreach (var worker in _workers)
            worker.Join();
        FreeScratch();
        GC.SuppressFinalize(this);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool HasTasks(long ticket) => (uint)ticket != 0;

    private void TakeTasks(int worker)
    {
        while (true)
        {
            long seen = Volatile.Read(ref _ticket);
            if (!HasTasks(seen))
                return;
            if (Interlocked.CompareExchange(ref _ticket, seen - 1, seen) != seen)
                continue;
            _function(_arguments, (int)(uint)seen - 1, worker);
            Interlocked.Increment(ref _completed);
        }
    }

    private void Work(int worker)
    {
        while (!_stopping)
        {
            TakeTasks(worker);
            for (int round = 0; round < SpinRounds && !HasTasks(Volatile.Read(ref _ticket)) && !_stopping; round++)
                Thread.SpinWait(16);
            if (HasTasks(Volatile.Read(ref _ticket)) || _stopping)
                continue;
            lock (_gate)
            {
                // Parked is announced before the last look, and the caller publishes before it looks at parked: one of the two sees the
                // other.
                Interlocked.Increment(ref _parked);
                while (!HasTasks(Volatile.Read(ref _ticket)) && !_stopping)
                    Monitor.Wait(_gate);
                Interlocked.Decrement(ref _parked);
            }
        }
    }

    private void FreeScratch()
    {
        NativeMemory.AlignedFree(_scratch);
        _scratch = null;
        _scratchBytes = 0;
    }
}
