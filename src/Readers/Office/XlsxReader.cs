using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using DocumentFormat.OpenXml.Packaging;

namespace Kotonoha.Readers;

/// <summary>Reads XLSX: each sheet under its name; what stands together is a table whose first row is its header. Values come as the sheet
/// shows them, formulas by their last result; hidden sheets, rows and columns and what is struck out are left out.</summary>
internal sealed class XlsxReader : IDocumentReader
{
    private const int MaxCells = 5_000_000;
    private const int MaxMergedCells = 1_000_000;

    /// <inheritdoc/>
    public string MediaType => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".xlsx", ".xlsm"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        ZipGuard.Check(content, name, cancellationToken);
        using var package = SpreadsheetDocument.Open(new MemoryStream(content, writable: false), isEditable: false);
        var main = package.WorkbookPart;
        var workbook = main.Root() ?? throw new DocumentFormatException($"'{name}' has no workbook; is it an Excel document?");
        var strings = main!.SharedStringTablePart.Root().Children("si").Select(RichText).ToArray();
        var formats = new SheetFormats(main.WorkbookStylesPart.Root(), workbook.Child("workbookPr").Attr("date1904") is "1" or "true");
        var builder = new ExtractedTextBuilder(name);
        var remarks = new List<string>();
        foreach (var sheet in workbook.Child("sheets").Children("sheet"))
        {
            var title = sheet.Attr("name") ?? "";
            var relation = sheet.Attributes()
                .FirstOrDefault(attribute => attribute.Name.LocalName == "id" && attribute.Name.NamespaceName.Length > 0);
            if (sheet.Attr("state") is "hidden" or "veryHidden")
            {
                remarks.Add($"the sheet '{title}' is hidden and was left out");
                continue;
            }

            if (relation is null || !main.TryGetPartById(relation.Value, out var part) || part is not WorksheetPart worksheet)
                continue; // a chart sheet
            var table = new Sheet(strings, formats, name);
            using (var stream = worksheet.GetStream(FileMode.Open, FileAccess.Read))
                table.Read(stream, cancellationToken);
            builder.EndSections(1);
            if (table.IsEmpty)
                continue;
            builder.AddHeading(1, title);
            table.Write(builder, cancellationToken);
        }

