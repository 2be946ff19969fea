using System.Globalization;
using System.Text;
using System.Xml.Linq;

namespace Kotonoha.Readers;

/// <summary>Shows the numbers of a sheet by their formats: percentages, thousands, decimals, dates and times. Dates in a form that depends
/// on the reader's country are written as ISO 8601; a format that is too rich for this is written as a plain number.</summary>
internal sealed class SheetFormats
{
    private static readonly Dictionary<int, string> BuiltIn = new()
    {
        [1] = "0",
        [2] = "0.00",
        [3] = "#,##0",
        [4] = "#,##0.00",
        [9] = "0%",
        [10] = "0.00%",
        [11] = "0.00E+00",
        [12] = "# ?/?",
        [13] = "# ??/??",
        [15] = "d-mmm-yy",
        [16] = "d-mmm",
        [17] = "mmm-yy",
        [18] = "h:mm AM/PM",
        [19] = "h:mm:ss AM/PM",
        [20] = "h:mm",
        [21] = "h:mm:ss",
        [22] = "yyyy-mm-dd h:mm",
        [37] = "#,##0;(#,##0)",
        [38] = "#,##0;(#,##0)",
        [39] = "#,##0.00;(#,##0.00)",
        [40] = "#,##0.00;(#,##0.00)",
        [45] = "mm:ss",
        [46] = "[h]:mm:ss",
        [47] = "mm:ss.0",
        [48] = "##0.0E+0",
        [49] = "@",
        [14] = "yyyy-mm-dd",
    };

    private readonly List<string> _codes = [];
    private readonly HashSet<int> _struckOut = [];
    private readonly bool _from1904;

    internal SheetFormats(XElement? styles, bool from1904)
    {
        _from1904 = from1904;
        var own = new Dictionary<int, string>();
        foreach (var format in styles.Child("numFmts").Children("numFmt"))
            if (format.Number("numFmtId") is { } id && format.Attr("formatCode") is { } code)
                own[id] = code;
        var fonts = styles.Child("fonts").Children("font").ToList();
        foreach (var style in styles.Child("cellXfs").Children("xf"))
        {
            if (style.Number("fontId") is { } font && font >= 0 && font < fonts.Count && fonts[font].Child("strike").Toggle() == true)
                _struckOut.Add(_codes.Count);
            int id = style.Number("numFmtId") ?? 0;
            _codes.Add(own.GetValueOrDefault(id) ?? BuiltIn.GetValueOrDefault(id)
                ?? (id is (>= 27 and <= 36) or (>= 50 and <= 58) ? "yyyy-mm-dd" : ""));
        }
    }

    /// <summary>Whether the cells of a style are struck out.</summary>
    internal bool IsStruckOut(int style) => _struckOut.Contains(style);

    /// <summary>A number as a cell of a style shows it.</summary>
    internal string Format(double number, int style) => Format(number, style >= 0 && style < _codes.Count ? _codes[style] : "", _from1904);

    internal static string Format(double number, string code, bool from1904 = false)
    {
        if (!double.IsFinite(number))
            return number.ToString(CultureInfo.InvariantCulture);
        var sections = Sections(code);
        bool negative = number < 0 && sections.Count > 1;
        var section = number == 0 && sections.Count > 2 ? sections[2] : negative ? sections[1] : sections[0];
        if (negative)
            number = -number;
        var tokens = Tokens(section);
        if (tokens.Exists(token => token is { IsLiteral: false, Text: "/" }) || tokens.Count == 0)
            return Plain(number);
        if (tokens.TrueForAll(token => token.IsLiteral))
            return string.Concat(tokens.Select(token => token.Text));
        if (tokens.Exists(IsOfDate))
            return Date(number, tokens, from1904) ?? Plain(number);
        return tokens.Exists(token => !token.IsLiteral && token.Text is not ("0" or "#" or "?" or "." or "," or "%" or "E")) ? Plain(number)
            : Decimal(number, tokens);
    }

    private static bool IsOfDate((string Text, bool IsLiteral) token)
        => !token.IsLiteral && token.Text[0] is 'y' or 'd' or 'h' or 's' or 'm' or 'g' or 'e' or '[';

