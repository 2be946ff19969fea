using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Agents.Safety;

/// <summary>
/// Removes links and images from text whose hosts are not on a list: Markdown (inline, by reference, autolinks), HTML, and bare addresses,
/// also where they are written with entities, escapes, full-width or invisible characters.
/// </summary>
/// <remarks>
/// A picture that a chat window loads by itself carries data out with its address, and so does a link that is clicked. The text of a
/// removed link stays; relative links and anchors stay too. HTML that runs code or loads something whole (script, iframe, object …) is
/// always removed. Thread-safe.
/// </remarks>
internal sealed partial class LinkFilter(IReadOnlyCollection<string> allowedHosts)
{
    internal const string Removed = "[link removed]";

    private static readonly string[] ForbiddenTags =
        ["script", "iframe", "frame", "object", "embed", "applet", "meta", "base", "link", "style", "form", "portal"];

    // Names of HTML 5 that the decoder of HTML 4 does not know, of the characters that an address is written with.
    private static readonly Dictionary<string, string> Entities =
        ("colon : sol / bsol \\ period . commat @ quest ? num # percnt % equals = lowbar _ hyphen - dash - lpar ( rpar ) lsqb [ lbrack [ "
            + "rsqb ] rbrack ] excl !").Split(' ').Chunk(2).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);

    // Those that an address is read without.
    private static readonly string[] Unseen = ["Tab", "NewLine", "ZeroWidthSpace", "NoBreak", "InvisibleTimes", "InvisibleComma", "shy"];

    /// <summary>The text without the links that are not allowed, and how many those were.</summary>
    internal (string Text, int Count) Apply(string text)
    {
        int count = 0;
        text = RemoveInline(text, ref count);
        text = Tag().Replace(text, tag => IsForbidden(tag) ? Count("") : tag.Value);
        text = Definition().Replace(text, definition => IsDisallowed(definition.Groups["to"].Value) ? Count("") : definition.Value);
        // What is left is a bare address, which holds no blanks.
        text = Run().Replace(text, run => IsDisallowed(run.Value) ? Count(Removed) : run.Value);
        return (text, count);

        string Count(string replacement)
        {
            count++;
            return replacement;
        }
    }

    /// <summary>How far a text that is still being written can be let out: to the last blank line outside of anything open.</summary>
    internal static int SafeLength(string text)
    {
        for (int end = text.Length; end > 0;)
        {
            int at = text.LastIndexOf("\n\n", end - 1, StringComparison.Ordinal);
            if (at < 0)
                return 0;
            var before = text.AsSpan(0, at);
            if (before.LastIndexOf('<') <= before.LastIndexOf('>') && before.LastIndexOf("](") <= before.LastIndexOf(')'))
                return at + 2;
            end = at;
        }

        return 0;
    }

    private bool IsForbidden(Match tag)
        => ForbiddenTags.Contains(tag.Groups["name"].Value, StringComparer.OrdinalIgnoreCase) || IsDisallowed(tag.Value)
            || EventAttribute().IsMatch(tag.Value);

    /// <summary>Removes <c>[text](to)</c> and <c>![text](to)</c> and leaves the text.</summary>
    private string RemoveInline(string text, ref int count)
    {
        for (int from = 0; (from = text.IndexOf("](", from, StringComparison.Ordinal)) >= 0;)
        {
            int close = Close(text, from + 1);
            var to = text[(from + 2)..(close < 0 ? text.Length : close)];
            // An address that is not closed is none, unless something closes it later; it is gone either way.
            if (!IsDisallowed(to))
            {
                from += 2;
                continue;
            }

            int open = Open(text, from), start = open > 0 && text[open - 1] == '!' ? open - 1 : open;
            var label = open < 0 ? "" : text[(open + 1)..from];
            text = $"{text[..Math.Max(start, 0)]}{(open < 0 ? text[..from] : label)}{(close < 0 ? "" : text[(close + 1)..])}";
            from = Math.Max(start, 0);
            count++;
        }

        return text;
    }

    private static int Close(string text, int open)
    {
        int depth = 0;
        for (int i = open; i < text.Length; i++)
        {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '(')
                depth++;
            else if (text[i] == ')' && --depth == 0)
                return i;
        }

        return -1;
    }

    private static int Open(string text, int close)
    {
        int depth = 0;
        for (int i = close; i >= 0; i--)
        {
            if (text[i] == ']')
                depth++;
            else if (text[i] == '[' && --depth == 0)
                return i;
        }

        return -1;
    }

    /// <summary>Whether a piece of text holds an address that leads to a host that is not on the list.</summary>
    private bool IsDisallowed(string text)
    {
        // Some read a backslash as an escape, others as a slash.
        var plain = Decode(text);
        return Holds(Escape().Replace(plain, "$1")) || (plain.Contains('\\') && Holds(plain.Replace('\\', '/')));

        bool Holds(string decoded)
            => Code().IsMatch(decoded) || Address().Matches(decoded).Any(match => !IsAllowed(match));
    }

    private bool IsAllowed(Match address)
    {
        if (address.Groups["scheme"] is { Success: true, Value: var scheme } && scheme is not ("http" or "https"))
            return false;
        var host = address.Groups["host"].Value;
        // What stands before an at sign is a user's name, however much it looks like a host.
        host = host[(host.LastIndexOf('@') + 1)..];
        int port = host.IndexOf(':');
        host = (port < 0 ? host : host[..port]).TrimEnd('.');
        return host.Length > 0 && allowedHosts.Any(allowed => allowed.StartsWith("*.", StringComparison.Ordinal)
            ? host.Length > allowed.Length - 1 && host.EndsWith(allowed[1..], StringComparison.OrdinalIgnoreCase)
            : host.Equals(allowed, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>
    /// A text as those read it who follow its links: entities and percent signs decoded, compatible characters made plain, blanks and what
    /// cannot be seen left out.
    /// </summary>
    private static string Decode(string text)
    {
        for (int i = 0; i < 3; i++)
        {
            var next = WebUtility.HtmlDecode(NamedEntity().Replace(text, static entity => Unseen.Contains(entity.Groups[1].Value) ? ""
                : Entities.GetValueOrDefault(entity.Groups[1].Value, entity.Value)));
            next = next.Contains('%')
                ? Percent().Replace(next, static code => ((char)Convert.ToInt32(code.Groups[1].Value, 16)).ToString())
                : next;
            if (next == text)
                break;
            text = next;
        }

        var plain = new StringBuilder(text.Length);
        foreach (var rune in Normalizer.Normalize(text, NormalizationForm.FormKC).EnumerateRunes())
        {
            var category = Rune.GetUnicodeCategory(rune);
            if (category is not (System.Globalization.UnicodeCategory.Format or System.Globalization.UnicodeCategory.Control)
                && !Rune.IsWhiteSpace(rune)
                && rune.Value is not (0x34f or 0x115f or 0x1160 or 0x17b4 or 0x17b5 or 0x3164 or (>= 0xfe00 and <= 0xfe0f)))
                plain.Append(rune.ToString());
        }

        // An ideographic full stop between letters is a dot of a host's name.
        return Normalizer.FoldCase(IdeographicDot().Replace(plain.ToString(), "."));
    }

    // From a letter or "!" on, as browsers read it; a tag that never ends is one as well.
    [GeneratedRegex(@"<[\s/]*(?<name>[A-Za-z!?][A-Za-z0-9:]*)[^<>]*>?", RegexOptions.CultureInvariant)]
    private static partial Regex Tag();

    [GeneratedRegex(@"[\s/""']on[a-z]+\s*=", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex EventAttribute();

    [GeneratedRegex(@"^[ \t>]{0,20}\[[^\]\n]+\]:[ \t]*\n?[ \t]*(?<to>\S+)[^\n]*\n?",
        RegexOptions.CultureInvariant | RegexOptions.Multiline)]
    private static partial Regex Definition();

    [GeneratedRegex(@"[^\s「」『』（）、]+", RegexOptions.CultureInvariant)]
    private static partial Regex Run();

    [GeneratedRegex("&([A-Za-z]+);", RegexOptions.CultureInvariant)]
    private static partial Regex NamedEntity();

    [GeneratedRegex(@"\\([!-/:-@\[-`{-~])", RegexOptions.CultureInvariant)]
    private static partial Regex Escape();

    [GeneratedRegex("%([0-7][0-9A-Fa-f])", RegexOptions.CultureInvariant)]
    private static partial Regex Percent();

    [GeneratedRegex(@"(?<=[a-z0-9\p{L}])[。．｡](?=[a-z0-9])", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex IdeographicDot();

    [GeneratedRegex("(?:javascript|vbscript|data|blob|mailto|tel|sms|intent|ms-[a-z]+):(?=[^/ ])", RegexOptions.CultureInvariant)]
    private static partial Regex Code();

    // A scheme with slashes, slashes alone, "www.", or a host's name with a path or a query.
    [GeneratedRegex(@"(?<scheme>[a-z][a-z0-9+.\-]{1,30}):/+(?<host>[^/?#""'<>()\[\]{}|^`、。，]*)"
        + @"|(?<![:/a-z0-9])//(?<host>[^/?#""'<>()\[\]{}|^`、。，]+\.[^/?#""'<>()\[\]{}|^`、。，]+)"
        + @"|(?<![a-z0-9.\-])(?<host>www\d{0,3}\.[a-z0-9.\-\p{L}]+)"
        + @"|(?<![a-z0-9.\-@/])(?<host>(?:[a-z0-9\p{L}\-]+\.)+[a-z]{2,24}(?::\d+)?)(?=[/?])", RegexOptions.CultureInvariant)]
    private static partial Regex Address();
}
