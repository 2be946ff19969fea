namespace Kotonoha.Agents.Reasoning;

/// <summary>Measures a run: the time since its start, and the time since the last look.</summary>
internal sealed class RunClock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();
    private long _last = time.GetTimestamp();

    internal TimeSpan Elapsed => time.GetElapsedTime(_start);

    internal TimeSpan Lap()
    {
        long now = time.GetTimestamp();
        var lap = time.GetElapsedTime(_last, now);
        _last = now;
        return lap;
    }

    internal AgentStep Stamp(AgentStep step) => step with { Elapsed = Elapsed };
}
