using System.Text.Json;
using Markdig;
using Markdig.Extensions.Yaml;

namespace Kotonoha.Readers;

/// <summary>
/// Reads Markdown (CommonMark with tables, footnotes, definition and task lists) as a person sees it rendered: it is rendered to HTML and
/// then read by <see cref="HtmlReader"/>, so that comments, hidden and struck-out text are dropped by one set of rules. Formulas
/// stay as they are written; what the front matter says comes first, in lines <c>owner: Ann</c>.
/// </summary>
internal sealed class MarkdownReader : IDocumentReader
{
    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder()
        .UseYamlFrontMatter()
        .UsePipeTables()
        .UseGridTables()
        .UseFootnotes()
        .UseDefinitionLists()
        .UseTaskLists()
        .UseEmphasisExtras(Markdig.Extensions.EmphasisExtras.EmphasisExtraOptions.Strikethrough)
        .UseMathematics()
        .Use<VerbatimMath>()
        .Build();

    /// <inheritdoc/>
    public string MediaType => "text/markdown";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".md", ".markdown"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var markdown = TextDecoder.Decode(content, name);
        var document = Markdown.Parse(markdown, Pipeline);
        cancellationToken.ThrowIfCancellationRequested();
        var builder = new ExtractedTextBuilder(name);
        var title = document is [YamlFrontMatterBlock { Lines: var lines }, ..] ? AddFrontMatter(lines.ToString(), builder) : null;
        HtmlTextExtractor.Extract(document.ToHtml(Pipeline), builder, name, cancellationToken);
        return ValueTask.FromResult(builder.Build(title, MediaType));
    }

    /// <summary>Adds the fields of a front matter; one that is no YAML is taken line by line.</summary>
    /// <returns>Its title, or null.</returns>
    private static string? AddFrontMatter(string yaml, ExtractedTextBuilder builder)
    {
        using var parsed = YamlRecords.Parse(yaml);
        var fields = parsed is { RootElement: { ValueKind: JsonValueKind.Object } root }
            ? RecordText.Fields(root).ToList()
            : yaml.Split('\n').Select(line => line.Split(':', 2)).Where(parts => parts.Length == 2)
                .Select(parts => (Path: parts[0].Trim(), Value: (string?)parts[1].Trim().Trim('"', '\''))).ToList();
        builder.Add(BlockKind.Paragraph, string.Join('\n', fields.Where(field => field.Path != "title" && field.Value is { Length: > 0 })
            .Select(field => $"{field.Path}: {field.Value}")));
        return fields.Find(field => field.Path == "title").Value;
    }
}
