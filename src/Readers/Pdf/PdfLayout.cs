namespace Kotonoha.Readers.Pdf;

/// <summary>Puts what is on a page into reading order: column by column where there are columns, tables as a
/// whole.</summary>
internal static class PdfLayout
{
    /// <summary>A gutter between columns is at least this many font sizes wide, once several rows have it.</summary>
    private const double LeastGutter = 0.7;

    /// <summary>Rows further apart than this many font sizes are not in the same columns.</summary>
    private const double BandGap = 3.2;

    private const int MaxDepth = 12;

    /// <summary>Arranges a page.</summary>
    /// <returns>Runs of items, each run a column or a part of one: from top to bottom, to be read one after the other.</returns>
    internal static List<List<PdfItem>> Arrange(PageLines page)
    {
        var (frame, lines, all) = page;
        var tables = PdfTables.FindRuled(frame, lines);
        var items = new List<PdfItem>(tables.Select(table => table.Table));
        foreach (var line in all)
            if (!tables.Exists(table
                => line.Middle > table.Top && line.Middle < table.Bottom && lines.Across((line.Start + line.End) / 2) is var x
                && x > table.Left && x < table.Right))
                items.Add(line);
        var horizontal = frame.Horizontal.ConvertAll(rule
            => new Rule(rule.At, Math.Min(lines.Across(rule.From), lines.Across(rule.To)),
            Math.Max(lines.Across(rule.From), lines.Across(rule.To))));
        var runs = new List<List<PdfItem>>();
        Arrange(items, horizontal, runs, 0);
        return runs;
    }

    private static void Arrange(List<PdfItem> items, List<Rule> horizontal, List<List<PdfItem>> runs, int depth)
    {
        var rows = Rows(items);
        var run = new List<PdfItem>();
        for (int i = 0; i < rows.Count;)
        {
            var band = depth < MaxDepth ? Band.Grow(rows, i) : null;
            if (band is null)
            {
                run.AddRange(rows[i++].Items);
                continue;
            }

            int last = band.Last;
            band.TakeCellTails(rows);
            var columns = band.Columns();
            if (columns.TrueForAll(column => column.TrueForAll(item => item is PdfLine))
                && columns.ConvertAll(column => column.ConvertAll(item => (PdfLine)item)) is var cells
                && band.RowCount >= 2 && PdfTables.IsTable(cells, IsRuled(horizontal, band)))
            {
                run.Add(new PdfTable
                {
                    Start = band.Start,
                    End = band.End,
                    Top = band.Top,
                    Bottom = band.Bottom,
                    Rows = PdfTables.Rows(cells)
                });
                i = band.Last + 1;
                continue;
            }

            band.GiveBack(last);
            if (band.RowCount == 1)
            {
                run.AddRange(rows[i].Items);
                i++;
                continue;
            }

            band.TakeTails(rows);
            band.TakeHeads(run);
            End(run, runs);
            run = [];
            foreach (var column in band.Columns())
            {
                if (column.Count < items.Count)
                    Arrange(column, horizontal, runs, depth + 1);
                else
                    runs.Add(column);
            }

            i = band.Last + 1;
        }

        End(run, runs);
    }

    private static void End(List<PdfItem> run, List<List<PdfItem>> runs)
    {
        if (run.Count > 0)
            runs.Add(run);
    }

    /// <summary>Whether two rules or more span most of a band: a table without vertical rules.</summary>
    private static bool IsRuled(List<Rule> horizontal, Band band)
        => horizontal.Where(rule => rule.At > band.Top - 12 && rule.At < band.Bottom + 12
                && Math.Min(rule.To, band.End) - Math.Max(rule.From, band.Start) > 0.8 * (band.End - band.Start))
            .Select(rule => Math.Round(rule.At / 3)).Distinct().Count() >= 2;