        return ValueTask.FromResult(builder.Build(package.PackageProperties.Title, MediaType) with { Remarks = remarks });
    }

    /// <summary>The text of a cell with formatted parts; readings of kanji and struck-out parts are left out.</summary>
    private static string RichText(XElement item)
        => item.Child("t")?.Value ?? string.Concat(item.Children("r").Where(run => run.Child("rPr").Child("strike").Toggle() != true)
            .Select(run => run.Child("t")?.Value));

    /// <summary>The cells of one sheet.</summary>
    private sealed class Sheet(string[] strings, SheetFormats formats, string name)
    {
        private readonly SortedDictionary<int, SortedDictionary<int, string>> _rows = [];
        private readonly HashSet<int> _hiddenRows = [];
        private readonly List<(int First, int Last)> _hiddenColumns = [];
        private readonly Dictionary<(int Row, int Column), (int Row, int Column)> _merged = [];
        private int _cells;

        internal bool IsEmpty => _rows.Count == 0;

        internal void Read(Stream stream, CancellationToken cancellationToken)
        {
            using var reader = SafeXml.Open(stream);
            int row = 0;
            reader.Read();
            while (!reader.EOF)
            {
                if (reader.NodeType == XmlNodeType.Element && reader.LocalName is "row" && reader.GetAttribute("r") is var at)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    bool hidden = reader.GetAttribute("hidden") is "1" or "true";
                    row = int.TryParse(at, CultureInfo.InvariantCulture, out int stated) ? stated : row + 1;
                    var element = (XElement)XNode.ReadFrom(reader);
                    if (hidden)
                        _hiddenRows.Add(row);
                    else
                        AddRow(element, row);
                }
                else if (reader.NodeType == XmlNodeType.Element && reader.LocalName is "col" or "mergeCell")
                {
                    var element = (XElement)XNode.ReadFrom(reader);
                    if (element.LocalName() == "mergeCell")
                        Merge(element.Attr("ref"));
                    else if (element.Attr("hidden") is "1" or "true" && element.Number("min") is { } first
                        && element.Number("max") is { } last)
                        _hiddenColumns.Add((first, last));
                }
                else
                {
                    reader.Read();
                }
            }
        }

        private void AddRow(XElement row, int number)
        {
            int column = 0;
            foreach (var cell in row.Children("c"))
            {
                column = Reference(cell.Attr("r")) is var (_, stated) && stated > 0 ? stated : column + 1;
                var text = Value(cell);
                if (string.IsNullOrWhiteSpace(text) || formats.IsStruckOut(cell.Number("s") ?? 0)
                    || _hiddenColumns.Exists(hidden => column >= hidden.First && column <= hidden.Last))
                    continue;
                if (++_cells > MaxCells)
                    throw new DocumentFormatException($"'{name}' has more than {MaxCells} cells in a sheet; split it into smaller files.");
                if (!_rows.TryGetValue(number, out var cells))
                    _rows[number] = cells = [];
                cells[column] = text;
            }
        }

        private string Value(XElement cell)
        {
            var value = cell.Child("v")?.Value ?? "";
            return cell.Attr("t") switch
            {
                "s" => int.TryParse(value, CultureInfo.InvariantCulture, out int index) && index >= 0 && index < strings.Length
                    ? strings[index]
                    : "",
                "inlineStr" => cell.Child("is") is { } inline ? RichText(inline) : "",
                "b" => value is "1" or "true" ? "TRUE" : value.Length > 0 ? "FALSE" : "",
                "str" or "e" or "d" => value,
                _ => value.Length > 0 && double.TryParse(value, CultureInfo.InvariantCulture, out double number)
                    ? formats.Format(number, cell.Number("s") ?? 0) : value,
            };
        }

        private void Merge(string? range)
        {
            var ends = range?.Split(':');
            if (ends is not [var from, var to])
                return;
            var ((top, left), (bottom, right)) = (Reference(from), Reference(to));
            if (top < 1 || left < 1 || (long)(bottom - top + 1) * (right - left + 1) > MaxMergedCells - _merged.Count)
                return;
            for (int row = top; row <= bottom; row++)
                for (int column = left; column <= right; column++)
                    _merged[(row, column)] = (top, left);
        }

        /// <summary>Row and column of a reference such as <c>AB12</c>.</summary>
        private static (int Row, int Column) Reference(string? reference)
        {
            int column = 0, at = 0;
            reference ??= "";
            for (; at < reference.Length && char.IsAsciiLetter(reference[at]) && column < 100_000; at++)
                column = (26 * column) + (char.ToUpperInvariant(reference[at]) - 'A' + 1);
            return (int.TryParse(reference.AsSpan(at), CultureInfo.InvariantCulture, out int row) ? row : 0, column);
        }

        /// <summary>Writes the tables, which empty rows separate.</summary>
        internal void Write(ExtractedTextBuilder builder, CancellationToken cancellationToken)
        {
            FillMerged();
            var region = new List<int>();
            foreach (int row in _rows.Keys)
            {
                if (region.Count > 0
                    && Enumerable.Range(region[^1] + 1, row - region[^1] - 1).Any(between => !_hiddenRows.Contains(between)))
                {
                    WriteRegion(region, builder, cancellationToken);
                    region.Clear();
                }

                region.Add(row);
            }

            WriteRegion(region, builder, cancellationToken);
        }

        /// <summary>Gives every cell of a merged range its value.</summary>
        private void FillMerged()
        {
            foreach (var (cell, origin) in _merged)
            {
                if (cell == origin || _hiddenRows.Contains(cell.Row)
                    || _hiddenColumns.Exists(hidden => cell.Column >= hidden.First && cell.Column <= hidden.Last)
                    || !_rows.TryGetValue(origin.Row, out var source) || !source.TryGetValue(origin.Column, out var text))
                    continue;
                if (!_rows.TryGetValue(cell.Row, out var cells))
                    _rows[cell.Row] = cells = [];
                cells[cell.Column] = text;
            }
        }

        private void WriteRegion(List<int> region, ExtractedTextBuilder builder, CancellationToken cancellationToken)
        {
            var columns = region.SelectMany(row => _rows[row].Keys).Distinct().Order().ToList();
            var grid = new TableGrid();
            bool begun = false;
            int above = 0;
            foreach (int row in region)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var cells = _rows[row];
                // A line above a table, in one cell, is its title.
                if (!begun && columns.Count > 1 && cells.Keys.Select(column => Origin(row, column)).Distinct().Count() == 1)
                {
                    builder.Add(BlockKind.Paragraph, cells.First().Value);
                    continue;
                }

                begun = true;
                grid.BeginRow();
                for (int i = 0; i < columns.Count; i++)
                {
                    if (i > 0 && cells.ContainsKey(columns[i]) && Origin(row, columns[i]) == Origin(row, columns[i - 1]))
                        grid.AddBeside();
                    else if (above > 0 && cells.ContainsKey(columns[i]) && Origin(row, columns[i]) == Origin(above, columns[i]))
                        grid.AddBelow();
                    else
                        grid.Add(cells.GetValueOrDefault(columns[i], ""));
                }

                grid.EndRow();
                above = row;
            }

            grid.WriteTo(builder);
        }

        private (int Row, int Column) Origin(int row, int column) => _merged.GetValueOrDefault((row, column), (row, column));
    }
}
