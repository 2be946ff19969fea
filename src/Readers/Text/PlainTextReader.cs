namespace Kotonoha.Readers;

/// <summary>Reads plain text; blank lines separate its paragraphs; line breaks inside them stay.</summary>
internal sealed class PlainTextReader : IDocumentReader
{
    /// <inheritdoc/>
    public string MediaType => "text/plain";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".txt", ".text", ".log", ".rst"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var builder = new ExtractedTextBuilder(name);
        foreach (var paragraph in Paragraphs(ExtractedTextBuilder.Clean(TextDecoder.Decode(content, name))))
            builder.Add(BlockKind.Paragraph, paragraph);
        return ValueTask.FromResult(builder.Build(null, MediaType));
    }

    /// <summary>The parts of a text between blank lines.</summary>
    internal static IEnumerable<string> Paragraphs(string text)
    {
        int paragraph = 0;
        bool open = false;
        for (int line = 0; line < text.Length;)
        {
            int end = text.IndexOf('\n', line);
            end = end < 0 ? text.Length : end;
            bool blank = text.AsSpan(line, end - line).IsWhiteSpace();
            if (blank && open)
                yield return text[paragraph..line];
            else if (!blank && !open)
                paragraph = line;
            open = !blank;
            line = end + 1;
        }

        if (open)
            yield return text[paragraph..];
    }
}
