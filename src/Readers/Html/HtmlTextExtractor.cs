using System.Text;
using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;
using Kotonoha.Foundation.Text;

namespace Kotonoha.Readers;

/// <summary>Walks an HTML tree and hands its visible text to an <see cref="ExtractedTextBuilder"/>.</summary>
internal sealed partial class HtmlTextExtractor
{
    private const char LineBreak = '\v'; // <br>, told apart from line breaks of the source until the block is complete

    private static readonly HashSet<string> Dropped = new(StringComparer.OrdinalIgnoreCase)
    {
        "script", "style", "noscript", "template", "head", "nav", "iframe", "object", "embed", "svg", "canvas", "audio", "video", "math",
        "select", "option", "datalist", "button", "input", "textarea", "dialog", "img",
    };

    private static readonly HashSet<string> BlockElements = new(StringComparer.OrdinalIgnoreCase)
    {
        "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dir", "div", "dl", "dt", "fieldset",
            "figcaption",
        "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "main", "menu",
            "ol", "p",
        "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
    };

    private readonly ExtractedTextBuilder _builder;
    private readonly string _name;
    private readonly HashSet<IElement> _hidden;
    private readonly CancellationToken _cancellationToken;
    private readonly StringBuilder _inline = new();
    private BlockKind _kind = BlockKind.Paragraph;

    private HtmlTextExtractor(ExtractedTextBuilder builder, string name, HashSet<IElement> hidden, CancellationToken cancellationToken)
        => (_builder, _name, _hidden, _cancellationToken) = (builder, name, hidden, cancellationToken);

    /// <summary>Extracts the visible text.</summary>
    /// <returns>The content of the <c>title</c> element, or null.</returns>
    internal static string? Extract(string html, ExtractedTextBuilder builder, string name, CancellationToken cancellationToken)
    {
        int elements = 0;
        INode? previous = null;
        var parser = new HtmlParser(new HtmlParserOptions
        {
            OnCreated = (element, _) =>
            {
                // The parser's work grows with the square of the depth, so a deep tree is refused while it grows. An element is attached
                // only after this call, so the element before it is looked at.
                if ((elements & 63) == 0 && previous is not null && Depth(previous) > DocumentLimits.MaxNestingDepth)
                    throw TooDeep(name);
                previous = element;
                if (++elements > DocumentLimits.MaxElements)
                    throw new DocumentFormatException(
                        $"'{name}' has more than {DocumentLimits.MaxElements} elements; split it into smaller files.");
                if ((elements & 255) == 0)
                    cancellationToken.ThrowIfCancellationRequested();
            },
        });
        using var document = parser.ParseDocument(html);
        var hidden = new HashSet<IElement>();
        foreach (var style in document.QuerySelectorAll("style"))
            MarkHiddenByStyleSheet(document, style.TextContent, hidden);
        if (document.Body is { } body)
        {
            var extractor = new HtmlTextExtractor(builder, name, hidden, cancellationToken);
            extractor.Walk(body, 0);
            extractor.Flush();
        }

        var title = document.Head?.QuerySelector("title")?.TextContent;
        return string.IsNullOrWhiteSpace(title) ? null : Collapse(title);
    }

    private static int Depth(INode node)
    {
        int depth = 0;
        for (var parent = node.Parent; parent is not null; parent = parent.Parent)
            depth++;
        return depth;
    }

    private static DocumentFormatException TooDeep(string name)
        => new($"'{name}' nests elements more than {DocumentLimits.MaxNestingDepth} deep; simplify its markup.");

    private void Walk(INode parent, int depth)
    {
        if (depth > DocumentLimits.MaxNestingDepth)
            throw TooDeep(_name);
        _cancellationToken.ThrowIfCancellationRequested();
        int number = parent is IElement list && int.TryParse(list.GetAttribute("start"), out int first) ? first : 1;
        for (var node = parent.FirstChild; node is not null; node = node.NextSibling)
        {
            if (node is IText text)
                _inline.Append(text.Data);
            else if (node is IElement element && IsVisible(element))
                WalkElement(element, depth + 1, ref number);
        }
    }

    private void WalkElement(IElement element, int depth, ref int number)
    {
        switch (element.LocalName)
        {
            case "br":
                _inline.Append(LineBreak);
                break;
            case "h1" or "h2" or "h3" or "h4" or "h5" or "h6":
                Flush();
                _builder.AddHeading(element.LocalName[1] - '0', InlineText(element, depth));
                break;
            case "pre":
                Flush();
                _builder.Add(BlockKind.Code, Verbatim(element, depth));
                break;
            case "table":
                Flush();
                AddTable(element, depth);
                break;
            case "li":
                Flush();
                if (element.ParentElement?.LocalName == "ol")
                    _inline.Append(System.Globalization.CultureInfo.InvariantCulture, $"{number++}. ");
                WalkBlock(element, BlockKind.ListItem, depth);
                break;
            case "dt" or "dd":
                WalkBlock(element, BlockKind.ListItem, depth);
                break;
            case "p" when _kind == BlockKind.ListItem:
                // The paragraphs of a loose list are still items.
                WalkBlockKeepingMarker(element, depth);
                break;
            case var tag when BlockElements.Contains(tag):
                WalkBlock(element, _kind == BlockKind.ListItem
                    && tag is "div" or "section" ? BlockKind.ListItem : BlockKind.Paragraph, depth);
                break;
            default:
                Walk(element, depth);
                break;
        }
    }

    private void WalkBlock(IElement element, BlockKind kind, int depth)
    {
        if (element.LocalName != "li")
            Flush();
        var outer = _kind;
        _kind = kind;
        Walk(element, depth);
        Flush();
        _kind = outer;
    }

