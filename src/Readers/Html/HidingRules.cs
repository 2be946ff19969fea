using AngleSharp.Dom;

namespace Kotonoha.Readers;

/// <summary>What a page says about the visibility of its elements: the <c>style</c> attribute and the plain rules of its style
/// sheets.</summary>
/// <remarks>
/// Only what is certain counts. <c>display: none</c> hides an element with all inside; <c>visibility</c> is inherited, and elements inside
/// may be visible again; a font of size 0 hides the text right inside the element. Opacity and colours hide nothing, since scripts and
/// backgrounds undo them. Where two rules of style sheets disagree, nothing is hidden.
/// </remarks>
internal sealed class HidingRules
{
    private readonly Dictionary<IElement, Declarations> _rules = [];

    internal HidingRules(IDocument document)
    {
        foreach (var style in document.QuerySelectorAll("style"))
            if (style.GetAttribute("media") is null or "" or "all" or "screen")
                AddSheet(document, style.TextContent.AsSpan());
    }

    /// <summary>Whether an element is not there at all.</summary>
    internal bool IsGone(IElement element)
        => Own(element).Gone ?? (_rules.TryGetValue(element, out var rule) && rule.Gone == true && !rule.GoneContradicted);

    /// <summary>Whether the text of an element cannot be seen.</summary>
    /// <param name="element">The element.</param>
    /// <param name="inherited">Whether that of the element around it cannot.</param>
    internal bool IsInvisible(IElement element, bool inherited)
        => Own(element).Invisible
            ?? (_rules.TryGetValue(element, out var rule) ? rule.Invisible is { } set && !rule.InvisibleContradicted
                ? set
                : inherited && rule.Invisible is null
                : inherited);

    /// <summary>Whether the text right inside an element has no size.</summary>
    internal bool HasNoSize(IElement element)
        => Own(element).NoSize ?? (_rules.TryGetValue(element, out var rule) && rule.NoSize == true && !rule.NoSizeContradicted);

    /// <summary>The <c>list-style-type</c> of an element's own style, or null.</summary>
    internal static string? ListStyle(IElement element)
        => element.GetAttribute("style") is { } style ? Parse(style).ListStyle : null;

    private static Declarations Own(IElement element) => element.GetAttribute("style") is { } style ? Parse(style) : default;

    /// <summary>Applies the rules of a style sheet; those for certain media or states of the browser are passed over.</summary>
    private void AddSheet(IDocument document, ReadOnlySpan<char> css)
    {
        var text = WithoutComments(css);
        for (int at = 0; at < text.Length;)
        {
            int stop = text.AsSpan(at).IndexOfAny('{', '}', ';') is >= 0 and var found ? at + found : text.Length;
            var prelude = text[at..stop].Trim();
            at = stop + 1;
            if (stop >= text.Length || text[stop] != '{')
                continue;
            int end = BlockEnd(text, at);
            var body = text[at..end];
            at = end + 1;
            if (prelude.StartsWith("@media", StringComparison.OrdinalIgnoreCase) && prelude["@media".Length..].Trim() is "all" or "screen")
                AddSheet(document, body);
            else if (!prelude.StartsWith('@') && Parse(body) is { IsEmpty: false } declarations)
                Apply(document, prelude, declarations);
        }
    }

    private void Apply(IDocument document, string selector, Declarations declarations)
    {
        try
        {
            foreach (var element in document.QuerySelectorAll(selector))
                _rules[element] = _rules.TryGetValue(element, out var before) ? before.And(declarations) : declarations;
        }
        catch (DomException)
        {
            // A selector that the parser does not know hides nothing here.
        }
    }

    private static string WithoutComments(ReadOnlySpan<char> css)
    {
        var text = new System.Text.StringBuilder(css.Length);
        while (css.IndexOf("/*") is >= 0 and var start)
        {
            text.Append(css[..start]);
            int end = css[(start + 2)..].IndexOf("*/");
            css = end < 0 ? [] : css[(start + end + 4)..];
        }

        return text.Append(css).ToString();
    }

    private static int BlockEnd(string text, int at)
    {
        for (int depth = 1; at < text.Length; at++)
        {
            depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
            if (depth == 0)
                return at;
        }

        return text.Length;
    }

    private static Declarations Parse(string style)
    {
        var result = default(Declarations);
        foreach (var part in style.AsSpan().Split(';'))
        {
            var declaration = style.AsSpan()[part];
            int colon = declaration.IndexOf(':');
            if (colon < 0)
                continue;
            var name = declaration[..colon].Trim().ToString().ToLowerInvariant();
            var value = declaration[(colon + 1)..].Trim().ToString().ToLowerInvariant();
            if (value.IndexOf('!') is >= 0 and var important)
                value = value[..important].TrimEnd();
            switch (name)
            {
                case "display":
                    result = result with { Gone = value == "none" };
                    break;
                case "visibility":
                    result = result with { Invisible = value is "hidden" or "collapse" };
                    break;
                case "font-size":
                    result = result with { NoSize = IsZero(value) };
                    break;
                case "list-style-type":
                    result = result with { ListStyle = value };
                    break;
                case "list-style" when value == "none":
                    result = result with { ListStyle = value };
                    break;
            }
        }

        return result;
    }

    private static bool IsZero(string size)
    {
        var number = size.TrimEnd("abcdefghijklmnopqrstuvwxyz%".ToCharArray());
        return double.TryParse(number, System.Globalization.CultureInfo.InvariantCulture, out double value) && value == 0;
    }

    /// <summary>What one or several rules say; null for nothing.</summary>
    private readonly record struct Declarations(bool? Gone, bool? Invisible, bool? NoSize, string? ListStyle)
    {
        internal bool GoneContradicted { get; private init; }

        internal bool InvisibleContradicted { get; private init; }

        internal bool NoSizeContradicted { get; private init; }

        internal bool IsEmpty => Gone is null && Invisible is null && NoSize is null;

        internal Declarations And(Declarations other) => new(other.Gone ?? Gone, other.Invisible ?? Invisible, other.NoSize ?? NoSize, null)
        {
            GoneContradicted = GoneContradicted || (Gone is { } gone && other.Gone is { } otherGone && gone != otherGone),
            InvisibleContradicted = InvisibleContradicted
                || (Invisible is { } invisible && other.Invisible is { } otherInvisible && invisible != otherInvisible),
            NoSizeContradicted = NoSizeContradicted || (NoSize is { } noSize && other.NoSize is { } otherNoSize && noSize != otherNoSize),
        };
    }
}
