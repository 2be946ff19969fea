using System.Globalization;
using System.Text.RegularExpressions;

namespace Kotonoha.Readers.Pdf;

/// <summary>Finds running headers, footers and page numbers: lines at the upper or lower edge that come again at the same place of other
/// pages.</summary>
internal static partial class RunningLines
{
    /// <summary>How many rows at each edge may be running ones.</summary>
    private const int MaxRows = 3;

    /// <summary>Running rows lie within this share of the page's height.</summary>
    private const double EdgeShare = 0.2;

    /// <summary>They stand on the same height of each page, within so many points.</summary>
    private const double Place = 6;

    /// <summary>A row with a number that counts the pages is a running one only if it keeps this many font sizes away from the
    /// text.</summary>
    private const double LeastDistance = 1.5;

    /// <summary>Finds the running lines.</summary>
    /// <param name="pages">The lines of each page.</param>
    /// <param name="heights">How high each page is.</param>
    /// <param name="bodySize">The font size of most text; larger rows whose number changes are headings.</param>
    /// <returns>For each page, the lines that are running ones.</returns>
    internal static List<HashSet<PdfLine>> Find(IReadOnlyList<List<PdfLine>> pages, IReadOnlyList<double> heights, double bodySize)
    {
        var found = pages.Select(_ => new HashSet<PdfLine>(ReferenceEqualityComparer.Instance)).ToList();
        int filled = pages.Count(page => page.Count > 0);
        if (filled < 2)
            return found;
        foreach (bool top in new[] { true, false })
        {
            var rows = pages.Select((page, i) => Rows(page, heights[i], top)).ToList();
            for (int depth = 0; depth < MaxRows; depth++)
            {
                // A row counts only where all rows outside of it are running ones.
                var candidates = new List<(int Page, EdgeRow Row)>();
                for (int i = 0; i < rows.Count; i++)
                    if (rows[i].Count > depth && rows[i].Take(depth).All(row => row.Lines.TrueForAll(found[i].Contains)))
                        candidates.Add((i, rows[i][depth]));
                foreach (var group in candidates.GroupBy(candidate => candidate.Row.Pattern, StringComparer.Ordinal))
                {
                    foreach (var member in group)
                    {
                        var same = group.Where(other
                            => Math.Abs(other.Row.At - member.Row.At) < Place
                            && Math.Abs(other.Row.Size - member.Row.Size) < 0.06 * member.Row.Size).ToList();
                        if (same.Count >= 2 && (same.Count >= 3 || 2 * same.Count >= filled)
                            && (IsSame(same) || CountsPages(same, bodySize)))
                            found[member.Page].UnionWith(member.Row.Lines);
                    }
                }
            }
        }

        return found;
    }

    private static bool IsSame(List<(int Page, EdgeRow Row)> rows)
        => rows.Select(row => row.Row.Text).Distinct(StringComparer.Ordinal).Count() == 1;

    /// <summary>Whether one of the numbers in the rows grows as the pages do.</summary>
    private static bool CountsPages(List<(int Page, EdgeRow Row)> rows, double bodySize)
    {
        if (rows.Exists(row => row.Row.Size > 1.15 * bodySize || row.Row.Distance < LeastDistance * row.Row.Size))
            return false;
        var numbers = rows.ConvertAll(row => Numbers(row.Row.Text));
        int least = numbers.Min(list => list.Count);
        for (int k = 0; k < least; k++)
        {
            if (Enumerable.Range(0, rows.Count).Select(i => numbers[i][k] - rows[i].Page).Distinct().Count() == 1)
                return true;
        }

        return false;
    }

    private static List<int> Numbers(string text)
        => [.. NumberOrRoman().Matches(text)
            .Select(match => int.TryParse(match.Value, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                ? number
                : Roman(match.Value))];

    private static int Roman(string text)
    {
        int sum = 0, last = 0;
        foreach (char c in text.ToUpperInvariant())
        {
            int value = c switch { 'I' => 1, 'V' => 5, 'X' => 10, 'L' => 50, 'C' => 100, _ => 0 };
            sum += value > last ? value - (2 * last) : value;
            last = value;
        }

        return sum;
    }

    private static List<EdgeRow> Rows(List<PdfLine> page, double height, bool top)
    {
        var rows = new List<List<PdfLine>>();
        foreach (var line in top ? page.OrderBy(line => line.Base) : page.OrderByDescending(line => line.Base))
        {
            if (rows.Count > 0 && Math.Abs(rows[^1][0].Base - line.Base) < 0.4 * line.Size)
                rows[^1].Add(line);
            else if (rows.Count > MaxRows)
                break;
            else
                rows.Add([line]);
        }

        var edge = new List<EdgeRow>();
        for (int i = 0; i < Math.Min(MaxRows, rows.Count); i++)
        {
            double at = rows[i][0].Base;
            if (top ? at > EdgeShare * height : at < (1 - EdgeShare) * height)
                break;
            var lines = rows[i].OrderBy(line => line.Start).ToList();
            var text = string.Join(' ', lines.Select(line => line.Text));
            // The innermost row of several keeps the distance for all.
            double distance = i + 1 < rows.Count ? Math.Abs(rows[i + 1][0].Base - at) : double.MaxValue;
            edge.Add(new EdgeRow(lines, text, NumberOrRoman().Replace(text, "#"), at, lines.Max(line => line.Size), distance));
        }

        return edge;
    }

    private sealed record EdgeRow(List<PdfLine> Lines, string Text, string Pattern, double At, double Size, double Distance);

    [GeneratedRegex(@"[0-9]{1,6}|(?<![\p{L}\p{N}])[ivxlcIVXLC]{1,8}(?![\p{L}\p{N}])")]
    private static partial Regex NumberOrRoman();
}
