using System.Text;

namespace Kotonoha.Readers;

/// <summary>Reads CSV (RFC 4180) and its relatives with semicolons, tabs or bars as one table, whose first row is its header.</summary>
internal sealed class DelimitedTextReader : IDocumentReader
{
    private const int SniffedRows = 50;

    private static readonly char[] Delimiters = [',', ';', '\t', '|'];

    /// <inheritdoc/>
    public string MediaType => "text/csv";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".csv", ".tsv"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var text = TextDecoder.Decode(content, name);
        var delimiter = Path.GetExtension(name).Equals(".tsv", StringComparison.OrdinalIgnoreCase) ? '\t' : Sniff(text);
        // A spreadsheet may say in the first line what it separates by.
        if (text.StartsWith("sep=", StringComparison.OrdinalIgnoreCase) && text.Length > 4 && text.IndexOf('\n') is var line and >= 0)
            (delimiter, text) = (text[4], text[(line + 1)..]);
        var grid = new TableGrid();
        var remarks = new List<string>();
        bool isHeader = true;
        foreach (var record in Records(text, delimiter, remarks))
        {
            cancellationToken.ThrowIfCancellationRequested();
            grid.BeginRow(isHeader);
            isHeader = isHeader && record.TrueForAll(string.IsNullOrWhiteSpace);
            foreach (var field in record)
                grid.Add(field);
            grid.EndRow();
        }

        var builder = new ExtractedTextBuilder(name);
        grid.WriteTo(builder);
        return ValueTask.FromResult(
            builder.Build(null, delimiter == '\t' ? "text/tab-separated-values" : MediaType) with { Remarks = remarks });
    }

    /// <summary>The delimiter that cuts the first rows into the same number of fields, more than one; else the one that occurs
    /// most.</summary>
    private static char Sniff(string text)
    {
        char best = ',';
        double bestScore = 0;
        foreach (char delimiter in Delimiters)
        {
            var counts = Records(text, delimiter, []).Take(SniffedRows).Select(record => record.Count).Where(count => count > 0).ToList();
            if (counts.Count == 0)
                continue;
            int usual = counts.GroupBy(count => count).MaxBy(group => group.Count())!.Key;
            double score = usual < 2 ? 0.01 * counts.Average() - 0.01 : (double)counts.Count(count => count == usual) / counts.Count
                + (0.001 * Math.Min(usual, 100));
            if (score > bestScore)
                (best, bestScore) = (delimiter, score);
        }

        return best;
    }

    /// <summary>The records of a text, an empty line being one with an empty field.</summary>
    /// <param name="text">The text.</param>
    /// <param name="delimiter">What stands between fields.</param>
    /// <param name="remarks">Takes what is not well formed.</param>
    internal static IEnumerable<List<string>> Records(string text, char delimiter, List<string> remarks)
    {
        var field = new StringBuilder();
        var record = new List<string>();
        bool quotes = true;
        for (int i = 0; i < text.Length;)
        {
            int start = i;
            if (quotes && text[i] == '"')
            {
                i = Quoted(text, i, field);
                if (i < 0)
                {
                    remarks.Add($"a quotation mark at offset {start} is never closed; from there on, quotation marks are read as text");
                    (quotes, i) = (false, start);
                    field.Clear();
                }
            }

            while (i < text.Length && text[i] != delimiter && text[i] is not ('\n' or '\r'))
                field.Append(text[i++]);
            record.Add(field.ToString());
            field.Clear();
            if (i < text.Length && text[i] == delimiter)
            {
                i++;
                if (i < text.Length && text[i] is not ('\n' or '\r'))
                    continue;
                record.Add("");
            }

            if (i < text.Length && text[i] == '\r')
                i++;
            if (i < text.Length && text[i] == '\n')
                i++;
            yield return record;
            record = [];
        }
    }

    /// <summary>Reads a field in quotation marks.</summary>
    /// <returns>The place after it, or -1 where it never ends.</returns>
    private static int Quoted(string text, int at, StringBuilder field)
    {
        for (int i = at + 1; i < text.Length; i++)
        {
            if (text[i] != '"')
                field.Append(text[i]);
            else if (i + 1 < text.Length && text[i + 1] == '"')
                field.Append(text[i++]);
            else
                return i + 1;
        }

        return -1;
    }
}
