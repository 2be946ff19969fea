using System.Globalization;
using System.Text.RegularExpressions;

namespace Kotonoha.Readers.Pdf;

/// <summary>Finds running headers, footers and page numbers: lines at the upper or lower edge that recur at the same place on other
/// pages.</summary>
internal static partial class RunningLines
{
    /// <summary>How many rows at each edge may be running ones.</summary>
    private const int MaxRows = 3;

    /// <summary>Running rows lie within this share of the page's height.</summary>
    private const double EdgeShare = 0.2;

    /// <summary>They are at the same height on each page, within this many points.</summary>
    private const double Place = 6;

    /// <summary>A row with a number that counts the pages is a running one only if it keeps this many font sizes away from the
    /// text.</summary>
    private const double LeastDistance = 1.5;

    /// <summary>Finds the running lines.</summary>
    /// <param name="pages">Each page's number, height and lines.</param>
    /// <param name="bodySize">The font size of most text; larger rows whose number changes are headings.</param>
    /// <returns>For each page, the lines that are running ones.</returns>
    internal static List<HashSet<PdfLine>> Find(IReadOnlyList<(int Number, double Height, List<PdfLine> Lines)> pages, double bodySize)
    {
        var found = pages.Select(_ => new HashSet<PdfLine>(ReferenceEqualityComparer.Instance)).ToList();
        int filled = pages.Count(page => page.Lines.Count > 0);
        if (filled < 2)
            return found;
        foreach (bool top in new[] { true, false })
        {
            var rows = pages.Select(page => Rows(page.Lines, page.Height, top)).ToList();
            for (int depth = 0; depth < MaxRows; depth++)
            {
                // A row counts only where all rows outside of it are running ones. It is one if a part of it is: a header often names the
                // chapter beside the book.
                var candidates = new List<Candidate>();
                for (int i = 0; i < rows.Count; i++)
                {
                    if (rows[i].Count <= depth || !rows[i].Take(depth).All(row => row.Lines.TrueForAll(found[i].Contains)))
                        continue;
                    var row = rows[i][depth];
                    var texts = row.Lines.Select(line => line.Text).Append(string.Join(' ', row.Lines.Select(line => line.Text)))
                        .Distinct();
                    candidates.AddRange(texts.Select(text => new Candidate(i, pages[i].Number, row, text)));
                }

                foreach (var group in candidates.GroupBy(candidate => NumberOrRoman().Replace(candidate.Text, "#"), StringComparer.Ordinal))
                    foreach (var same in AtOnePlace(group))
                        if (same.Count >= 2 && (same.Count >= 3 || 2 * same.Count >= filled)
                            && (IsSame(same) || CountsPages(same, bodySize)))
                            foreach (var member in same)
                                found[member.Index].UnionWith(member.Row.Lines);
            }
        }

        return found;
    }

    private static IEnumerable<List<Candidate>> AtOnePlace(IEnumerable<Candidate> candidates)
    {
        var place = new List<Candidate>();
        foreach (var candidate in candidates.OrderBy(candidate => Math.Round(candidate.Row.Size)).ThenBy(candidate => candidate.Row.At))
        {
            if (place.Count > 0 && (candidate.Row.At - place[0].Row.At > Place || Math.Abs(candidate.Row.Size - place[0].Row.Size) > 0.5))
            {
                yield return place;
                place = [];
            }

            place.Add(candidate);
        }

        yield return place;
    }

    private static bool IsSame(List<Candidate> rows) => rows.Select(row => row.Text).Distinct(StringComparer.Ordinal).Count() == 1;

    /// <summary>Whether one of the numbers in the rows grows as the pages do, at least on half of them.</summary>
    private static bool CountsPages(List<Candidate> rows, double bodySize)
    {
        if (rows.Exists(row => row.Row.Size > 1.15 * bodySize || row.Row.Distance < LeastDistance * row.Row.Size))
            return false;
        var numbers = rows.ConvertAll(row => Numbers(row.Text));
        int least = numbers.Min(list => list.Count);
        for (int k = 0; k < least; k++)
        {
            int together = Enumerable.Range(0, rows.Count).GroupBy(i => numbers[i][k] - rows[i].Page).Max(group => group.Count());
            if (together >= 2 && 2 * together >= rows.Count)
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
            // The innermost of several rows keeps the distance for all.
            double distance = i + 1 < rows.Count ? Math.Abs(rows[i + 1][0].Base - at) : double.MaxValue;
            edge.Add(new EdgeRow([.. rows[i].OrderBy(line => line.Start)], at, rows[i].Max(line => line.Size), distance));
        }

        return edge;
    }

    private sealed record EdgeRow(List<PdfLine> Lines, double At, double Size, double Distance);

    /// <summary>A row's text, or a part of it.</summary>
    private sealed record Candidate(int Index, int Page, EdgeRow Row, string Text);

    [GeneratedRegex(@"[0-9]{1,6}|(?<![\p{L}\p{N}])[ivxlcIVXLC]{1,8}(?![\p{L}\p{N}])")]
    private static partial Regex NumberOrRoman();
}
