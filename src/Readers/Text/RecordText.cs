using System.Text;
using System.Text.Json;

namespace Kotonoha.Readers;

/// <summary>Writes structured data so that one object is one unit: objects that are alike are the rows of a table, others one line or one
/// section each, the fields of an object that stands alone lines <c>path: value</c>.</summary>
/// <remarks>
/// Nested objects give dotted paths, the elements of an array are joined. Tables stand below their path as a heading; an object that holds
/// records of its own, or is too large for a line, below the field that names it.
/// </remarks>
internal sealed class RecordText(ExtractedTextBuilder builder, CancellationToken cancellationToken)
{
    private const int MaxLineLength = 200, MaxHeadingLength = 80;

    /// <summary>The document that one value is, with the title that it gives itself.</summary>
    internal static ExtractedDocument Document(
        JsonElement root, ExtractedTextBuilder builder, string mediaType, CancellationToken cancellationToken)
    {
        new RecordText(builder, cancellationToken).Add(root, "", 1);
        var title = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("title", out var value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return builder.Build(title, mediaType, firstHeadingIsTitle: false);
    }

    /// <summary>The fields of an object with their dotted paths, each on one line; an array is joined, and null stays null.</summary>
    internal static IEnumerable<(string Path, string? Value)> Fields(JsonElement element, string path = "")
        => element.EnumerateObject().SelectMany(member => Join(path, member.Name) is var name && member.Value is
        { ValueKind: JsonValueKind.Object } inner
            ? Fields(inner, name)
            : [(name, member.Value.ValueKind == JsonValueKind.Null ? null : OneLine(member.Value))]);

    /// <summary>Whether all that a value holds is plain fields and tables of flat records.</summary>
    internal static bool IsRecords(JsonElement value)
    {
        return value.ValueKind == JsonValueKind.Array ? IsTable(value)
            : value.ValueKind == JsonValueKind.Object && value.EnumerateObject().Any(member => IsCollection(member.Value))
                && value.EnumerateObject().All(member => IsCollection(member.Value) ? IsTable(member.Value) : IsPlain(member.Value));

        static bool IsTable(JsonElement array)
            => new RecordShape(array.EnumerateArray()).IsTable
                && array.EnumerateArray().All(element => element.EnumerateObject().All(member => IsPlain(member.Value)));

        static bool IsPlain(JsonElement value) => value.ValueKind != JsonValueKind.Object && !IsCollection(value);
    }

    /// <summary>Adds values, which are gone through twice.</summary>
    internal void AddAll(Func<IEnumerable<JsonElement>> values, string path, int level)
    {
        var shape = new RecordShape(values().Select(value =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            return value;
        }));
        if (shape.IsTable)
        {
            AddTable(shape, null, values().Select(value => ((string?)null, value)), path, level);
            return;
        }

        bool hasHeading = false;
        foreach (var value in values())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!hasHeading && path.Length > 0)
                builder.AddHeading(level++, path);
            hasHeading = true;
            AddElement(value, level);
        }

        if (hasHeading && path.Length > 0)
            builder.EndSections(level - 1);
    }

    private void Add(JsonElement value, string path, int level)
    {
        if (value.ValueKind == JsonValueKind.Object)
            AddObject(value, path, level);
        else if (IsCollection(value))
            AddAll(() => value.EnumerateArray(), path, level);
        else
            AddLines([(path, Plain(value))]);
    }

    private void AddObject(JsonElement value, string path, int level)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (TryAddMap(value, path, level))
            return;
        var lines = new List<(string Path, string Value)>();
        var sections = new List<(string Path, JsonElement Value)>();
        Gather(value, path);
        AddLines(lines);
        foreach (var (name, section) in sections)
            Add(section, name, level);

        void Gather(JsonElement element, string at)
        {
            foreach (var member in element.EnumerateObject())
            {
                var name = Join(at, member.Name);
                if (IsCollection(member.Value) || (member.Value.ValueKind == JsonValueKind.Object && MapOf(member.Value) is not null))
                    sections.Add((name, member.Value));
                else if (member.Value.ValueKind == JsonValueKind.Object)
                    Gather(member.Value, name);
                else
                    lines.Add((name, Plain(member.Value)));
            }
        }
    }

    /// <summary>Adds an object whose members are records that are alike, as a table with their names first.</summary>
    private bool TryAddMap(JsonElement value, string path, int level)
    {
        if (MapOf(value) is not { } shape)
            return false;
        AddTable(shape, path.Length == 0 ? "key" : path[(path.LastIndexOf('.') + 1)..],
            value.EnumerateObject().Select(member => ((string?)member.Name, member.Value)), path, level);
        return true;
    }

    private static RecordShape? MapOf(JsonElement value)
    {
        var shape = new RecordShape(value.EnumerateObject().Select(member => member.Value), hasKeys: true);
        return shape.IsTable ? shape : null;
    }

    private void AddTable(
        RecordShape shape, string? key, IEnumerable<(string? Key, JsonElement Value)> records, string path, int level)
    {
        if (path.Length > 0)
            builder.AddHeading(level, path);
        var grid = new TableGrid();
        grid.BeginRow(isHeader: true);
        if (key is not null)
            grid.Add(key);
        foreach (var column in shape.Columns)
            grid.Add(column);
        grid.EndRow();
        var cells = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, record) in records)
        {
            cancellationToken.ThrowIfCancellationRequested();
            cells.Clear();
            foreach (var (column, value) in Fields(record))
                if (value is not null)
                    cells[column] = cells.TryGetValue(column, out var before) ? $"{before}; {value}" : value;
            grid.BeginRow();
            if (name is not null)
                grid.Add(name);
            foreach (var column in shape.Columns)
                grid.Add(cells.GetValueOrDefault(column, ""));
            grid.EndRow();
        }

        grid.WriteTo(builder);
        if (path.Length > 0)
            builder.EndSections(level);
    }

    /// <summary>An object that is like no other is a line where it is short, else a section below the field that names it.</summary>
    private void AddElement(JsonElement value, int level)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            var text = IsCollection(value) ? "" : OneLine(value);
            if (text.Length == 0)
                Add(value, "", level);
            else
                builder.Add(text.Length <= MaxLineLength ? BlockKind.ListItem : BlockKind.Paragraph, text);
            return;
        }

        var fields = Fields(value).ToList();
        var line = Line(fields, "; ");
        if (line.Length <= MaxLineLength && !HasRecords(value))
        {
            builder.Add(BlockKind.ListItem, line);
            return;
        }

        var heading = fields.Find(field => field.Value is { Length: > 0 } && field.Path.Length + field.Value.Length < MaxHeadingLength);
        if (heading.Path is not null)
            builder.AddHeading(level++, $"{heading.Path}: {heading.Value}");
        AddObject(value, "", level);
        if (heading.Path is not null)
            builder.EndSections(level - 1);
    }

    /// <summary>Adds lines <c>path: value</c>; running text is a paragraph of its own.</summary>
    private void AddLines(List<(string Path, string Value)> lines)
    {
        var text = new StringBuilder();
        foreach (var (path, value) in lines)
        {
            var line = path.Length == 0 ? value : $"{path}: {value}";
            if (line.Length > MaxLineLength)
                Flush();
            text.Append(text.Length > 0 ? "\n" : "").Append(line);
            if (line.Length > MaxLineLength)
                Flush();
            if (text.Length > DocumentLimits.MaxTextLength)
                Flush();
        }

        Flush();

        void Flush()
        {
            builder.Add(BlockKind.Paragraph, text.ToString());
            text.Clear();
        }
    }

    /// <summary>Whether a value is an array of more than plain values.</summary>
    private static bool IsCollection(JsonElement value)
        => value.ValueKind == JsonValueKind.Array
            && value.EnumerateArray().Any(element => element.ValueKind is JsonValueKind.Object or JsonValueKind.Array);

    /// <summary>Whether an object holds an array of objects, which are records of their own.</summary>
    private static bool HasRecords(JsonElement value)
        => value.EnumerateObject().Any(member => member.Value.ValueKind switch
        {
            JsonValueKind.Object => HasRecords(member.Value),
            JsonValueKind.Array => member.Value.EnumerateArray().Any(element => element.ValueKind == JsonValueKind.Object),
            _ => false,
        });

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>A plain value as it is, an array on one line.</summary>
    private static string Plain(JsonElement value) => value.ValueKind == JsonValueKind.Array ? OneLine(value) : Text(value);

    private static string Line(IEnumerable<(string Path, string? Value)> fields, string separator)
        => string.Join(separator, fields.Select(field => $"{field.Path}: {field.Value ?? "null"}"));

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static string OneLine(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => string.Join(IsCollection(value) ? "; " : ", ", value.EnumerateArray().Select(OneLine)),
        JsonValueKind.Object => Line(Fields(value), ", "),
        _ => Text(value).ReplaceLineEndings(" ").Trim(),
    };

    /// <summary>What records have in common.</summary>
    private sealed class RecordShape
    {
        // Rows are records, not running text: on the average no longer than a few sentences.
        private const int MaxColumns = 50, MaxRowLength = 400;

        // Two thirds of the cells are filled; of a map more, whose members may be anything.
        private const double LeastFilled = 2.0 / 3, LeastFilledOfMap = 0.8;

        private readonly HashSet<string> _known = new(StringComparer.Ordinal);
        private long _records, _filled, _length;
        private readonly bool _hasKeys;
        private bool _hasOthers;

        internal RecordShape(IEnumerable<JsonElement> values, bool hasKeys = false)
        {
            _hasKeys = hasKeys;
            foreach (var value in values)
                Observe(value);
        }

        internal List<string> Columns { get; } = [];

        internal bool IsTable => !_hasOthers && _records > (_hasKeys ? 1 : 0) && Columns.Count > (_hasKeys ? 0 : 1)
            && Columns.Count <= MaxColumns && _length <= _records * MaxRowLength
            && _filled >= _records * Columns.Count * (_hasKeys ? LeastFilledOfMap : LeastFilled);

        private void Observe(JsonElement value)
        {
            if (_hasOthers || value.ValueKind != JsonValueKind.Object || HasRecords(value) || Columns.Count > MaxColumns)
            {
                _hasOthers = true;
                return;
            }

            _records++;
            foreach (var (path, text) in Fields(value))
            {
                if (_known.Add(path))
                    Columns.Add(path);
                _filled++;
                _length += text?.Length ?? 0;
            }
        }
    }
}