    private static string Plain(double number)
        => Math.Abs(number) is >= 1e15 or (< 1e-9 and > 0) ? number.ToString("G15", CultureInfo.InvariantCulture)
            : ((decimal)number).ToString("0.##########", CultureInfo.InvariantCulture);

    private static List<string> Sections(string code)
    {
        var sections = new List<string>();
        int start = 0;
        bool quoted = false;
        for (int i = 0; i < code.Length; i++)
        {
            if (code[i] == '"')
                quoted = !quoted;
            else if (code[i] is '\\' or '_' or '*')
                i++;
            else if (code[i] == ';' && !quoted)
            {
                sections.Add(code[start..i]);
                start = i + 1;
            }
        }

        sections.Add(code[start..]);
        return sections;
    }

    /// <summary>The parts of a format: literal text, and runs of one placeholder.</summary>
    private static List<(string Text, bool IsLiteral)> Tokens(string code)
    {
        var tokens = new List<(string Text, bool IsLiteral)>();
        if (code.Equals("General", StringComparison.OrdinalIgnoreCase) || code == "@")
            return tokens;
        for (int i = 0; i < code.Length; i++)
        {
            char c = code[i];
            if (c == '"')
            {
                int end = code.IndexOf('"', i + 1) is >= 0 and var found ? found : code.Length;
                tokens.Add((code[(i + 1)..end], true));
                i = end;
            }
            else if (c == '\\' && i + 1 < code.Length)
            {
                tokens.Add((code[++i].ToString(), true));
            }
            else if (c is '_' or '*')
            {
                i++; // the width of a character, or a fill
            }
            else if (c == '[')
            {
                int end = code.IndexOf(']', i) is >= 0 and var found ? found : code.Length;
                var inner = code[(i + 1)..end];
                if (inner.Length > 0 && inner.ToLowerInvariant().All(part => part is 'h' or 'm' or 's'))
                    tokens.Add(("[" + inner.ToLowerInvariant(), false));
                else if (inner.StartsWith('$') && inner.Split('-')[0][1..] is { Length: > 0 } currency)
                    tokens.Add((currency, true));
                i = end;
            }
            else if (code.AsSpan(i).StartsWith("AM/PM", StringComparison.OrdinalIgnoreCase))
            {
                tokens.Add(("yy AM/PM"[3..], false));
                i += 4;
            }
            else if (c is 'E' or 'e' && i + 1 < code.Length && code[i + 1] is '+' or '-')
            {
                tokens.Add(("E", false));
                i++;
            }
            else if (char.IsAsciiLetter(c))
            {
                int end = i;
                while (end < code.Length && char.ToLowerInvariant(code[end]) == char.ToLowerInvariant(c))
                    end++;
                tokens.Add((code[i..end].ToLowerInvariant(), false));
                i = end - 1;
            }
            else
            {
                tokens.Add((c.ToString(), c is not ('0' or '#' or '?' or '.' or ',' or '%' or '/')));
            }
        }

        // In dates, points, commas and slashes are what they look like.
        if (tokens.Exists(IsOfDate))
            for (int i = 0; i < tokens.Count; i++)
                if (tokens[i].Text is "/" or "," || (tokens[i].Text == "." && (i + 1 >= tokens.Count || tokens[i + 1].Text != "0")))
                    tokens[i] = (tokens[i].Text, true);
        return tokens;
    }

