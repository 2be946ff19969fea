using System.Text;

namespace Kotonoha.Readers;

/// <summary>Takes a table row by row and writes it one line a row, cells joined by <c> | </c>, below one line of headers.</summary>
/// <remarks>
/// A cell that spans rows or columns is repeated in each, so that every row can be read by itself. Header rows become one: <c>Spring
/// Min</c>. A cell across the whole table is a line of text above the rows that it heads, which get the headers again. A form, labels with
/// their values (<see cref="FormTable"/>), becomes lines <c>label: value</c>.
/// </remarks>
internal sealed class TableGrid
{
    /// <summary>A hostile table may claim any width.</summary>
    private const int MaxColumns = 1024;

    private const int MaxHeaderRows = 5, MaxFormRows = 100;

    private readonly List<(BlockKind Kind, string Text)> _parts = [];
    private readonly StringBuilder _rows = new(); // of the part that is being written
    private readonly List<List<Cell>> _headerRows = []; // not yet joined
    private readonly List<List<Cell>> _form = []; // rows that may be those of a form
    private readonly List<Cell?> _above = [];
    private List<Cell> _row = [];
    private string? _header;
    private bool _isMarked, _headerIsMarked, _headerIsEmpty, _isForm, _isTable;
    private long _length;

    /// <summary>Starts a row.</summary>
    /// <param name="isHeader">Whether the document says that it holds headers.</param>
    internal void BeginRow(bool isHeader = false)
    {
        _row = [];
        _isMarked = isHeader;
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
    /// <param name="isLabel">Whether it is set off as what names others: a header cell, or all bold.</param>
    internal void Add(string text, int columns = 1, int rows = 1, bool isLabel = false)
    {
        TakeSpans();
        var origin = new object();
        var clean = OneLine(text);
        for (int i = Math.Clamp(columns, 1, MaxColumns); i > 0 && _row.Count < MaxColumns; i--)
            _row.Add(new Cell(clean, origin, rows == 0 ? int.MaxValue : rows - 1, isLabel));
    }

    /// <summary>Adds a cell that continues the one above.</summary>
    internal void AddBelow(int columns = 1)
    {
        for (int i = Math.Clamp(columns, 1, MaxColumns); i > 0 && _row.Count < MaxColumns; i--)
            _row.Add((_row.Count < _above.Count ? _above[_row.Count] : null) is { } above
                ? above with { Below = 0 }
                : new Cell("", new object(), 0, false));
    }

    /// <summary>Adds a cell that continues the one before it.</summary>
    internal void AddBeside(int columns = 1)
    {
        for (int i = Math.Clamp(columns, 1, MaxColumns); i > 0 && _row.Count < MaxColumns; i--)
            _row.Add(_row.Count > 0 ? _row[^1] : new Cell("", new object(), 0, false));
    }

    /// <summary>Ends a row; one without any text adds none.</summary>
    internal void EndRow()
    {
        TakeSpans();
        _above.Clear();
        _above.AddRange(_row);
        if (_row.TrueForAll(cell => string.IsNullOrWhiteSpace(cell.Text)))
        {
            _headerIsEmpty |= _isMarked && _header is null && _headerRows.Count == 0;
            return;
        }

        _length += _row.Sum(cell => cell.Text.Length + 3L);
        if (_length > DocumentLimits.MaxTextLength)
            throw new DocumentFormatException(
                $"A table holds more than {DocumentLimits.MaxTextLength >> 20} million characters; split it into smaller ones.");
        if (_row.Count > 1 && _row.TrueForAll(cell => ReferenceEquals(cell.Origin, _row[0].Origin)))
            AddTitle(_row[0].Text);
        else if (IsHeader())
            _headerRows.Add(_row);
        else
            AddBodyRow();
    }

    /// <summary>Ends a group of rows; no cell reaches beyond it.</summary>
    internal void EndGroup() => _above.Clear();

    /// <summary>Ends the table and adds it to a document.</summary>
    internal void WriteTo(ExtractedTextBuilder builder, int? page = null)
    {
        // Headers of nothing are rows like others.
        foreach (var row in _headerRows)
            Write(row);
        EndPart();
        foreach (var (kind, text) in _parts)
            builder.Add(kind, text, page);
    }

    /// <summary>A cell across the whole table is no value of each column.</summary>
    private void AddTitle(string title)
    {
        JoinHeader();
        EndPart();
        _parts.Add((BlockKind.Paragraph, title));
    }

    private bool IsHeader()
    {
        if (_headerRows.Count >= MaxHeaderRows)
            return false;
        if (_isMarked)
        {
            _headerIsMarked = true;
            return true;
        }

        if (_headerRows.Count > 0)
            return GoesOn(_headerRows[^1]);
        // Only headers stand above several columns each.
        _headerIsMarked = false;
        return _header is null && _form.Count == 0 && _rows.Length == 0 && !_isTable && Groups(_row).Contains(true);
    }

    /// <summary>Whether the row belongs to the headers above it: it tells apart the columns of their groups and no more.</summary>
    private bool GoesOn(List<Cell> above)
    {
        var groups = Groups(above);
        if (_row.Count != above.Count || !groups.Contains(true))
            return false;
        bool tellsApart = false, reachesDown = false, isLeftEmpty = false, hasDigits = false;
        for (int i = 0; i < _row.Count; i++)
        {
            bool continues = ReferenceEquals(_row[i].Origin, above[i].Origin);
            if (groups[i])
            {
                tellsApart |= !continues && i > 0 && groups[i - 1] && ReferenceEquals(above[i].Origin, above[i - 1].Origin)
                    && !ReferenceEquals(_row[i].Origin, _row[i - 1].Origin);
                hasDigits |= _row[i].Text.Any(char.IsDigit);
            }
            else if (continues)
                reachesDown = true;
            else if (_row[i].Text.Length == 0)
                isLeftEmpty = true;
            else
                return false;
        }

        return tellsApart && (reachesDown || (!_headerIsMarked && !hasDigits && (isLeftEmpty || !groups.Contains(false))));
    }

    /// <summary>Which cells of a row are parts of one that spans columns.</summary>
    private static bool[] Groups(List<Cell> row)
        => [.. row.Select((cell, i) => cell.Text.Length > 0 && ((i > 0 && ReferenceEquals(cell.Origin, row[i - 1].Origin))
            || (i + 1 < row.Count && ReferenceEquals(cell.Origin, row[i + 1].Origin))))];

    /// <summary>Makes one header of the header rows; other headers than before begin another part.</summary>
    private void JoinHeader()
    {
        if (_headerRows.Count == 0)
            return;
        var columns = new List<string>();
        for (int i = 0; i < _headerRows.Max(row => row.Count); i++)
        {
            var names = new List<Cell>();
            foreach (var row in _headerRows)
                if (i < row.Count && row[i].Text.Length > 0
                    && !names.Exists(name => ReferenceEquals(name.Origin, row[i].Origin) || name.Text == row[i].Text))
                    names.Add(row[i]);
            columns.Add(string.Join(' ', names.Select(name => name.Text)));
        }

        _headerRows.Clear();
        var header = string.Join(" | ", columns);
        if (header == _header)
            return;
        EndPart();
        _header = header;
    }

    private void AddBodyRow()
    {
        JoinHeader();
        if (_header is null && _row.Count is 2 or 4 && (_form.Count == 0 || _form[0].Count == _row.Count) && !_isTable
            && _form.Count < MaxFormRows)
        {
            _form.Add(_row);
            return;
        }

        WriteFormAsTable();
        WriteHeader();
        Write(_row);
    }

    private void WriteFormAsTable()
    {
        foreach (var row in _form)
            Write(row);
        _isTable = true;
        _form.Clear();
    }

    private void WriteHeader()
    {
        if (_rows.Length == 0 && _header is { } header)
            Write(header);
    }

    private void Write(List<Cell> row) => Write(string.Join(" | ", row.Select(cell => cell.Text)));

    private void Write(string line)
    {
        // Without a mark the first row stands for the headers.
        if (_header is null && line.Contains(" | ", StringComparison.Ordinal))
            _header = line;
        if (_rows.Length > 0)
            _rows.Append('\n');
        _rows.Append(line);
    }

    private void EndPart()
    {
        // A label and its value, once or twice a row.
        List<FormRow> pairs = [.. _form.SelectMany(row => row.Chunk(2)).Where(pair => pair[0].Text.Length + pair[1].Text.Length > 0)
            .Select(pair => new FormRow(pair[0].Text, pair[1].Text, pair[0].IsLabel, pair[1].IsLabel))];
        if (_form.Count > 0 && (_isForm |= FormTable.Is(pairs, _headerIsEmpty)))
        {
            _parts.Add((BlockKind.Paragraph, FormTable.Lines(pairs)));
            _form.Clear();
        }
        else if (_form.Count > 0)
        {
            WriteFormAsTable();
        }

        if (_rows.Length > 0)
            _parts.Add((BlockKind.Table, _rows.ToString()));
        _rows.Clear();
    }

    /// <summary>Cells of the rows above that reach into this row come before the next cell of its own.</summary>
    private void TakeSpans()
    {
        while (_row.Count < _above.Count && _above[_row.Count] is { Below: > 0 } cell)
            _row.Add(cell with { Below = cell.Below == int.MaxValue ? cell.Below : cell.Below - 1 });
    }

    private static string OneLine(string text)
        => text.AsSpan().IndexOfAny('\n', '\r', '\v') < 0 ? text.Trim() : text.ReplaceLineEndings(" ").Replace('\v', ' ').Trim();

    private sealed record Cell(string Text, object Origin, int Below, bool IsLabel);
}