    private void WalkBlockKeepingMarker(IElement element, int depth)
    {
        if (!IsMarkerAlone())
            Flush();
        Walk(element, depth);
        Flush();
    }

    private bool IsMarkerAlone() => OrderedMarker().IsMatch(_inline.ToString());

    private void Flush()
    {
        if (_inline.Length == 0)
            return;
        _builder.Add(_kind, Collapse(_inline.ToString()));
        _inline.Clear();
    }

    private void AddTable(IElement table, int depth)
    {
        var rows = new StringBuilder();
        foreach (var part in VisibleChildren(table))
        {
            if (part.LocalName == "caption")
                _builder.Add(BlockKind.Paragraph, InlineText(part, depth));
            else if (part.LocalName == "tr")
                AppendRow(part);
            else if (part.LocalName is "thead" or "tbody" or "tfoot")
                foreach (var row in VisibleChildren(part))
                    AppendRow(row);
        }

        _builder.Add(BlockKind.Table, rows.ToString());

        void AppendRow(IElement row)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            var cells = VisibleChildren(row).Select(cell => InlineText(cell, depth + 3).Replace('\n', ' ')).ToList();
            if (cells.All(string.IsNullOrWhiteSpace))
                return;
            if (rows.Length > 0)
                rows.Append('\n');
            rows.AppendJoin(" | ", cells);
        }
    }

    private IEnumerable<IElement> VisibleChildren(IElement parent) => parent.Children.Where(IsVisible);

    /// <summary>The text of an element as one run; blocks inside it are separated by spaces.</summary>
    private string InlineText(IElement element, int depth)
    {
        var text = new StringBuilder();
        Append(element, depth);
        return Collapse(text.ToString());

        void Append(INode parent, int level)
        {
            if (level > DocumentLimits.MaxNestingDepth)
                throw TooDeep(_name);
            for (var node = parent.FirstChild; node is not null; node = node.NextSibling)
            {
                if (node is IText run)
                {
                    text.Append(run.Data);
                }
                else if (node is IElement child && IsVisible(child))
                {
                    bool apart = child.LocalName == "br" || BlockElements.Contains(child.LocalName);
                    if (apart)
                        text.Append(' ');
                    Append(child, level + 1);
                    if (apart)
                        text.Append(' ');
                }
            }
        }
    }

    private string Verbatim(IElement element, int depth)
    {
        var text = new StringBuilder();
        Append(element, depth);
        return text.ToString();

        void Append(INode parent, int level)
        {
            if (level > DocumentLimits.MaxNestingDepth)
                throw TooDeep(_name);
            for (var node = parent.FirstChild; node is not null; node = node.NextSibling)
            {
                if (node is IText run)
                    text.Append(run.Data);
                else if (node is IElement { LocalName: "br" })
                    text.Append('\n');
                else if (node is IElement child && IsVisible(child))
                    Append(child, level + 1);
            }
        }
    }

    private bool IsVisible(IElement element)
    {
        if (Dropped.Contains(element.LocalName) || element.HasAttribute("hidden") || _hidden.Contains(element))
            return false;
        if (element.GetAttribute("aria-hidden") == "true" || element.GetAttribute("role") == "navigation")
            return false;
        if (element.GetAttribute("style") is { } style && HidingStyle().IsMatch(style))
            return false;
        // Numbers and arrows of footnotes are not part of the sentence that they are attached to.
        return !(element.LocalName == "a" && element.GetAttribute("class") is "footnote-ref" or "footnote-back-ref");
    }

    /// <summary>Applies the plain rules of a style sheet (no media queries) that hide elements.</summary>
    private static void MarkHiddenByStyleSheet(IDocument document, string css, HashSet<IElement> hidden)
    {
        css = CssComment().Replace(css, "");
        foreach (Match rule in CssRule().Matches(css))
        {
            if (!HidingStyle().IsMatch(rule.Groups["body"].Value))
                continue;
            try
            {
                foreach (var element in document.QuerySelectorAll(rule.Groups["selector"].Value.Trim()))
                    hidden.Add(element);
            }
            catch (DomException)
            {
                // A selector that the parser does not know hides nothing here.
            }
        }
    }

    /// <summary>Joins white space as a browser does; a line break of the source between two CJK characters leaves no space.</summary>
    internal static string Collapse(string text)
    {
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (!IsCollapsible(text[i]))
            {
                result.Append(text[i] == '\u00A0' ? ' ' : text[i]);
                continue;
            }

            int start = i;
            bool lineBreak = false, sourceBreak = false;
            for (; i < text.Length && IsCollapsible(text[i]); i++)
            {
                lineBreak |= text[i] == LineBreak;
                sourceBreak |= text[i] is '\n' or '\r';
            }

            if (lineBreak)
                result.Append('\n');
            else if (!(sourceBreak && start > 0 && i < text.Length && CjkText.IsCjk(text[start - 1]) && CjkText.IsCjk(text[i])))
                result.Append(' ');
            i--;
        }

        return result.ToString().Trim(' ', '\n');
    }

    private static bool IsCollapsible(char c) => c is ' ' or '\t' or '\n' or '\r' or '\f' or LineBreak;

    [GeneratedRegex(
        @"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|opacity\s*:\s*0*\.?0+\s*(;|!|$)"
        + @"|font-size\s*:\s*0*\.?0+[a-z%]*\s*(;|!|$)|(^|[;\s])color\s*:\s*transparent",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex HidingStyle();

    [GeneratedRegex(@"/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex CssComment();

    [GeneratedRegex(@"(?<=^|\}|;)(?<selector>[^{}@;]+)\{(?<body>[^{}]*)\}(?!\s*\})")]
    private static partial Regex CssRule();

    [GeneratedRegex(@"^\s*\d+\. \s*$")]
    private static partial Regex OrderedMarker();
}