    private static string Decimal(double number, List<(string Text, bool IsLiteral)> tokens)
    {
        var marks = tokens.Where(token => !token.IsLiteral).Select(token => token.Text).ToList();
        int point = marks.IndexOf("."), exponent = marks.IndexOf("E");
        if (exponent >= 0)
            return number.ToString(
                $"0.{new string('0', point < 0 ? 0 : marks.Skip(point).Take(exponent - point).Count(mark => mark is "0"))}E+00",
                CultureInfo.InvariantCulture);
        int percent = marks.Count(mark => mark == "%");
        for (; percent > 0; percent--)
            number *= 100;
        int last = marks.FindLastIndex(mark => mark is "0" or "#" or "?");
        for (int i = last + 1; i < marks.Count && marks[i] == ","; i++)
            number /= 1000;
        bool grouped = marks.Take(Math.Max(last, 0)).Contains(",");
        var whole = marks.Take(point < 0 ? marks.Count : point).Count(mark => mark == "0");
        int fixedPlaces = point < 0 ? 0 : marks.Skip(point).Count(mark => mark is "0" or "?");
        int optionalPlaces = point < 0 ? 0 : marks.Skip(point).Count(mark => mark == "#");
        if (Math.Abs(number) >= 1e15)
            return Plain(number);
        var rounded = Math.Round((decimal)number, Math.Min(fixedPlaces + optionalPlaces, 15), MidpointRounding.AwayFromZero);
        var pattern = (grouped ? "#," : "") + new string('0', Math.Max(whole, whole == 0 && point < 0 ? 0 : whole))
            + (whole == 0 ? "#" : "")
            + (point < 0 ? "" : "." + new string('0', fixedPlaces) + new string('#', optionalPlaces));
        var digits = rounded.ToString(pattern, CultureInfo.InvariantCulture);
        var text = new StringBuilder();
        bool written = false;
        foreach (var (part, literal) in tokens)
        {
            if (literal || part == "%")
            {
                text.Append(part);
            }
            else if (!written)
            {
                // A sign stands in front of a currency, too.
                if (digits.StartsWith('-'))
                    text.Insert(0, '-');
                text.Append(digits.TrimStart('-'));
                written = true;
            }
        }

        return text.ToString().Trim();
    }

    private static string? Date(double number, List<(string Text, bool IsLiteral)> tokens, bool from1904)
    {
        // Day 60 is 29 February 1900, which never was.
        double days = from1904 ? number + 1462 : number < 60 ? number + 1 : number;
        if (number < 0 || days >= 2_958_466)
            return null;
        var time = new DateTime(1899, 12, 30).AddDays(Math.Floor(days)).AddMilliseconds(Math.Round((days - Math.Floor(days)) * 86_400_000));
        bool half = tokens.Exists(token => token is { IsLiteral: false, Text: "AM/PM" });
        var text = new StringBuilder();
        for (int i = 0; i < tokens.Count; i++)
        {
            var (part, literal) = tokens[i];
            if (literal)
            {
                text.Append(part);
                continue;
            }

            var format = part switch
            {
                "AM/PM" => "tt",
                "y" or "yy" => "yy",
                "yyy" or "yyyy" => "yyyy",
                "m" or "mm" when IsMinute(i) => part,
                "m" => "%M",
                "mm" => "MM",
                "mmm" => "MMM",
                "mmmm" => "MMMM",
                "mmmmm" => "MMM",
                "d" => "%d",
                "dd" => "dd",
                "ddd" => "ddd",
                "dddd" => "dddd",
                "h" => half ? "%h" : "%H",
                "hh" => half ? "hh" : "HH",
                "s" => "%s",
                "ss" => "ss",
                _ => null,
            };
            if (part[0] == '[')
                text.Append(Math.Floor((number * (part[1] == 'h' ? 24 : part[1] == 'm' ? 1440 : 86_400)) + 1e-6)
                    .ToString("F0", CultureInfo.InvariantCulture));
            else if (format is "m" or "mm")
                text.Append(time.Minute.ToString(format == "m" ? "0" : "00", CultureInfo.InvariantCulture));
            else if (format is not null)
                text.Append(time.ToString(format, CultureInfo.InvariantCulture));
            else if (part == "." || part == "0")
                text.Append(part == "." ? "." : (time.Millisecond / 100).ToString(CultureInfo.InvariantCulture));
            else
                return time.ToString(time.TimeOfDay == TimeSpan.Zero ? "yyyy-MM-dd" : "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        }

        return text.ToString().Trim();

        // An m is a minute right after hours or right before seconds.
        bool IsMinute(int at)
        {
            int before = tokens.FindLastIndex(Math.Max(at - 1, 0), at, token => !token.IsLiteral);
            int after = at + 1 < tokens.Count ? tokens.FindIndex(at + 1, token => !token.IsLiteral) : -1;
            return (before >= 0 && (tokens[before].Text[0] == 'h' || tokens[before].Text.StartsWith("[h", StringComparison.Ordinal)))
                || (after >= 0 && tokens[after].Text[0] == 's');
        }
    }
}
