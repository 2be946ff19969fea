namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Escaping as MarkupSafe does it.</summary>
internal static class Html
{
    /// <summary>Escapes what does not count as escaped yet.</summary>
    public static PyString Escape(PyString text, Meter meter)
    {
        if (text.IsMarkup)
            return text;
        var source = text.Text;
        if (source.AsSpan().IndexOfAny("&<>\"'") < 0)
            return text.AsMarkup();
        var builder = new TextBuilder(meter);
        for (int i = 0; i < source.Length; i++)
        {
            var escaped = source[i] switch { '&' => "&amp;", '<' => "&lt;", '>' => "&gt;", '"' => "&#34;", '\'' => "&#39;", _ => null };
            if (escaped is null)
                builder.Append(text, i, i + 1);
            else
                builder.Append(escaped, text.IsData(i));
        }

        return builder.ToText(isMarkup: true);
    }

    /// <summary>Without comments and tags, white space as one blank, the common entities as their characters.</summary>
    public static PyString StripTags(PyString text, Meter meter)
    {
        var source = text.Text;
        var plain = new TextBuilder(meter);
        for (int at = 0; at < source.Length;)
        {
            int open = source.IndexOf('<', at);
            if (open < 0)
            {
                plain.Append(text, at, source.Length);
                break;
            }

            plain.Append(text, at, open);
            bool comment = string.CompareOrdinal(source, open, "<!--", 0, 4) == 0;
            int close = comment ? source.IndexOf("-->", open, StringComparison.Ordinal) : source.IndexOf('>', open);
            if (close < 0)
            {
                plain.Append(text, open, source.Length);
                break;
            }

            at = close + (comment ? 3 : 1);
        }

        return Unescape(Blanks(plain.ToText(), meter), meter);
    }

    private static PyString Blanks(PyString text, Meter meter)
    {
        var builder = new TextBuilder(meter);
        bool first = true;
        foreach (var word in StringMethods.SplitWhite(text, -1))
        {
            if (!first)
                builder.Append(' ');
            first = false;
            builder.Append(word);
        }

        return builder.ToText();
    }

    private static PyString Unescape(PyString text, Meter meter)
    {
        var source = text.Text;
        if (!source.Contains('&', StringComparison.Ordinal))
            return text;
        var builder = new TextBuilder(meter);
        for (int at = 0; at < source.Length;)
        {
            int end = source[at] == '&' ? source.IndexOf(';', at, Math.Min(12, source.Length - at)) : -1;
            if (end > 0)
            {
                var name = source[at..(end + 1)];
                var character = System.Net.WebUtility.HtmlDecode(name);
                if (character != name)
                {
                    builder.Append(character, text.IsData(at));
                    at = end + 1;
                    continue;
                }
            }

            builder.Append(text, at, at + 1);
            at++;
        }

        return builder.ToText();
    }
}
