using System.Diagnostics;

namespace Kotonoha.Rag.Answering;

/// <summary>Measures the stages of an answer.</summary>
internal sealed class AnswerClock
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Dictionary<string, double> _stages = new(StringComparer.Ordinal);
    private long _last = Stopwatch.GetTimestamp();

    /// <summary>Ends a stage.</summary>
    internal void Mark(string stage)
    {
        _stages[stage] = Math.Round(Stopwatch.GetElapsedTime(_last).TotalMilliseconds, 2);
        _last = Stopwatch.GetTimestamp();
    }

    /// <summary>Milliseconds by stage so far, and in all.</summary>
    internal IReadOnlyDictionary<string, double> Milliseconds
        => new Dictionary<string, double>(_stages, StringComparer.Ordinal) { ["total"] = Math.Round(Stopwatch.GetElapsedTime(_start).TotalMilliseconds, 2) };
}
