using System.Text;
using System.Text.Json;
using Kotonoha.Client;

namespace Kotonoha.Server.Training;

/// <summary>Reads the log that a run writes, as far as it has grown. Of long runs, lines without measurements are thinned out.</summary>
/// <param name="path">The file; it need not be there yet.</param>
/// <remarks>Thread-safe.</remarks>
internal sealed class TrainingLogFile(string path)
{
    private const int MaxPoints = 4000, TailBytes = 256;
    private const string Loss = "loss", HeldOut = "held_out_";

    private static readonly string[] OfEachStep = [Loss, "learning_rate", "gradient_norm", "tokens_per_second"];

    private readonly Lock _lock = new();
    private readonly List<TrainingPoint> _points = [];
    private long _read;

    // The last bytes that were read: a run that goes on cuts its log and writes other lines in that place.
    private byte[] _tail = [];

    /// <summary>All that is kept, by step.</summary>
    public IReadOnlyList<TrainingPoint> Points()
    {
        lock (_lock)
        {
            ReadOn();
            return [.. _points];
        }
    }

    /// <summary>The last step that is logged; 0 for none.</summary>
    public long Step
    {
        get
        {
            lock (_lock)
            {
                ReadOn();
                return _points is [.., var last] ? last.Step : 0;
            }
        }
    }

    private void ReadOn()
    {
        if (!File.Exists(path))
            return;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (!IsAsRead(file))
        {
            _points.Clear();
            (_read, _tail) = (0, []);
        }

        if (file.Length <= _read)
            return;
        file.Position = _read;
        var bytes = new byte[file.Length - _read];
        int count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);

        // The last line may be being written.
        int end = bytes.AsSpan(0, count).LastIndexOf((byte)'\n') + 1;
        _read += end;
        if (end > 0)
            _tail = bytes[Math.Max(0, end - TailBytes)..end];
        foreach (var line in Encoding.UTF8.GetString(bytes, 0, end).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            if (Parse(line) is { } point)
            {
                // A run that goes on from a checkpoint does some steps again.
                while (_points is [.., var last] && last.Step >= point.Step)
                    _points.RemoveAt(_points.Count - 1);
                _points.Add(point);
            }

        if (_points.Count > MaxPoints)
            ThinOut();
    }

    private bool IsAsRead(FileStream file)
    {
        if (file.Length < _read)
            return false;
        file.Position = _read - _tail.Length;
        var there = new byte[_tail.Length];
        return file.ReadAtLeast(there, there.Length, throwOnEndOfStream: false) == there.Length && there.AsSpan().SequenceEqual(_tail);
    }

    private void ThinOut()
    {
        int plain = 0;
        while (_points.Count > MaxPoints)
        {
            int before = _points.Count, last = before - 1;
            int at = 0;
            _points.RemoveAll(point => at++ < last && !IsMeasured(point) && plain++ % 2 == 0);
            if (_points.Count == before)
                return;
        }
    }

    private static bool IsMeasured(TrainingPoint point)
        => point.Sample is not null || point.Figures.Keys.Any(name => name.StartsWith(HeldOut, StringComparison.Ordinal));

    private static TrainingPoint? Parse(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var figures = new Dictionary<string, double>(OfEachStep.Length + 1, StringComparer.Ordinal);
            foreach (var property in json.RootElement.EnumerateObject())
                if (property.Value.ValueKind == JsonValueKind.Number && property.Name != "step")
                    figures[property.Name] = property.Value.GetDouble();
            return new TrainingPoint(json.RootElement.GetProperty("step").GetInt64(), figures,
                json.RootElement.TryGetProperty("sample", out var sample) ? sample.GetString() : null);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException
            or FormatException)
        {
            // A line that was being written when a process ended.
            return null;
        }
    }
}
