using System.Diagnostics;

namespace Kotonoha.Rag;

/// <summary>Measures the stages of a search or an answer, one after the other.</summary>
internal sealed class StageTimes
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Dictionary<string, double> _stages = new(StringComparer.Ordinal);
    private long _last = Stopwatch.GetTimestamp();

    /// <summary>Ends a stage.</summary>
    public void Mark(string stage)
    {
        _stages[stage] = Math.Round(Stopwatch.GetElapsedTime(_last).TotalMilliseconds, 2);
        _last = Stopwatch.GetTimestamp();
    }

    /// <summary>Milliseconds by stage so far, and in all.</summary>
    public IReadOnlyDictionary<string, double> Milliseconds => new Dictionary<string, double>(_stages, StringComparer.Ordinal)
    {
        ["total"] = Math.Round(Stopwatch.GetElapsedTime(_start).TotalMilliseconds, 2),
    };
}
