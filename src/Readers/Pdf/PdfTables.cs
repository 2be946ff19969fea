namespace Kotonoha.Readers.Pdf;

/// <summary>Finds tables: by their ruled grid, or as lines that are side by side in rows without being columns of running
/// text.</summary>
internal static class PdfTables
{
    /// <summary>Rules closer together than this are one; ends closer than this to another rule touch it.</summary>
    private const double Touch = 2.5;

    /// <summary>A prose column's next line follows within this many font sizes.</summary>
    private const double LinePitch = 1.8;

    /// <summary>A column in which at least this share of the lines continues in the next one is running text.</summary>
    private const double FlowShare = 0.5;

    /// <summary>Finds the tables whose cells are ruled off.</summary>
    /// <returns>The tables with their places on the page.</returns>
    internal static List<(PdfTable Table, double Left, double Top, double Right, double Bottom)> FindRuled(PageFrame frame, PdfLines lines)
    {
        var tables = new List<(PdfTable, double, double, double, double)>();
        foreach (var (horizontal, vertical) in Grids(frame.Horizontal, frame.Vertical))
        {
            var ys = Positions(horizontal.Select(rule => rule.At));
            var xs = Positions(vertical.Select(rule => rule.At));
            if (ys.Count < 2 || xs.Count < 2 || (ys.Count - 1) * (xs.Count - 1) < 2 || ys.Count < 3)
                continue;
            if (Grid(lines, ys, xs) is not { } rows)
                continue;
            double start = Math.Min(lines.Across(xs[0]), lines.Across(xs[^1])), end = Math.Max(lines.Across(xs[0]), lines.Across(xs[^1]));
            var table = new PdfTable { Start = start, End = end, Top = ys[0], Bottom = ys[^1], Rows = rows };
            tables.Add((table, xs[0], ys[0], xs[^1], ys[^1]));
        }

        return tables;
    }

    /// <summary>Whether lines in columns side by side are a table (otherwise they are columns of text).</summary>
    /// <param name="columns">The lines of each column, from top to bottom.</param>
    /// <param name="ruled">Whether horizontal rules span several columns.</param>
    internal static bool IsTable(List<List<PdfLine>> columns, bool ruled)
    {
        if (ruled)
            return true;
        var lines = columns.SelectMany(column => column).ToList();
        // Lines of a table share their height with lines of other columns.
        var fewest = columns.MinBy(column => column.Count)!;
        int mates = fewest.Count(line
            => lines.Exists(other => !fewest.Contains(other) && Math.Abs(other.Base - line.Base) < 0.35 * line.Size));
        if (mates < 0.5 * fewest.Count)
            return false;
        if (columns.TrueForAll(IsMadeOfSentences))
            return false;
        var flows = columns.ConvertAll(Flow);
        double prose = 0, all = 0;
        for (int i = 0; i < columns.Count; i++)
        {
            double weight = columns[i].Sum(line => line.Text.Length);
            all += weight;
            if (flows[i] >= FlowShare)
                prose += weight;
        }

        if (prose < 0.5 * all)
            return true;
        // Running text in the cells of one column does not make columns, where another column labels it: sparse, each label beside the
        // first line of a part.
        for (int i = 0; i < columns.Count; i++)
        {
            if (flows[i] >= FlowShare)
                continue;
            var texts = columns.Where((_, j) => flows[j] >= FlowShare).ToList();
            if (IsLabelling(columns[i], texts) || (flows[i] < FlowShare && texts.Exists(text => StandLineByLine(columns[i], text))))
                return true;
        }

        return false;
    }

