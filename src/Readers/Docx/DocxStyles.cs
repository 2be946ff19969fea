using System.Xml.Linq;

namespace Kotonoha.Readers;

/// <summary>What the styles of a Word document say about its paragraphs and runs.</summary>
internal sealed class DocxStyles
{
    private const int MaxChain = 32;

    private readonly Dictionary<string, XElement> _styles = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Style, string Property), XElement?> _runProperties = [];
    private readonly XElement? _defaults;
    private readonly string? _defaultParagraph;

    internal DocxStyles(XElement? styles)
    {
        _defaults = styles.Child("docDefaults").Child("rPrDefault").Child("rPr");
        foreach (var style in styles.Children("style"))
        {
            if (style.Attr("styleId") is not { } id)
                continue;
            _styles[id] = style;
            if (style.Attr("type") == "paragraph" && style.Attr("default") is "1" or "true" or "on")
                _defaultParagraph = id;
        }
    }

    /// <summary>A style and those it is based on.</summary>
    internal IEnumerable<XElement> Chain(string? styleId)
    {
        for (int i = 0; i < MaxChain && styleId is not null && _styles.TryGetValue(styleId, out var style); i++)
        {
            yield return style;
            styleId = style.Child("basedOn").Val();
        }
    }

    /// <summary>1 to 6 for a heading, 0 for the title of the document, null for other paragraphs.</summary>
    internal int? HeadingLevel(XElement? properties, string? styleId)
    {
        if (properties.Child("outlineLvl").Number() is { } own)
            return own is >= 0 and <= 8 ? Math.Min(own + 1, 6) : null;
        foreach (var style in Chain(styleId))
        {
            if (style.Child("pPr").Child("outlineLvl").Number() is { } outline)
                return outline is >= 0 and <= 8 ? Math.Min(outline + 1, 6) : null;
            var name = style.Child("name").Val();
            if (string.Equals(name, "Title", StringComparison.OrdinalIgnoreCase))
                return 0; // above every heading
            if (name is not null && name.StartsWith("heading ", StringComparison.OrdinalIgnoreCase)
                && int.TryParse(name.AsSpan(8), out int level))
                return Math.Clamp(level, 1, 6);
        }

        // A document without style definitions still says "Heading2" in its paragraphs.
        if (styleId is not null && !_styles.ContainsKey(styleId))
        {
            if (styleId == "Title")
                return 0;
            if (styleId.StartsWith("Heading", StringComparison.OrdinalIgnoreCase) && int.TryParse(styleId.AsSpan(7), out int level))
                return Math.Clamp(level, 1, 6);
        }

        return null;
    }

    internal bool IsCode(string? styleId)
        => Chain(styleId).Any(style => style.Child("name").Val() is { } name
            && (name.Contains("code", StringComparison.OrdinalIgnoreCase)
                || name.Contains("preformatted", StringComparison.OrdinalIgnoreCase)));

    /// <summary>Whether text is left out, as hidden or struck out by its own properties or by its styles.</summary>
    /// <param name="run">The properties of the run (or of a paragraph's mark), or null.</param>
    /// <param name="paragraphStyle">The style of its paragraph.</param>
    internal bool IsLeftOut(XElement? run, string? paragraphStyle)
    {
        paragraphStyle ??= _defaultParagraph;
        var runStyle = run.Child("rStyle").Val();
        if (Effective(run, paragraphStyle, runStyle, "vanish") || Effective(run, paragraphStyle, runStyle, "webHidden")
            || Effective(run, paragraphStyle, runStyle, "strike") || Effective(run, paragraphStyle, runStyle, "dstrike"))
            return true;
        var size = run.Child("sz") ?? OfStyle(runStyle, "sz") ?? OfStyle(paragraphStyle, "sz");
        return size.Val() is "0" or "1";
    }

    /// <summary>Whether a toggle property is on: what the text says itself decides; else the styles, which undo each other (ECMA-376,
    /// 17.7.3).</summary>
    private bool Effective(XElement? run, string? paragraphStyle, string? runStyle, string property)
    {
        if (run.Child(property).Toggle() is { } own)
            return own;
        if (_defaults.Child(property).Toggle() == true)
            return true;
        return (OfStyle(paragraphStyle, property).Toggle() ?? false) != (OfStyle(runStyle, property).Toggle() ?? false);
    }

    private XElement? OfStyle(string? styleId, string property)
    {
        if (styleId is null)
            return null;
        if (!_runProperties.TryGetValue((styleId, property), out var found))
            _runProperties[(styleId, property)] = found = Chain(styleId).Select(style => style.Child("rPr").Child(property))
                .FirstOrDefault(element => element is not null);
        return found;
    }
}
