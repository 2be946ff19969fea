using System.Text.RegularExpressions;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The filter <c>urlize</c>: addresses in a text become links.</summary>
internal static class Urlizer
{
    private static readonly Regex Address = Linear(
        @"^((https?://|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59})|([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil)"
        + @"|(https?://)((([\d]{1,3})(\.[\d]{1,3}){3})|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}\])))(?::[\d]{1,5})?(?:[/?#]\S*)?\z");

    private static readonly Regex Mail = Linear(@"^\S+@\w[\w.-]*\.\w+\z");
    private static readonly Regex Scheme = Linear(@"^([\w.+-]{2,}:(/){0,2})\z");

    public static object Urlize(Rendering run, object?[] a)
    {
        var text = Html.Escape(a[0] as PyString ?? Python.Str(a[0]!, run.Meter), run.Meter).Text;
        long limit = a[1] is null or PyNone ? long.MaxValue : StringMethods.Integer(a[1]!);
        var rel = new SortedSet<string>(StringComparer.Ordinal) { "noopener" };
        if (a[2] is { } nofollow && Python.IsTrue(nofollow))
            rel.Add("nofollow");
        if (a[4] is PyString given)
            rel.UnionWith(given.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        var attributes = $" rel=\"{Html.Escape(new PyString(string.Join(' ', rel)), run.Meter).Text}\""
            + (a[3] is PyString { Text.Length: > 0 } target ? $" target=\"{Html.Escape(target, run.Meter).Text}\"" : "");
        var schemes = a[5] is null or PyNone ? [] : Python.ToList(a[5]!, run.Meter).Select(s => StringMethods.Text(s).Text).ToList();
        foreach (var scheme in schemes)
            if (!Scheme.IsMatch(scheme))
                throw Fail.Value($"'{scheme}' is not a valid URI scheme prefix.");
        var result = new TextBuilder(run.Meter);
        bool data = a[0] is PyString { Data: not null };
        for (int at = 0; at < text.Length;)
        {
            bool blank = PyChar.IsSpace(text[at]);
            int end = at;
            while (end < text.Length && PyChar.IsSpace(text[end]) == blank)
                end++;
            result.Append(blank ? text[at..end] : Word(text[at..end], limit, attributes, schemes), data);
            at = end;
        }

        return result.ToText(run.Autoescape);
    }

    private static string Word(string word, long limit, string attributes, List<string> schemes)
    {
        string Trimmed(string url) => url.Length > limit ? url[..(int)Math.Max(0, limit)] + "..." : url;
        int start = 0;
        while (Opening(word, start) is > 0 and var width)
            start += width;
        var (head, middle, tail) = (word[..start], word[start..], "");
        int stop = middle.Length;
        while (Closing(middle, stop) is > 0 and var width)
            stop -= width;
        (middle, tail) = (middle[..stop], middle[stop..]);
        foreach (var (open, close) in ((string, string)[])[("(", ")"), ("<", ">"), ("&lt;", "&gt;")])
        {
            int opened = Count(middle, open);
            if (opened <= Count(middle, close))
                continue;
            for (int i = Math.Min(opened, Count(tail, close)); i > 0; i--)
            {
                int behind = tail.IndexOf(close, StringComparison.Ordinal) + close.Length;
                middle += tail[..behind];
                tail = tail[behind..];
            }
        }

        if (Address.IsMatch(middle))
        {
            var url = middle.StartsWith("https://", StringComparison.Ordinal) || middle.StartsWith("http://", StringComparison.Ordinal) ? middle : "https://" + middle;
            middle = $"<a href=\"{url}\"{attributes}>{Trimmed(middle)}</a>";
        }
        else if (middle.StartsWith("mailto:", StringComparison.Ordinal) && Mail.IsMatch(middle[7..]))
        {
            middle = $"<a href=\"{middle}\">{middle[7..]}</a>";
        }
        else if (middle.Contains('@', StringComparison.Ordinal) && !middle.StartsWith("www.", StringComparison.Ordinal) && !middle.StartsWith('@')
            && !middle.Contains(':', StringComparison.Ordinal) && Mail.IsMatch(middle))
        {
            middle = $"<a href=\"mailto:{middle}\">{middle}</a>";
        }
        else
        {
            foreach (var scheme in schemes)
                if (middle != scheme && middle.StartsWith(scheme, StringComparison.Ordinal))
                    middle = $"<a href=\"{middle}\"{attributes}>{middle}</a>";
        }

        return head + middle + tail;
    }

    private static int Opening(string word, int at)
        => at < word.Length && word[at] is '(' or '<' ? 1 : string.CompareOrdinal(word, at, "&lt;", 0, 4) == 0 ? 4 : 0;

    private static int Closing(string word, int end)
        => end > 0 && word[end - 1] is ')' or '>' or '.' or ',' ? 1 : end >= 4 && string.CompareOrdinal(word, end - 4, "&gt;", 0, 4) == 0 ? 4 : 0;

    // No text makes these take more than linear time.
    private static Regex Linear(string pattern) => new(pattern, RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);

    private static int Count(string text, string part) => text.AsSpan().Count(part);
}
