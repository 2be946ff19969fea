using System.Text;

namespace Kotonoha.Readers;

/// <summary>Writes a table row by row, one line each, cells joined by <c> | </c>. A cell that spans rows or columns is repeated in each, so
/// that every row can be read by itself and stays under its headers.</summary>
internal sealed class TableGrid
{
    /// <summary>A hostile table may claim any width.</summary>
    private const int MaxColumns = 1024;

    private readonly StringBuilder _rows = new();
    private readonly List<Cell?> _above = [];
    private List<Cell> _row = [];

    /// <summary>Starts a row.</summary>
    internal void BeginRow()
    {
        _row = [];
        TakeSpans();
    }

    /// <summary>Leaves columns empty.</summary>
    internal void Skip(int columns)
    {
        for (int i = 0; i < columns; i++)
            Add("");
    }

    /// <summary>Adds a cell.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="columns">How many columns it spans.</param>
    /// <param name="rows">How many rows it spans; 0 for all that come.</param>
    internal void Add(string text, int columns = 1, int rows = 1)
    {
        TakeSpans();
        var origin = new object();
        var clean = OneLine(text);
        for (int i = Math.Clamp(columns, 1, MaxColumns); i > 0 && _row.Count < MaxColumns; i--)
            Put(new Cell(clean, origin, rows == 0 ? int.MaxValue : rows - 1));
    }

    /// <summary>Adds a cell that continues the one above.</summary>
    internal void AddBelow(int columns = 1)
    {
        for (int i = Math.Clamp(columns, 1, MaxColumns); i > 0 && _row.Count < MaxColumns; i--)
            Put((_row.Count < _above.Count ? _above[_row.Count] : null) is { } above
                ? above with { Below = 0 }
                : new Cell("", new object(), 0));
    }

    /// <summary>Adds a cell that continues the one before it.</summary>
    internal void AddBeside(int columns = 1)
    {
        for (int i = Math.Clamp(columns, 1, MaxColumns); i > 0 && _row.Count < MaxColumns; i--)
            Put(_row.Count > 0 ? _row[^1] : new Cell("", new object(), 0));
    }

    /// <summary>Ends a row; one without any text adds none.</summary>
    internal void EndRow()
    {
        TakeSpans();
        _above.Clear();
        _above.AddRange(_row);
        if (_row.TrueForAll(cell => string.IsNullOrWhiteSpace(cell.Text)))
            return;
        if (_rows.Length > 0)
            _rows.Append('\n');
        // A cell across the whole table is a title, not a value of each column.
        if (_row.TrueForAll(cell => ReferenceEquals(cell.Origin, _row[0].Origin)))
            _rows.Append(_row[0].Text);
        else
            _rows.AppendJoin(" | ", _row.Select(cell => cell.Text));
        if (_rows.Length > DocumentLimits.MaxTextLength)
            throw new DocumentFormatException(
                $"A table holds more than {DocumentLimits.MaxTextLength >> 20} million characters; split it into smaller ones.");
    }

    /// <summary>Ends a group of rows; no cell reaches beyond it.</summary>
    internal void EndGroup() => _above.Clear();

    public override string ToString() => _rows.ToString();

    private void Put(Cell cell) => _row.Add(cell);

    /// <summary>Cells of the rows above that reach into this row come before the next cell of its own.</summary>
    private void TakeSpans()
    {
        while (_row.Count < _above.Count && _above[_row.Count] is { Below: > 0 } cell)
            _row.Add(cell with { Below = cell.Below == int.MaxValue ? cell.Below : cell.Below - 1 });
    }

    private static string OneLine(string text)
        => text.AsSpan().IndexOfAny('\n', '\r', '\v') < 0 ? text.Trim() : text.ReplaceLineEndings(" ").Replace('\v', ' ').Trim();

    private sealed record Cell(string Text, object Origin, int Below);
}
