using Markdig;

namespace Kotonoha.Readers;

/// <summary>
/// Reads Markdown (CommonMark with tables, footnotes, definition and task lists) as a person sees it rendered: it is rendered to HTML and
/// then read by <see cref="HtmlReader"/>, so that comments and hidden elements are dropped by one set of rules. Formulas stay as they are
/// written.
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
        var html = Markdown.ToHtml(markdown, Pipeline);
        cancellationToken.ThrowIfCancellationRequested();
        var builder = new ExtractedTextBuilder(name);
        HtmlTextExtractor.Extract(html, builder, name, cancellationToken);
        return ValueTask.FromResult(builder.Build(FrontMatterTitle(markdown), MediaType));
    }

    /// <summary>The <c>title:</c> of a YAML front matter, without its quotes.</summary>
    private static string? FrontMatterTitle(string markdown)
    {
        var lines = new StringReader(markdown);
        if (lines.ReadLine()?.TrimEnd() != "---")
            return null;
        while (lines.ReadLine() is { } line && line.TrimEnd() is not ("---" or "..."))
        {
            if (line.StartsWith("title:", StringComparison.Ordinal))
                return line["title:".Length..].Trim().Trim('"', '\'');
        }

        return null;
    }
}
