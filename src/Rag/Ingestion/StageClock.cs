using System.Diagnostics;

namespace Kotonoha.Rag.Ingestion;

/// <summary>Adds up the time of stages; thread-safe.</summary>
internal sealed class StageClock
{
    private readonly Dictionary<string, long> _ticks = new(StringComparer.Ordinal);
    private readonly long _start = Stopwatch.GetTimestamp();

    public T Measure<T>(string stage, Func<T> work)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            return work();
        }
        finally
        {
            Add(stage, start);
        }
    }

    public async Task<T> MeasureAsync<T>(string stage, Func<Task<T>> work)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            return await work().ConfigureAwait(false);
        }
        finally
        {
            Add(stage, start);
        }
    }

    public Task MeasureAsync(string stage, Func<Task> work)
        => MeasureAsync(stage, async () =>
        {
            await work().ConfigureAwait(false);
            return true;
        });

    public IReadOnlyDictionary<string, double> Seconds()
    {
        lock (_ticks)
        {
            var seconds = _ticks.ToDictionary(pair => pair.Key, pair => (double)pair.Value / Stopwatch.Frequency);
            seconds["total"] = Stopwatch.GetElapsedTime(_start).TotalSeconds;
            return seconds;
        }
    }

    private void Add(string stage, long start)
    {
        long spent = Stopwatch.GetTimestamp() - start;
        lock (_ticks)
            _ticks[stage] = _ticks.GetValueOrDefault(stage) + spent;
    }
}
