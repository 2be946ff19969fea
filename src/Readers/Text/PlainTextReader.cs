namespace Kotonoha.Readers;

/// <summary>Reads plain text; blank lines separate its paragraphs; line breaks inside them stay.</summary>
internal sealed class PlainTextReader : IDocumentReader
{
    /// <inheritdoc/>
    public string MediaType => "text/plain";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".txt", ".text"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var text = ExtractedTextBuilder.Clean(TextDecoder.Decode(content, name));
        var builder = new ExtractedTextBuilder(name);
        int paragraph = 0;
        bool open = false;
        for (int line = 0; line < text.Length;)
        {
            int end = text.IndexOf('\n', line);
            end = end < 0 ? text.Length : end;
            bool blank = text.AsSpan(line, end - line).IsWhiteSpace();
            if (blank && open)
                builder.Add(BlockKind.Paragraph, text[paragraph..line]);
            else if (!blank && !open)
                paragraph = line;
            open = !blank;
            line = end + 1;
        }

        if (open)
            builder.Add(BlockKind.Paragraph, text[paragraph..]);
        return ValueTask.FromResult(builder.Build(null, MediaType));
    }
}
