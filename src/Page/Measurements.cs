using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Kotonoha.Page;

/// <summary>The latest of what the server measures, by the same instruments that the metrics are made of.</summary>
internal sealed class Measurements : IDisposable
{
    public const string Duration = "gen_ai.server.request.duration";
    public const string FirstToken = "gen_ai.server.time_to_first_token";
    public const string EachToken = "gen_ai.server.time_per_output_token";

    private const int Kept = 2000;
    private const string Tokens = "kotonoha.tokens";

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, ConcurrentQueue<Measurement>> _latest = new(StringComparer.Ordinal);
    private readonly long _start = Stopwatch.GetTimestamp();

    public Measurements()
    {
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name == Server.Telemetry.SourceName && instrument.Name is Duration or FirstToken or EachToken or Tokens)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument.Name, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument.Name, value, tags));
        _listener.Start();
    }

    /// <summary>Tokens written a second, over the last minute.</summary>
    public double TokensPerSecond
    {
        get
        {
            var since = TimeSpan.FromTicks(Math.Min(Window.Ticks, Stopwatch.GetElapsedTime(_start).Ticks));
            return Of(Tokens).Where(entry => entry.Kind == "output" && Stopwatch.GetElapsedTime(entry.At) <= Window)
                .Sum(entry => entry.Value) / Math.Max(1, since.TotalSeconds);
        }
    }

    /// <summary>The latest requests, the latest first.</summary>
    public IEnumerable<Measurement> Requests => Of(Duration).Reverse();

    /// <summary>Percentiles of what was measured last, in seconds; null where nothing was.</summary>
    public (int Count, double P50, double P95, double P99)? Percentiles(string instrument)
    {
        double[] values = [.. Of(instrument).Select(entry => entry.Value).Order()];
        return values.Length == 0 ? null : (values.Length, At(0.5), At(0.95), At(0.99));

        double At(double share) => values[Math.Clamp((int)Math.Ceiling(share * values.Length) - 1, 0, values.Length - 1)];
    }

    public void Dispose() => _listener.Dispose();

    private ConcurrentQueue<Measurement> Of(string instrument) => _latest.GetOrAdd(instrument, static _ => new());

    private void Note(string instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string? Tag(ReadOnlySpan<KeyValuePair<string, object?>> all, string name)
        {
            foreach (var (key, text) in all)
                if (key == name)
                    return text as string;
            return null;
        }

        var queue = Of(instrument);
        queue.Enqueue(new Measurement(
            Stopwatch.GetTimestamp(), TimeProvider.System.GetUtcNow(), value,
            Tag(tags, "gen_ai.operation.name") ?? "", Tag(tags, "gen_ai.request.model") ?? "", Tag(tags, "gen_ai.token.type"),
            Tag(tags, "error.type")));
        while (queue.Count > Kept)
            queue.TryDequeue(out _);
    }
}

/// <summary>One measurement.</summary>
/// <param name="At">When, as the stopwatch counts.</param>
/// <param name="Time">When.</param>
/// <param name="Value">Seconds, or a number of tokens.</param>
/// <param name="Operation">What was done.</param>
/// <param name="Model">The model, or nothing.</param>
/// <param name="Kind">Of tokens, whether they were read or written.</param>
/// <param name="Error">What went wrong, or null.</param>
internal sealed record Measurement(
    long At, DateTimeOffset Time, double Value, string Operation, string Model, string? Kind, string? Error);
