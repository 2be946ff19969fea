using System.Text;
using System.Text.Json;

namespace Kotonoha.Readers;

/// <summary>Reads JSON and JSON lines as lines <c>path: value</c>; the objects of an array, and the lines of a file of JSON lines, become
/// paragraphs of their own.</summary>
internal sealed class JsonTextReader : IDocumentReader
{
    private static readonly JsonDocumentOptions Options = new()
    {
        MaxDepth = DocumentLimits.MaxNestingDepth,
        AllowTrailingCommas = true,
        CommentHandling = JsonCommentHandling.Skip,
    };

    /// <inheritdoc/>
    public string MediaType => "application/json";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".json", ".jsonl", ".ndjson"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var text = TextDecoder.Decode(content, name);
        var builder = new ExtractedTextBuilder(name);
        if (Path.GetExtension(name).Equals(".json", StringComparison.OrdinalIgnoreCase))
        {
            if (!string.IsNullOrWhiteSpace(text))
                Add(text, "");
            return ValueTask.FromResult(builder.Build(null, MediaType));
        }

        var remarks = new List<string>();
        int number = 0, read = 0;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            number++;
            if (line.IsWhiteSpace())
                continue;
            try
            {
                Add(line.ToString(), "");
                read++;
            }
            catch (JsonException error)
            {
                remarks.Add($"line {number} is not valid JSON: {error.Message}");
            }
        }

        if (read == 0 && remarks.Count > 0)
            throw new DocumentFormatException($"'{name}' has no line of valid JSON; {remarks[0]}");
        return ValueTask.FromResult(builder.Build(null, "application/jsonl") with { Remarks = [.. remarks.Take(20)] });

        void Add(string json, string path)
        {
            using var document = JsonDocument.Parse(json, Options);
            var lines = new StringBuilder();
            Walk(document.RootElement, path, lines);
            Flush(lines);
        }

        void Walk(JsonElement value, string path, StringBuilder lines)
        {
            cancellationToken.ThrowIfCancellationRequested();
            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    foreach (var member in value.EnumerateObject())
                        Walk(member.Value, path.Length == 0 ? member.Name : $"{path}.{member.Name}", lines);
                    break;
                case JsonValueKind.Array when value.EnumerateArray().All(element
                    => element.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)):
                    Line(path, string.Join(", ", value.EnumerateArray().Select(Text)), lines);
                    break;
                case JsonValueKind.Array:
                    int index = 0;
                    foreach (var element in value.EnumerateArray())
                    {
                        Flush(lines);
                        Walk(element, $"{path}[{index++}]", lines);
                        Flush(lines);
                    }

                    break;
                default:
                    Line(path, Text(value), lines);
                    break;
            }
        }

        void Flush(StringBuilder lines)
        {
            builder.Add(BlockKind.Paragraph, lines.ToString());
            lines.Clear();
        }

        void Line(string path, string value, StringBuilder lines)
        {
            if (lines.Length + path.Length + value.Length > DocumentLimits.MaxTextLength)
                throw new DocumentFormatException(
                    $"'{name}' holds more than {DocumentLimits.MaxTextLength >> 20} million characters of text; split it into smaller "
                        + $"files.");
            lines.Append(path).Append(path.Length == 0 ? "" : ": ").Append(value).Append('\n');
        }
    }

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
}
