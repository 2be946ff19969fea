using System.Text;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;
using Kotonoha.Foundation.Text;

namespace Kotonoha.Readers;

/// <summary>Walks an HTML tree and hands its visible text to an <see cref="ExtractedTextBuilder"/>.</summary>
internal sealed class HtmlTextExtractor
{
    private const char LineBreak = '\v'; // <br>, told apart from line breaks of the source until the block is complete

    private static readonly HashSet<string> Dropped = new(StringComparer.OrdinalIgnoreCase)
    {
        "style", "noscript", "template", "head", "nav", "iframe", "object", "embed", "svg", "canvas", "audio", "video",
        "select", "option", "datalist", "button", "textarea", "rt", "rp", "rtc", "s", "del", "strike",
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
    private readonly HidingRules _hiding;
    private readonly CancellationToken _cancellationToken;
    private readonly StringBuilder _inline = new();
    private BlockKind _kind = BlockKind.Paragraph;
    private bool _invisible;
    private string _marker = "";
    private int _listDepth = -1; // how many lists the present one lies in
    private string _outerNumber = ""; // of the numbered items around the present one: 3.1

    private HtmlTextExtractor(ExtractedTextBuilder builder, string name, HidingRules hiding, CancellationToken cancellationToken)
        => (_builder, _name, _hiding, _cancellationToken) = (builder, name, hiding, cancellationToken);

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
        if (document.Body is { } body)
        {
            var extractor = new HtmlTextExtractor(builder, name, new HidingRules(document), cancellationToken);
            if (extractor.IsShown(body))
                extractor.Inside(body, () => extractor.Walk(body, 0));
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
        int number = parent is IElement list ? FirstNumber(list) : 1;
        for (var node = parent.FirstChild; node is not null; node = node.NextSibling)
        {
            if (node is IText text && IsTextShown(parent))
            {
                _inline.Append(text.Data);
            }
            else if (node is IElement element && IsShown(element))
            {
                var outer = _outerNumber;
                if (element.LocalName == "li")
                    _marker = Marker(element, ref number);
                Inside(element, () => WalkElement(element, depth + 1));
                _outerNumber = outer;
            }
        }
    }

    /// <summary>The number of a list's first item.</summary>
    private static int FirstNumber(IElement list)
    {
        if (int.TryParse(list.GetAttribute("start"), out int first))
            return first;
        return list.LocalName == "ol" && list.HasAttribute("reversed") ? list.Children.Count(child => child.LocalName == "li") : 1;
    }

    /// <summary>What stands before an item, as the list counts; a number within a numbered item shows both: 3.1.</summary>
    private string Marker(IElement item, ref int number)
    {
        if (int.TryParse(item.GetAttribute("value"), out int value))
            number = value;
        var list = item.ParentElement;
        if (list is null)
            return "";
        bool ordered = list.LocalName == "ol";
        var style = HidingRules.ListStyle(item) ?? HidingRules.ListStyle(list);
        var type = style ?? item.GetAttribute("type") ?? list.GetAttribute("type");
        int own = number;
        number = unchecked(ordered && list.HasAttribute("reversed") ? number - 1 : number + 1);
        if (style is null ? !ordered : style is "none" or "disc" or "circle" or "square" || (!ordered && style is "inherit" or "initial"))
            return "";
        var text = ListNumbers.Html(own, type);
        if (!text.All(char.IsAsciiDigit))
            return text + ". ";
        _outerNumber += (_outerNumber.Length > 0 ? "." : "") + text;
        return _outerNumber + ". ";
    }

    /// <summary>Does something inside an element, whose visibility is that of its text.</summary>
    private void Inside(IElement element, Action action)
    {
        bool outer = _invisible;
        _invisible = _hiding.IsInvisible(element, outer);
        action();
        _invisible = outer;
    }

    private bool IsTextShown(INode parent) => !_invisible && !(parent is IElement element && _hiding.HasNoSize(element));

    private void WalkElement(IElement element, int depth)
    {
        switch (element.LocalName)
        {
            case "br":
                _inline.Append(LineBreak);
                break;
            case "math" or "script":
                if (!_invisible)
                    _inline.Append(FormulaOf(element));
                break;
            case "img" or "input":
                if (!_invisible)
                    AppendStandIn(element, _inline);
                break;
            case "sup" when _inline.Length > 0 && LinearText.WouldJoinNumber(_inline[^1], element.TextContent):
                _inline.Append('^');
                Walk(element, depth);
                break;
            case "q":
                _inline.Append('“');
                Walk(element, depth);
                _inline.Append('”');
                break;
            case "h1" or "h2" or "h3" or "h4" or "h5" or "h6":
                Flush();
                _builder.AddHeading(element.LocalName[1] - '0', InlineText(element, depth));
                break;
            case "pre" or "xmp" or "listing":
                Flush();
                _builder.Add(BlockKind.Code, Verbatim(element, depth));
                break;
            case "table":
                Flush();
                AddTable(element, depth);
                break;
            case "li":
                Flush();
                if (!_invisible)
                    _inline.Append(_marker);
                WalkBlock(element, BlockKind.ListItem, depth);
                break;
            case "dl":
                Flush();
                EndOuterList();
                WalkDefinitions(element, depth);
                EndOuterList();
                break;
            case "dt" or "dd":
                WalkBlock(element, BlockKind.ListItem, depth);
                break;
            case "ul" or "ol" or "menu" or "dir":
                Flush();
                EndOuterList();
                _listDepth++;
                WalkBlock(element, BlockKind.Paragraph, depth);
                _listDepth--;
                EndOuterList();
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

    private void EndOuterList()
    {
        if (_listDepth < 0 && _kind != BlockKind.ListItem)
            _builder.EndList();
    }

    /// <summary>Adds a list of definitions, each with its terms: <c>Term: definition</c>.</summary>
    private void WalkDefinitions(IElement list, int depth)
    {
        if (depth > DocumentLimits.MaxNestingDepth)
            throw TooDeep(_name);
        var terms = new List<string>();
        bool areDefined = false;
        // Groups of terms and definitions may stand in elements of their own.
        foreach (var part in VisibleChildren(list).SelectMany(child => child.LocalName == "div" ? VisibleChildren(child) : [child]))
        {
            if (part.LocalName == "dt")
            {
                if (areDefined)
                    terms.Clear();
                areDefined = false;
                if (InlineText(part, depth).TrimEnd(':', '：', ' ') is { Length: > 0 } term)
                    terms.Add(term);
                continue;
            }

            if (part.LocalName == "dd")
            {
                areDefined = true;
                _marker = terms.Count > 0 ? string.Join(", ", terms) + ": " : "";
                if (!_invisible)
                    _inline.Append(_marker);
            }

            Inside(part, () => WalkItem(part, depth + 1));
        }

        if (!areDefined)
            terms.ForEach(term => _builder.Add(BlockKind.ListItem, term));

        void WalkItem(IElement part, int level)
        {
            var outer = _kind;
            _kind = BlockKind.ListItem;
            Walk(part, level);
            Flush();
            _kind = outer;
        }
    }

    /// <summary>What stands for an image, or whether a box in a list or table is ticked.</summary>
    private static void AppendStandIn(IElement element, StringBuilder text)
    {
        if (element.LocalName == "input")
        {
            if (element.GetAttribute("type") is { } type && type.Equals("checkbox", StringComparison.OrdinalIgnoreCase)
                && element.Closest("li, td, th, dd, dt") is not null)
                text.Append(element.HasAttribute("checked") ? "[x] " : "[ ] ");
            return;
        }

        if (element.GetAttribute("alt") is not { } alt || string.IsNullOrWhiteSpace(alt))
            return;
        if (text.Length > 0 && char.IsLetterOrDigit(text[^1]))
            text.Append(' ');
        text.Append(alt);
        if (element.NextSibling?.TextContent is [var next, ..] && char.IsLetterOrDigit(next))
            text.Append(' ');
    }

    private void WalkBlockKeepingMarker(IElement element, int depth)
    {
        if (!IsMarkerAlone())
            Flush();
        Walk(element, depth);
        Flush();
    }

    private bool IsMarkerAlone() => _marker.Length > 0 && _inline.ToString().Trim() == _marker.Trim();

    /// <summary>MathML, or the TeX that a script of MathJax draws.</summary>
    private static string FormulaOf(IElement element) => element.LocalName == "math" ? MathMl.Linear(element) : element.TextContent.Trim();

    private void Flush()
    {
        if (_inline.Length == 0)
            return;
        _builder.Add(_kind, Collapse(_inline.ToString()), depth: Math.Max(_listDepth, 0));
        _inline.Clear();
    }

    private void AddTable(IElement table, int depth)
    {
        var grid = new TableGrid();
        bool isHead = false;
        foreach (var part in VisibleChildren(table))
        {
            if (part.LocalName == "caption")
                _builder.Add(BlockKind.Paragraph, InlineText(part, depth));
            else if (part.LocalName == "tr")
                AddRow(part);
            else if (part.LocalName is "thead" or "tbody" or "tfoot")
            {
                isHead = part.LocalName == "thead";
                Inside(part, () => AddRows(part));
            }
        }

        grid.WriteTo(_builder);

        void AddRows(IElement group)
        {
            foreach (var row in VisibleChildren(group))
                AddRow(row);
            grid.EndGroup();
        }

        void AddRow(IElement row)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            var cells = VisibleChildren(row).ToList();
            grid.BeginRow(isHead || (cells.Count > 1 && cells.TrueForAll(cell
                => cell.LocalName == "th" && cell.GetAttribute("scope") is not ("row" or "rowgroup"))));
            Inside(row, () =>
            {
                foreach (var cell in cells)
                    grid.Add(InlineText(cell, depth + 3), Span(cell, "colspan", 1), Span(cell, "rowspan", 0), IsLabel(cell));
            });
            grid.EndRow();
        }

        static bool IsLabel(IElement cell)
            => cell.LocalName == "th" || (cell is { Children: [{ LocalName: "b" or "strong" } bold] }
                && bold.TextContent.AsSpan().Trim().SequenceEqual(cell.TextContent.AsSpan().Trim()));

        static int Span(IElement cell, string attribute, int least)
            => int.TryParse(cell.GetAttribute(attribute), out int span) && span >= least ? Math.Min(span, 65_534) : 1;
    }

    private IEnumerable<IElement> VisibleChildren(IElement parent) => parent.Children.Where(IsShown);

    /// <summary>The text of an element as one run; blocks inside it are separated by spaces.</summary>
    private string InlineText(IElement element, int depth)
    {
        var text = new StringBuilder();
        Inside(element, () => Append(element, depth));
        return Collapse(text.ToString());

        void Append(INode parent, int level)
        {
            if (level > DocumentLimits.MaxNestingDepth)
                throw TooDeep(_name);
            for (var node = parent.FirstChild; node is not null; node = node.NextSibling)
            {
                if (node is IText run && IsTextShown(parent))
                {
                    text.Append(run.Data);
                }
                else if (node is IElement { LocalName: "math" or "script" } formula && IsShown(formula))
                {
                    text.Append(_invisible ? "" : FormulaOf(formula));
                }
                else if (node is IElement { LocalName: "img" or "input" } standIn && IsShown(standIn))
                {
                    if (!_invisible)
                        AppendStandIn(standIn, text);
                }
                else if (node is IElement child && IsShown(child))
                {
                    bool apart = child.LocalName == "br" || BlockElements.Contains(child.LocalName);
                    if (apart)
                        text.Append(' ');
                    else if (child.LocalName == "sup" && text.Length > 0 && LinearText.WouldJoinNumber(text[^1], child.TextContent))
                        text.Append('^');
                    Inside(child, () => Append(child, level + 1));
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
                if (node is IText run && IsTextShown(parent))
                    text.Append(run.Data);
                else if (node is IElement { LocalName: "br" })
                    text.Append('\n');
                else if (node is IElement child && IsShown(child))
                    Inside(child, () => Append(child, level + 1));
            }
        }
    }

    /// <summary>Whether an element is there for a reader; its text may be invisible all the same.</summary>
    private bool IsShown(IElement element)
    {
        if (element.LocalName == "script")
            return element.GetAttribute("type") is { } type && type.StartsWith("math/tex", StringComparison.OrdinalIgnoreCase);
        if (Dropped.Contains(element.LocalName) || (element.LocalName == "dialog" && !element.HasAttribute("open")))
            return false;
        // "until-found" waits for a search, and this is one.
        if (element.GetAttribute("hidden") is { } hidden && !hidden.Equals("until-found", StringComparison.OrdinalIgnoreCase))
            return false;
        if (_hiding.IsGone(element) || element.GetAttribute("aria-hidden") == "true" || element.GetAttribute("role") == "navigation")
            return false;
        // Numbers and arrows of footnotes are not part of the sentence that they are attached to.
        return !(element.LocalName == "a" && element.GetAttribute("class") is "footnote-ref" or "footnote-back-ref");
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
}
