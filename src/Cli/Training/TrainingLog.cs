using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Cli.Training;

/// <summary>
/// The log of a run: a JSON object a line, and a page with the curves that a browser shows and that reloads itself while the run goes on.
/// </summary>
internal sealed class TrainingLog : IProgress<TrainingProgress>, IDisposable
{
    private const string LogFile = "log.jsonl", ChartFile = "chart.html";
    private static readonly TimeSpan ChartEvery = TimeSpan.FromSeconds(5);
    private static readonly JsonWriterOptions Format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly StreamWriter _log;
    private readonly string _chart;
    private readonly string _title;
    private readonly IProgress<TrainingProgress> _next;
    private readonly SortedDictionary<string, List<(long Step, double Value)>> _curves = new(StringComparer.Ordinal);
    private DateTime _drawn = DateTime.MinValue;

    /// <param name="folder">The run's folder.</param>
    /// <param name="title">The page's.</param>
    /// <param name="start">The step that the run goes on from; what the log has beyond it is done again, and is cut off.</param>
    /// <param name="next">Is told too.</param>
    public TrainingLog(string folder, string title, long start, IProgress<TrainingProgress> next)
    {
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, LogFile);
        ReadEarlier(file, start);
        _log = new StreamWriter(new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.Read)) { AutoFlush = true };
        _chart = Path.Combine(folder, ChartFile);
        _title = title;
        _next = next;
    }

    public void Report(TrainingProgress value)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Format))
        {
            json.WriteStartObject();
            json.WriteNumber("step", value.Step);
            json.WriteNumber("loss", value.Loss);
            json.WriteNumber("learning_rate", value.LearningRate);
            json.WriteNumber("gradient_norm", value.GradientNorm);
            json.WriteNumber("tokens_per_second", Math.Round(value.TokensPerSecond));
            foreach (var measured in value.Measurements)
                json.WriteNumber(Key(measured.Name), double.IsFinite(measured.Value) ? measured.Value : 0);
            if (value.Sample is { } sample)
                json.WriteString("sample", sample);
            json.WriteEndObject();
        }

        _log.WriteLine(Encoding.UTF8.GetString(buffer.ToArray()));
        Add("loss", value.Step, value.Loss);
        foreach (var measured in value.Measurements)
            Add(Key(measured.Name), value.Step, measured.Value);
        if (DateTime.UtcNow - _drawn > ChartEvery || value.Step == value.Steps)
            Draw(value.Step < value.Steps);
        _next.Report(value);
    }

    public void Dispose()
    {
        _log.Dispose();
        if (_curves.Count > 0)
            Draw(running: false);
    }

    // The held-out loss stands beside the step's.
    private static string Key(string name) => name == "loss" ? "held_out_loss" : name;

    private void Add(string name, long step, double value)
    {
        if (!_curves.TryGetValue(name, out var curve))
            _curves[name] = curve = [];
        curve.Add((step, value));
    }

    private void ReadEarlier(string file, long start)
    {
        if (!File.Exists(file))
            return;
        var kept = new StringBuilder();
        int lines = 0, left = 0;
        foreach (var line in File.ReadLines(file))
        {
            lines++;
            try
            {
                using var json = JsonDocument.Parse(line);
                long step = json.RootElement.GetProperty("step").GetInt64();
                if (step > start)
                    continue;
                kept.Append(line).Append('\n');
                left++;
                foreach (var property in json.RootElement.EnumerateObject())
                    if (property.Name is not ("step" or "learning_rate" or "gradient_norm" or "tokens_per_second" or "sample"))
                        Add(property.Name, step, property.Value.GetDouble());
            }
            catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException
                or FormatException)
            {
                // A line that was being written when the process ended.
            }
        }

        if (left < lines)
            AtomicFile.WriteText(file, kept.ToString());
    }

    private void Draw(bool running)
    {
        _drawn = DateTime.UtcNow;
        AtomicFile.WriteText(_chart, CurvePage.Write(_title, _curves, running ? ChartEvery : null));
    }
}

/// <summary>A page with one chart a curve, self-contained.</summary>
internal static class CurvePage
{
    private const int Width = 640, Height = 220, Margin = 44, MaxPoints = 600;

    public static string Write(string title, IReadOnlyDictionary<string, List<(long Step, double Value)>> curves, TimeSpan? reload)
    {
        var page = new StringBuilder();
        page.Append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
        if (reload is { } time)
            page.Append(CultureInfo.InvariantCulture, $"<meta http-equiv=\"refresh\" content=\"{time.TotalSeconds:F0}\">");
        page.Append("<meta name=\"viewport\" content=\"width=device-width\"><title>").Append(Escape(title)).Append("</title><style>"
            + "body{font:15px/1.4 system-ui,sans-serif;margin:1.5rem;color:#1b1b1f;background:#fff}"
            + "svg{width:100%;max-width:960px;height:auto}"
            + "path{fill:none;stroke:#2456c8;stroke-width:1.6}line{stroke:#d5d7de}text{font-size:11px;fill:#5a5d66}"
            + "@media(prefers-color-scheme:dark){body{background:#16181d;color:#e8e9ed}path{stroke:#86a8ff}line{stroke:#343844}"
            + "text{fill:#a8abb5}}</style></head><body><main><h1>").Append(Escape(title)).Append("</h1>");
        foreach (var (name, points) in curves.OrderBy(c => c.Key != "loss"))
            if (points.Count > 0)
                Chart(page, name, points);
        return page.Append("</main></body></html>\n").ToString();
    }

    private static void Chart(StringBuilder page, string name, List<(long Step, double Value)> all)
    {
        int every = (all.Count + MaxPoints - 1) / MaxPoints;
        var points = all.Where((_, i) => i % every == 0 || i == all.Count - 1).ToList();
        double low = points.Min(p => p.Value), high = points.Max(p => p.Value);
        if (high - low < 1e-9)
            (low, high) = (low - 0.5, high + 0.5);
        long first = points[0].Step, last = Math.Max(points[^1].Step, first + 1);
        double X(long step) => Margin + (double)(step - first) / (last - first) * (Width - 2 * Margin);
        double Y(double value) => Height - Margin / 2.0 - (value - low) / (high - low) * (Height - Margin);
        page.Append(CultureInfo.InvariantCulture, $"<h2>{Escape(name)}</h2><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" "
            + $"aria-label=\"{Escape(name)}: from {points[0].Value:G4} at step {first} to {points[^1].Value:G4} at step "
                + $"{points[^1].Step}\">");
        foreach (double share in (double[])[0, 0.5, 1])
        {
            double value = low + share * (high - low), y = Y(value);
            page.Append(CultureInfo.InvariantCulture, $"<line x1=\"{Margin}\" x2=\"{Width - Margin}\" y1=\"{y:F1}\" y2=\"{y:F1}\"/>"
                + $"<text x=\"{Margin - 4}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{value:G4}</text>");
        }

        page.Append("<path d=\"");
        foreach (var (i, point) in points.Index())
            page.Append(CultureInfo.InvariantCulture, $"{(i == 0 ? 'M' : 'L')}{X(point.Step):F1} {Y(point.Value):F1}");
        page.Append(CultureInfo.InvariantCulture, $"\"/><text x=\"{Margin}\" y=\"{Height - 6}\">step {first}</text>"
            + $"<text x=\"{Width - Margin}\" y=\"{Height - 6}\" text-anchor=\"end\">step {points[^1].Step}: "
                + $"{points[^1].Value:G5}</text></svg>");
    }

    private static string Escape(string text) => System.Net.WebUtility.HtmlEncode(text);
}