    /// <summary>Writes the lines of columns as rows.</summary>
    internal static List<string[]> Rows(List<List<PdfLine>> columns)
    {
        var clusters = new List<Cluster>();
        foreach (var (line, column) in columns.SelectMany((column, i) => column.Select(line => (line, i))).OrderBy(pair => pair.line.Base))
        {
            if (clusters.Count == 0 || line.Base - clusters[^1].Base > 0.4 * line.Size || clusters[^1].Cells[column] is not null)
                clusters.Add(new Cluster(line.Base, new List<PdfLine>?[columns.Count]));
            (clusters[^1].Cells[column] ??= []).Add(line);
        }

        var rows = new List<List<PdfLine>?[]> { clusters[0].Cells };
        double limit = RowDistance(clusters);
        for (int i = 1; i < clusters.Count; i++)
        {
            if (Continues(clusters, i, limit))
            {
                for (int column = 0; column < columns.Count; column++)
                    if (clusters[i].Cells[column] is { } more)
                        (rows[^1][column] ??= []).AddRange(more);
            }
            else
            {
                rows.Add(clusters[i].Cells);
            }
        }

        return rows.ConvertAll(row => Array.ConvertAll(row, cell => cell is null ? "" : PdfText.Join(cell, PdfText.NoVocabulary)));
    }

    /// <summary>The distance up to which two clusters of lines are one row of cells with several lines.</summary>
    private static double RowDistance(List<Cluster> clusters)
    {
        var distances = clusters.Zip(clusters.Skip(1), (a, b) => b.Base - a.Base).Order().ToList();
        // Lines of a cell and rows are told apart where the distances are of two kinds.
        for (int i = 1; i < distances.Count; i++)
            if (distances[i] > 1.3 * distances[i - 1] && distances[i - 1] < LinePitch * clusters[0].Size
                && distances[0] > 0.75 * distances[i - 1])
                return (distances[i] + distances[i - 1]) / 2;
        return 0;
    }

    private static bool Continues(List<Cluster> clusters, int i, double limit)
    {
        double distance = clusters[i].Base - clusters[i - 1].Base;
        int filled = clusters[i].Cells.Count(cell => cell is not null);
        if (distance < limit)
            return true;
        // One cell alone, not the first: it continues the line above if that line does not end.
        return limit == 0 && filled == 1 && clusters[i].Cells[0] is null
            && Array.FindIndex(clusters[i].Cells, cell => cell is not null) is var column
            && clusters[i - 1].Cells[column] is { } above && distance < LinePitch * above[^1].Size && !above[^1].EndsSentence
            && StartsLower(clusters[i].Cells[column]![0].Text);
    }

    private static List<string[]>? Grid(PdfLines lines, List<double> ys, List<double> xs)
    {
        var rows = new List<string[]>();
        for (int r = 0; r + 1 < ys.Count; r++)
        {
            var cells = new string[xs.Count - 1];
            for (int c = 0; c + 1 < xs.Count; c++)
            {
                int at = lines.IsRightToLeft ? cells.Length - 1 - c : c;
                cells[at] = PdfText.Join([.. lines.BuildWithin(xs[c], ys[r], xs[c + 1], ys[r + 1])], PdfText.NoVocabulary);
            }

            if (Array.Exists(cells, cell => cell.Length > 0))
                rows.Add(cells);
        }

        if (rows.Count == 0)
            return null;
        // Columns without any text are double rules or margins.
        var filled = Enumerable.Range(0, rows[0].Length).Where(c => rows.Exists(row => row[c].Length > 0)).ToList();
        // A frame around text is not a table.
        return rows.Count < 2 && filled.Count < 2
            ? null
            : rows.ConvertAll(row => filled.Select(c => row[c]).ToArray());
    }

