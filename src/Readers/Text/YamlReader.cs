namespace Kotonoha.Readers;

/// <summary>Reads YAML: flat records, alone or below names, as <see cref="RecordText"/> writes them; all other as it is written, with its
/// comments.</summary>
internal sealed class YamlReader : IDocumentReader
{
    /// <inheritdoc/>
    public string MediaType => "text/x-yaml";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".yaml", ".yml"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var text = TextDecoder.Decode(content, name);
        var builder = new ExtractedTextBuilder(name);
        using var parsed = YamlRecords.Parse(text);
        cancellationToken.ThrowIfCancellationRequested();
        if (parsed is { RootElement: var root } && RecordText.IsRecords(root))
            return ValueTask.FromResult(RecordText.Document(root, builder, MediaType, cancellationToken));
        builder.Add(BlockKind.Code, text.TrimEnd());
        return ValueTask.FromResult(builder.Build(Path.GetFileName(name), MediaType));
    }
}
