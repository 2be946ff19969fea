namespace Kotonoha.Rag.Documents;

/// <summary>Finds the tables of a page: groups of short lines that stand beside each other in rows, outside columns of running text.</summary>
internal static class PdfTables
{
    /// <summary>A block with this many lines or more that are not short is running text, also where it stands beside another.</summary>
    private const int ProseLines = 4;

    private const int ProseLineLength = 28;

    /// <summary>Lines of one cell lie closer together than this share of their height; rows lie further apart, or all cells have one line.</summary>
    private const double CellGap = 0.6;

    /// <summary>Rows further apart than this many line heights belong to different tables.</summary>
    private const double TableGap = 3;

    /// <summary>Replaces the lines that form tables by tables, which take the place of their first line.</summary>
    /// <returns>Lines and tables in reading order.</returns>
    internal static List<object> Find(List<PdfLine> page)
    {
        var prose = page.GroupBy(line => line.Block)
            .Where(block => block.Count() >= ProseLines && block.Average(line => line.Text.Length) >= ProseLineLength)
            .Select(block => block.Key).ToHashSet();
        var candidates = page.Where(line => !prose.Contains(line.Block)).OrderBy(line => line.Middle).ToList();
        var cells = candidates.Where((line, i) => HasNeighbour(candidates, i)).ToList();
        var tableOf = new Dictionary<PdfLine, PdfTable>(ReferenceEqualityComparer.Instance);
        foreach (var region in SplitByGap(cells))
        {
            var rows = Rows(region);
            if (rows.Count < 2)
                continue;
            var table = new PdfTable(string.Join('\n', rows));
            foreach (var line in region)
                tableOf[line] = table;
        }

        var items = new List<object>();
        var placed = new HashSet<PdfTable>(ReferenceEqualityComparer.Instance);
        foreach (var line in page)
        {
            if (!tableOf.TryGetValue(line, out var table))
                items.Add(line);
            else if (placed.Add(table))
                items.Add(table);
        }

        return items;
    }

    private static bool HasNeighbour(List<PdfLine> byHeight, int i)
    {
        for (int j = i + 1; j < byHeight.Count && byHeight[j].Middle - byHeight[i].Middle <= byHeight[i].Height; j++)
            if (byHeight[i].IsBeside(byHeight[j]))
                return true;
        for (int j = i - 1; j >= 0 && byHeight[i].Middle - byHeight[j].Middle <= byHeight[i].Height; j--)
            if (byHeight[i].IsBeside(byHeight[j]))
                return true;
        return false;
    }

    private static IEnumerable<List<PdfLine>> SplitByGap(List<PdfLine> cells)
    {
        var region = new List<PdfLine>();
        double bottom = double.NegativeInfinity;
        foreach (var line in cells.OrderBy(line => line.Top))
        {
            if (region.Count > 0 && line.Top - bottom > TableGap * line.Height)
            {
                yield return region;
                region = [];
            }

            region.Add(line);
            bottom = Math.Max(bottom, line.Bottom);
        }

        if (region.Count > 0)
            yield return region;
    }

    private static List<string> Rows(List<PdfLine> region)
    {
        // Columns: the horizontal extents that overlap belong together.
        var columns = new List<(double Left, double Right)>();
        foreach (var line in region.OrderBy(line => line.Left))
        {
            if (columns.Count > 0 && line.Left <= columns[^1].Right)
                columns[^1] = (columns[^1].Left, Math.Max(columns[^1].Right, line.Right));
            else
                columns.Add((line.Left, line.Right));
        }

        // Cells: the close lines of a column. A row: the cells whose heights overlap.
        var cells = new List<(int Column, double Top, double Bottom, string Text)>();
        for (int column = 0; column < columns.Count; column++)
        {
            foreach (var line in region.Where(line => line.Left >= columns[column].Left && line.Right <= columns[column].Right).OrderBy(line => line.Top))
            {
                if (cells.Count > 0 && cells[^1].Column == column && line.Top - cells[^1].Bottom < CellGap * line.Height && !OneLineRows(region))
                    cells[^1] = (column, cells[^1].Top, line.Bottom, cells[^1].Text + " " + line.Text);
                else
                    cells.Add((column, line.Top, line.Bottom, line.Text));
            }
        }

        var rows = new List<(double Top, double Bottom, string?[] Cells)>();
        foreach (var cell in cells.OrderBy(cell => (cell.Top + cell.Bottom) / 2))
        {
            double middle = (cell.Top + cell.Bottom) / 2;
            int row = rows.FindIndex(r => r.Cells[cell.Column] is null && Math.Min(r.Bottom, cell.Bottom) - Math.Max(r.Top, cell.Top) > 0.5 * Math.Min(r.Bottom - r.Top, cell.Bottom - cell.Top));
            if (row < 0)
            {
                row = rows.Count;
                rows.Add((cell.Top, cell.Bottom, new string?[columns.Count]));
            }

            rows[row].Cells[cell.Column] = cell.Text;
            rows[row] = (Math.Min(rows[row].Top, cell.Top), Math.Max(rows[row].Bottom, cell.Bottom), rows[row].Cells);
        }

        return [.. rows.OrderBy(row => row.Top).Select(row => string.Join(" | ", row.Cells.Select(cell => cell ?? "")))];
    }

    /// <summary>Whether the lines of the region stand in even rows that each fill the same columns, closely set: then no cell has two lines.</summary>
    private static bool OneLineRows(List<PdfLine> region)
    {
        var counts = region.GroupBy(line => Math.Round(line.Middle)).Select(row => row.Count()).ToList();
        return counts.Distinct().Count() == 1;
    }
}
