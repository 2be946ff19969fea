using System.Text.Json;

namespace Kotonoha.Readers;

/// <summary>Reads JSON and JSON lines by <see cref="RecordText"/>: objects that are alike are the rows of a table.</summary>
internal sealed class JsonTextReader : IDocumentReader
{
    private const int MaxRemarks = 20;

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
            if (string.IsNullOrWhiteSpace(text))
                return ValueTask.FromResult(builder.Build(null, MediaType));
            using var document = JsonDocument.Parse(text, Options);
            return ValueTask.FromResult(RecordText.Document(document.RootElement, builder, MediaType, cancellationToken));
        }

        // The lines are read twice, so that no more than one is held: for what they have in common, and for what they say.
        var remarks = new List<string>();
        int read = 0;
        new RecordText(builder, cancellationToken).AddAll(Lines, "", 1);
        if (read == 0 && remarks.Count > 0)
            throw new DocumentFormatException($"'{name}' has no line of valid JSON; {remarks[0]}");
        return ValueTask.FromResult(builder.Build(null, "application/jsonl", firstHeadingIsTitle: false) with { Remarks = remarks });

        IEnumerable<JsonElement> Lines()
        {
            remarks.Clear();
            (int number, int start) = (0, 0);
            while (start < text.Length)
            {
                int end = text.AsSpan(start).IndexOfAny('\n', '\r') is >= 0 and var length ? start + length : text.Length;
                number++;
                var line = text.AsMemory(start, end - start);
                start = end + (end + 1 < text.Length && text[end] == '\r' && text[end + 1] == '\n' ? 2 : 1);
                if (line.Span.IsWhiteSpace())
                    continue;
                JsonDocument document;
                try
                {
                    document = JsonDocument.Parse(line, Options);
                }
                catch (JsonException error)
                {
                    if (remarks.Count < MaxRemarks)
                        remarks.Add($"line {number} is not valid JSON: {error.Message}");
                    continue;
                }

                using (document)
                {
                    read++;
                    yield return document.RootElement;
                }
            }
        }
    }
}