    private static List<Row> Rows(List<PdfItem> items)
    {
        var rows = new List<Row>();
        foreach (var item in items.OrderBy(item => item.Middle))
        {
            var row = rows.Count > 0 ? rows[^1] : null;
            if (row is not null && row.Items[0] is var first
                && Math.Min(first.Bottom, item.Bottom) - Math.Max(first.Top, item.Top) > 0.5 * Math.Min(first.Bottom - first.Top,
                    item.Bottom - item.Top)
                && !row.Items.Exists(other => Math.Min(other.End, item.End) - Math.Max(other.Start, item.Start) > 1))
                row.Items.Add(item);
            else
                rows.Add(new Row([item]));
        }

        foreach (var row in rows)
            row.Items.Sort((x, y) => x.Start.CompareTo(y.Start));
        foreach (var row in rows)
            row.Spans.AddRange(items.Where(item
                => Math.Min(item.Bottom, row.Bottom) - Math.Max(item.Top, row.Top) > 0.25 * Math.Min(row.Bottom - row.Top,
                item.Bottom - item.Top)).Select(item => (item.Start, item.End)));
        return rows;
    }

    /// <summary>Items beside each other.</summary>
    private sealed record Row(List<PdfItem> Items)
    {
        internal double Top => Items.Min(item => item.Top);

        internal double Bottom => Items.Max(item => item.Bottom);

        internal double Size => Items.OfType<PdfLine>().Select(line => line.Size).DefaultIfEmpty(10).Max();

        /// <summary>What covers the row's height, items of other rows included.</summary>
        internal List<(double Start, double End)> Spans { get; } = [];

        /// <summary>The gaps that are left in this row.</summary>
        internal List<(double Start, double End)> Free(IEnumerable<(double Start, double End)> gaps)
        {
            var free = gaps.ToList();
            foreach (var (start, end) in Spans)
            {
                free = free.SelectMany(gap => end <= gap.Start || start >= gap.End
                    ? [gap]
                    : new[] { (gap.Start, Math.Min(gap.End, start)), (Math.Max(gap.Start, end), gap.End) }.Where(part
                        => part.Item2 > part.Item1)).ToList();
            }

            return free;
        }
    }

    /// <summary>Rows that share a gutter.</summary>
    private sealed class Band
    {
        private readonly List<PdfItem> _items = [];
        private List<(double Start, double End)> _gutters = [];

        internal int First { get; private set; }

        internal int Last { get; private set; }

        /// <summary>How many rows have text in more than one column.</summary>
        internal int RowCount { get; private set; }

        internal double Start => _items.Min(item => item.Start);

        internal double End => _items.Max(item => item.End);

        internal double Top => _items.Min(item => item.Top);

        internal double Bottom => _items.Max(item => item.Bottom);

        /// <summary>Gathers the rows from one with a gap downwards, as long as a gap goes through all of them.</summary>
        internal static Band? Grow(List<Row> rows, int first)
        {
            var spans = rows[first].Spans;
            var inner = rows[first].Free([(spans.Min(span => span.Start), spans.Max(span => span.End))]);
            inner.RemoveAll(gap => gap.End - gap.Start < LeastGutter * rows[first].Size);
            if (inner.Count == 0)
                return null;
            var band = new Band { First = first, Last = first, RowCount = 1, _gutters = inner };
            band._items.AddRange(rows[first].Items);
            var waiting = new List<PdfItem>();
            double bottom = rows[first].Bottom;
            for (int i = first + 1; i < rows.Count; i++)
            {
                var row = rows[i];
                if (row.Top - bottom > BandGap * row.Size)
                    break;
                var left = row.Free(band._gutters);
                left.RemoveAll(gap => gap.End - gap.Start < LeastGutter * row.Size);
                if (left.Count == 0)
                    break;
                bool several = row.Spans.Select(span => ColumnOf(span, left)).Distinct().Count() > 1;
                if (left.Count < band._gutters.Count && (!several || (band.RowCount > 2 && 2 * left.Count < band._gutters.Count)))
                    break;
                bottom = Math.Max(bottom, row.Bottom);
                waiting.AddRange(row.Items);
                if (!several)
                    continue;
                band._gutters = left;
                band._items.AddRange(waiting);
                waiting.Clear();
                band.Last = i;
                band.RowCount++;
            }

            // Columns whose lines lie between those of others have shown no gap of their own yet.
            double size = rows[first].Size;
            var page = new Row([]);
            page.Spans.AddRange(band._items.Select(item => (item.Start, item.End)));
            band._gutters = page.Free([(band.Start, band.End)]).FindAll(gap => gap.End - gap.Start >= LeastGutter * size);
            return band;
        }

