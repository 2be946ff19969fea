using AngleSharp.Dom;

namespace Kotonoha.Readers;

/// <summary>What a page says about the visibility of its elements: the <c>style</c> attribute and the plain rules of its style
/// sheets.</summary>
/// <remarks>
/// Only what is certain counts. <c>display: none</c> hides an element with all inside; <c>visibility</c> is inherited, and elements inside
/// may be visible again; a font of size 0 hides the text right inside the element. What is struck out, or moved far beyond the edge of the
/// screen (by its position or its indentation; margins move what padding brings back), is not there for a reader either, with all inside.
/// Opacity and colours hide nothing, since scripts and backgrounds undo them. Where two rules of style sheets disagree, nothing is hidden.
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
    {
        var own = Own(element);
        var rule = _rules.GetValueOrDefault(element);
        return Holds(own.Gone, rule.Gone) || Holds(own.Struck, rule.Struck) || Holds(own.Outdented, rule.Outdented)
            || (Holds(own.FarOff, rule.FarOff) && Holds(own.Positioned, rule.Positioned));
    }

    /// <summary>Whether the text of an element cannot be seen.</summary>
    /// <param name="element">The element.</param>
    /// <param name="inherited">Whether that of the element around it cannot.</param>
    internal bool IsInvisible(IElement element, bool inherited)
    {
        var own = Own(element).Invisible;
        var rule = _rules.GetValueOrDefault(element).Invisible;
        return own == Claim.None && rule == Claim.None ? inherited : Holds(own, rule);
    }

    /// <summary>Whether the text right inside an element has no size.</summary>
    internal bool HasNoSize(IElement element)
        => Holds(Own(element).NoSize, _rules.GetValueOrDefault(element).NoSize);

    /// <summary>The <c>list-style-type</c> of an element's own style, or null.</summary>
    internal static string? ListStyle(IElement element)
        => element.GetAttribute("style") is { } style ? Parse(style).ListStyle : null;

    /// <summary>Whether something is so by an element's own style or, where that does not say, by the rules for it.</summary>
    private static bool Holds(Claim own, Claim rule) => (own == Claim.None ? rule : own) == Claim.Yes;

    private static Claim Says(bool value) => value ? Claim.Yes : Claim.No;

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
                    result = result with { Gone = Says(value == "none") };
                    break;
                case "visibility":
                    result = result with { Invisible = Says(value is "hidden" or "collapse") };
                    break;
                case "font-size":
                    result = result with { NoSize = Says(IsZero(value)) };
                    break;
                case "text-decoration" or "text-decoration-line":
                    result = result with { Struck = Says(value.Contains("line-through", StringComparison.Ordinal)) };
                    break;
                case "left" or "right" or "top" or "bottom":
                    result = result with { FarOff = Says(result.FarOff == Claim.Yes || IsFarAway(value)) };
                    break;
                case "position":
                    result = result with { Positioned = Says(value is "absolute" or "fixed" or "relative") };
                    break;
                case "text-indent":
                    result = result with { Outdented = Says(IsFarAway(value)) };
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

    /// <summary>Whether a length leads beyond any screen, as <c>-9999px</c> does.</summary>
    private static bool IsFarAway(string length)
        => length is ['-', .. var rest] && rest.TrimEnd("abcdefghijklmnopqrstuvwxyz".ToCharArray()) is var number && rest != number
            && double.TryParse(number, System.Globalization.CultureInfo.InvariantCulture, out double value)
            && (value >= 1000 || (value >= 100 && rest.EndsWith("em", StringComparison.Ordinal)));

    private static bool IsZero(string size)
    {
        var number = size.TrimEnd("abcdefghijklmnopqrstuvwxyz%".ToCharArray());
        return double.TryParse(number, System.Globalization.CultureInfo.InvariantCulture, out double value) && value == 0;
    }

    /// <summary>What rules say about one property: nothing, one thing, or one this and another that.</summary>
    private enum Claim
    {
        None,
        No,
        Yes,
        Contradicted,
    }

    /// <summary>What one or several rules say.</summary>
    private readonly record struct Declarations(
        Claim Gone, Claim FarOff, Claim Positioned, Claim Outdented, Claim Struck, Claim Invisible, Claim NoSize, string? ListStyle)
    {
        internal bool IsEmpty => this with { ListStyle = null } == default;

        internal Declarations And(Declarations other) => new(
            Both(Gone, other.Gone), Both(FarOff, other.FarOff), Both(Positioned, other.Positioned), Both(Outdented, other.Outdented),
            Both(Struck, other.Struck), Both(Invisible, other.Invisible), Both(NoSize, other.NoSize), null);

        private static Claim Both(Claim one, Claim other)
            => one == Claim.None || one == other ? other : other == Claim.None ? one : Claim.Contradicted;
    }
}
