using System.Globalization;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary><c>strftime</c> of the C library in its own locale.</summary>
internal static class TimeFormat
{
    private static readonly string[] Days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

    private static readonly string[] Months =
    [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ];

    public static PyString Format(PyString format, Rendering run)
    {
        var now = run.Clock();
        var text = format.Text;
        var result = new TextBuilder(run.Meter);
        for (int at = 0; at < text.Length;)
        {
            int percent = text.IndexOf('%', at);
            if (percent < 0 || percent + 1 >= text.Length)
            {
                result.Append(format, at, text.Length);
                break;
            }

            result.Append(format, at, percent);
            int end = percent + 1;
            char pad = '\0';
            bool upper = false;
            for (; end < text.Length && text[end] is '-' or '_' or '0' or '^' or '#'; end++)
                (pad, upper) = text[end] is '^' or '#' ? (pad, true) : (text[end], upper);
            var part = end < text.Length ? Part(text[end], now, pad) : null;
            if (part is null)
                result.Append(format, percent, Math.Min(end + 1, text.Length));
            else
                result.Append(upper ? part.ToUpperInvariant() : part);
            at = end + 1;
        }

        return result.ToText();
    }

    private static string? Part(char directive, DateTime t, char pad)
    {
        string Number(int value, int width, char standard = '0')
        {
            var digits = value.ToString(CultureInfo.InvariantCulture);
            return pad == '-' ? digits : digits.PadLeft(width, pad switch { '_' => ' ', '0' => '0', _ => standard });
        }

        int hour12 = (t.Hour + 11) % 12 + 1, weekday = (int)t.DayOfWeek;
        return directive switch
        {
            'a' => Days[weekday][..3],
            'A' => Days[weekday],
            'b' or 'h' => Months[t.Month - 1][..3],
            'B' => Months[t.Month - 1],
            'c' => $"{Days[weekday][..3]} {Months[t.Month - 1][..3]} {Pad(t.Day, ' ')} {Clock(t)} {t.Year}",
            'C' => Number(t.Year / 100, 2),
            'd' => Number(t.Day, 2),
            'D' or 'x' => $"{Pad(t.Month)}/{Pad(t.Day)}/{Pad(t.Year % 100)}",
            'e' => Number(t.Day, 2, ' '),
            'f' => (t.Ticks % TimeSpan.TicksPerSecond / 10).ToString("000000", CultureInfo.InvariantCulture),
            'F' => $"{t.Year}-{Pad(t.Month)}-{Pad(t.Day)}",
            'g' => Number(ISOWeek.GetYear(t) % 100, 2),
            'G' => Number(ISOWeek.GetYear(t), 4),
            'H' => Number(t.Hour, 2),
            'I' => Number(hour12, 2),
            'j' => Number(t.DayOfYear, 3),
            'k' => Number(t.Hour, 2, ' '),
            'l' => Number(hour12, 2, ' '),
            'm' => Number(t.Month, 2),
            'M' => Number(t.Minute, 2),
            'n' => "\n",
            'p' => t.Hour < 12 ? "AM" : "PM",
            'P' => t.Hour < 12 ? "am" : "pm",
            'r' => $"{Pad(hour12)}:{Pad(t.Minute)}:{Pad(t.Second)} {(t.Hour < 12 ? "AM" : "PM")}",
            'R' => $"{Pad(t.Hour)}:{Pad(t.Minute)}",
            's' => new DateTimeOffset(t).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            'S' => Number(t.Second, 2),
            't' => "\t",
            'T' or 'X' => Clock(t),
            'u' => Number(weekday == 0 ? 7 : weekday, 1),
            'U' => Number((t.DayOfYear + 6 - weekday) / 7, 2),
            'V' => Number(ISOWeek.GetWeekOfYear(t), 2),
            'w' => Number(weekday, 1),
            'W' => Number((t.DayOfYear + 6 - (weekday + 6) % 7) / 7, 2),
            'y' => Number(t.Year % 100, 2),
            'Y' => Number(t.Year, 4),
            'z' or 'Z' => "",
            '%' => "%",
            _ => null,
        };
    }

    private static string Clock(DateTime t) => $"{Pad(t.Hour)}:{Pad(t.Minute)}:{Pad(t.Second)}";

    private static string Pad(int value, char pad = '0') => value.ToString(CultureInfo.InvariantCulture).PadLeft(2, pad);
}