        internal List<List<PdfItem>> Columns()
        {
            var columns = Enumerable.Range(0, _gutters.Count + 1).Select(_ => new List<PdfItem>()).ToList();
            foreach (var item in _items.OrderBy(item => item.Middle))
                columns[ColumnOf((item.Start, item.End), _gutters)].Add(item);
            columns.RemoveAll(column => column.Count == 0);
            return columns;
        }

        /// <summary>Columns of text end at different heights: the lines below that go on in one of them belong to it.</summary>
        internal void TakeTails(List<Row> rows)
        {
            var columns = Columns();
            var pitches = columns.ConvertAll(column
                => column.Zip(column.Skip(1), (a, b) => b.Middle - a.Middle).DefaultIfEmpty(0).Order()
                .ElementAt(Math.Max(0, column.Count - 1) / 2));
            while (Last + 1 < rows.Count && rows[Last + 1].Items is [var item] && rows[Last + 1].Free(_gutters) is var free
                && free.Count == _gutters.Count)
            {
                int at = columns.FindIndex(column
                    => item.Start > column.Min(each => each.Start) - 4 && item.End < column.Max(each => each.End) + 4);
                if (at < 0 || (item is PdfLine line && columns[at][^1] is PdfLine above
                    && Math.Abs(line.Size - above.Size) > 0.06 * above.Size))
                    break;
                double distance = (item.Middle - columns[at][^1].Middle) / Math.Max(pitches[at],
                    columns[at][^1].Bottom - columns[at][^1].Top);
                bool wide = item.Width > 0.6 * (columns[at].Max(each => each.End) - columns[at].Min(each => each.Start));
                if (distance > (wide ? 2.4 : 1.4))
                    break;
                _items.Add(item);
                columns[at].Add(item);
                Last++;
            }
        }

        /// <summary>The last cell of a table may have more lines than those beside it.</summary>
        internal void TakeCellTails(List<Row> rows)
        {
            var columns = Columns();
            while (Last + 1 < rows.Count && rows[Last + 1].Items is [PdfLine line])
            {
                int at = columns.FindIndex(column
                    => column[^1] is PdfLine above && Math.Abs(line.Start - above.Start) < 2 && line.Base - above.Base < 1.5 * line.Size
                    && !above.EndsSentence && char.IsLower(line.Text[0]) && Math.Abs(line.Size - above.Size) < 0.06 * above.Size);
                if (at < 1 || rows[Last + 1].Free(_gutters).Count != _gutters.Count)
                    break;
                _items.Add(line);
                columns[at].Add(line);
                Last++;
            }
        }

        /// <summary>Takes back what <see cref="TakeCellTails"/> did.</summary>
        internal void GiveBack(int last)
        {
            _items.RemoveRange(_items.Count - (Last - last), Last - last);
            Last = last;
        }

        /// <summary>A column may begin above the others: its first lines were taken for lines above the columns.</summary>
        internal void TakeHeads(List<PdfItem> above)
        {
            var columns = Columns();
            while (above.Count > 0 && above[^1] is PdfLine line)
            {
                int at = columns.FindIndex(column
                    => column[0] is PdfLine first && Math.Abs(line.Start - first.Start) < 4 && line.End < column.Max(each => each.End) + 4
                    && Math.Abs(line.Size - first.Size) < 0.06 * line.Size && first.Base - line.Base < 1.8 * line.Size);
                // Above the first column it makes no difference.
                if (at <= 0)
                    break;
                above.RemoveAt(above.Count - 1);
                _items.Add(line);
                columns[at].Insert(0, line);
            }
        }

        private static int ColumnOf((double Start, double End) span, List<(double Start, double End)> gutters)
            => gutters.Count(gutter => (span.Start + span.End) / 2 > (gutter.Start + gutter.End) / 2);
    }
}
