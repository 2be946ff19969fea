using System.Globalization;
using System.Text;
using System.Text.Json;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Cli.Output;

/// <summary>Lines of a report, with numbers written alike everywhere.</summary>
internal sealed class ReportLines
{
    private readonly StringBuilder _text = new();

    public void Add(FormattableString line)
    {
        if (_text.Length > 0)
            _text.AppendLine();
        _text.Append(line.ToString(CultureInfo.InvariantCulture));
    }

    public override string ToString() => _text.ToString();
}

/// <summary>Shares and intervals as reports have them.</summary>
internal static class Shares
{
    /// <summary>A share in percent with Wilson's 95 % interval.</summary>
    public static string Text(int successes, int trials)
    {
        var interval = Statistics.Wilson(successes, trials);
        return string.Create(CultureInfo.InvariantCulture,
            $"{100.0 * successes / trials,5:F1}%  ({100 * interval.Low:F1}–{100 * interval.High:F1}%)");
    }

    /// <summary>Writes an object with a share from 0 to 1, Wilson's 95 % interval, and what it is a share of.</summary>
    public static void WriteShare(this Utf8JsonWriter json, string name, int successes, int trials)
    {
        json.WriteStartObject(name);
        json.WriteNumber("value", (double)successes / trials);
        json.WriteInterval(Statistics.Wilson(successes, trials));
        json.WriteNumber("count", trials);
        json.WriteEndObject();
    }

    /// <summary>Writes the ends of an interval.</summary>
    public static void WriteInterval(this Utf8JsonWriter json, Interval interval)
    {
        json.WriteNumber("low", interval.Low);
        json.WriteNumber("high", interval.High);
    }
}