    /// <summary>Groups of rules that touch each other.</summary>
    private static List<(List<Rule> Horizontal, List<Rule> Vertical)> Grids(List<Rule> horizontal, List<Rule> vertical)
    {
        if (horizontal.Count == 0 || vertical.Count == 0)
            return [];
        int n = horizontal.Count;
        var group = Enumerable.Range(0, n + vertical.Count).ToArray();
        for (int v = 0; v < vertical.Count; v++)
        {
            for (int h = 0; h < n; h++)
            {
                if (horizontal[h].From <= vertical[v].At + Touch && horizontal[h].To >= vertical[v].At - Touch
                    && vertical[v].From <= horizontal[h].At + Touch && vertical[v].To >= horizontal[h].At - Touch)
                    group[Root(h)] = Root(n + v);
            }
        }

        return
        [
            .. Enumerable.Range(0, group.Length).GroupBy(Root).Select(each =>
                (each.Where(i => i < n).Select(i => horizontal[i]).ToList(), each.Where(i => i >= n).Select(i => vertical[i - n])
                    .ToList())),
        ];

        int Root(int i)
        {
            while (group[i] != i)
                i = group[i] = group[group[i]];
            return i;
        }
    }

    private static List<double> Positions(IEnumerable<double> values)
    {
        var positions = new List<double>();
        foreach (double value in values.Order())
            if (positions.Count == 0 || value - positions[^1] > Touch)
                positions.Add(value);
        return positions;
    }

    /// <summary>The share of a column's lines that go on in the next one: in the middle of a sentence, or because the next word had no
    /// room. NaN where nothing shows it.</summary>
    private static double Flow(List<PdfLine> column)
    {
        int flows = 0, ends = 0;
        double width = column.Max(line => line.End) - column.Min(line => line.Start);
        for (int i = 1; i < column.Count; i++)
        {
            PdfLine a = column[i - 1], b = column[i];
            if (b.Base - a.Base > LinePitch * a.Size || Math.Abs(a.Size - b.Size) > 0.12 * a.Size)
                continue;
            bool wide = a.Text.Length >= 6 && (a.Text.Contains(' ', StringComparison.Ordinal) || a.FirstWordWidth < 0.5 * a.Width);
            bool longest = a.Width > 0.98 * width && column.Count(line => line.Width > 0.95 * width) < 2;
            if (a.EndsSentence)
                continue;
            double room = width - (a.End - column.Min(line => line.Start)) - (0.25 * a.Size) - b.FirstWordWidth;
            if (StartsLower(b.Text) && wide)
                flows += room < a.Size ? 1 : 0; // otherwise it shows nothing: a sentence continues, but not for want of room
            else if (wide && !longest && room < 0)
                flows++;
            else if (!longest)
                ends++;
        }

        return flows + ends == 0 ? double.NaN : (double)flows / (flows + ends);
    }

    private static bool IsMadeOfSentences(List<PdfLine> column)
        => column.Count(line => line.EndsSentence && line.Text[^1] != ':') >= 0.6 * column.Count
            && column.Average(line => line.Text.Count(c => c == ' ')) >= 2;

    private static bool StandLineByLine(List<PdfLine> one, List<PdfLine> other)
        => one.Count(line => other.Exists(mate => Math.Abs(mate.Base - line.Base) < 0.35 * line.Size)) >= 0.8 * Math.Max(one.Count,
            other.Count);

    private static bool IsLabelling(List<PdfLine> labels, IEnumerable<List<PdfLine>> texts)
    {
        if (labels.Count < 2)
            return false;
        return texts.Any(text => labels.TrueForAll(label =>
        {
            int at = text.FindIndex(line => Math.Abs(line.Base - label.Base) < 0.35 * line.Size);
            return at == 0 || (at > 0 && text[at].Base - text[at - 1].Base > 1.15 * Pitch(text)) || (at > 0 && text[at - 1].EndsSentence);
        }));

        static double Pitch(List<PdfLine> text) => text.Zip(text.Skip(1), (a, b) => b.Base - a.Base).DefaultIfEmpty(0).Min();
    }

    private static bool StartsLower(string text) => char.IsLower(text[0]);

    private sealed record Cluster(double Base, List<PdfLine>?[] Cells)
    {
        internal double Size => Cells.First(cell => cell is not null)![0].Size;
    }
}
