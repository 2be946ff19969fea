using System.Globalization;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Python's <c>str.format</c> in the sandbox: attributes and items of fields are looked up as templates do.</summary>
internal static class BraceFormat
{
    private const int MaxNesting = 2;

    public static PyString Format(PyString format, PyTuple values, List<(string Name, object Value)> named, Rendering run)
    {
        object? Named(string name) => named.FirstOrDefault(n => n.Name == name).Value;
        return new Formatter(run, values.Items, Named).Run(format, MaxNesting);
    }

    public static PyString Format(PyString format, object mapping, Rendering run)
    {
        object? Named(string name) => Python.TryItem(mapping, new PyString(name), out var value) ? value : null;
        return new Formatter(run, [], Named).Run(format, MaxNesting);
    }

    /// <summary>The text of a value by a format specification.</summary>
    public static PyString FormatValue(object value, string spec, Rendering run)
    {
        if (value is Undefined)
            return spec.Length == 0 ? PyString.Empty : throw Fail.Type("unsupported format string passed to Undefined.__format__");
        if (value is PyString || Numbers.IsNumber(value))
            return spec.Length == 0 && value is not PyString ? Python.Str(value, run.Meter) : FormatSpec.Parse(spec).Apply(value, run);
        return spec.Length == 0 ? Python.Str(value, run.Meter) : throw Fail.Type($"unsupported format string passed to {Python.TypeName(value)}.__format__");
    }

    private sealed class Formatter(Rendering run, IReadOnlyList<object> values, Func<string, object?> named)
    {
        private int _next;
        private bool _automatic;
        private bool _manual;

        public PyString Run(PyString format, int nesting)
        {
            if (nesting < 0)
                throw Fail.Value("Max string recursion exceeded");
            var result = new TextBuilder(run.Meter);
            var text = format.Text;
            for (int at = 0; at < text.Length;)
            {
                char c = text[at];
                if (c is not ('{' or '}'))
                {
                    int end = text.AsSpan(at).IndexOfAny('{', '}');
                    end = end < 0 ? text.Length : at + end;
                    result.Append(format, at, end);
                    at = end;
                    continue;
                }

                if (at + 1 < text.Length && text[at + 1] == c)
                {
                    result.Append(format, at, at + 1);
                    at += 2;
                    continue;
                }

                if (c == '}')
                    throw Fail.Value("Single '}' encountered in format string");
                at = Field(format, at + 1, result, nesting);
            }

            return result.ToText(format.IsMarkup);
        }

        private int Field(PyString format, int at, TextBuilder result, int nesting)
        {
            var text = format.Text;
            int start = at;
            int brackets = 0;
            while (at < text.Length && (brackets > 0 || text[at] is not ('}' or ':' or '!' or '{')))
                brackets += text[at++] switch { '[' => 1, ']' => brackets > 0 ? -1 : 0, _ => 0 };
            if (at >= text.Length)
                throw Fail.Value("expected '}' before end of string");
            if (text[at] == '{')
                throw Fail.Value("unexpected '{' in field name");
            var name = text[start..at];
            char conversion = '\0';
            if (text[at] == '!')
            {
                if (at + 1 >= text.Length)
                    throw Fail.Value("end of string while looking for conversion specifier");
                conversion = text[at + 1];
                at += 2;
                if (at >= text.Length || text[at] is not (':' or '}'))
                    throw Fail.Value("expected ':' after conversion specifier");
            }

            var spec = "";
            var value = Value(name);
            if (text[at] == ':')
            {
                int specStart = ++at, depth = 1;
                while (at < text.Length && (depth += text[at] switch { '{' => 1, '}' => -1, _ => 0 }) > 0)
                    at++;
                if (at >= text.Length)
                    throw Fail.Value("expected '}' before end of string");
                var inner = format.Part(specStart, at);
                spec = inner.Text.Contains('{', StringComparison.Ordinal) ? Run(inner, nesting - 1).Text : inner.Text;
            }

            value = conversion switch
            {
                '\0' => value,
                's' => Python.Str(value, run.Meter),
                'r' => Python.Repr(value, run.Meter),
                'a' => new PyString(Json.AsciiEscaped(Python.Repr(value, run.Meter).Text)),
                _ => throw Fail.Value($"Unknown conversion specifier '{conversion}'"),
            };
            var own = FormatValue(value, spec, run);
            result.Append(format.IsMarkup ? Html.Escape(own, run.Meter) : own);
            return at + 1;
        }

        private object Value(string field)
        {
            int end = field.AsSpan().IndexOfAny('.', '[');
            var first = end < 0 ? field : field[..end];
            object value;
            if (first.Length == 0 || first.All(char.IsAsciiDigit))
            {
                if (first.Length == 0 ? _manual : _automatic)
                    throw Fail.Value("cannot switch between manual and automatic field numbering");
                (_automatic, _manual) = (first.Length == 0 || _automatic, first.Length > 0 || _manual);
                int index = first.Length == 0 ? _next++ : first.Length < 9 ? int.Parse(first, CultureInfo.InvariantCulture) : int.MaxValue;
                value = index < values.Count ? values[index] : throw Fail.Value($"Replacement index {first} out of range for positional args tuple");
            }
            else
            {
                value = named(first) ?? throw Fail.Value($"The format has no value for '{first}'.");
            }

            for (int at = end < 0 ? field.Length : end; at < field.Length;)
            {
                bool attribute = field[at] == '.';
                int stop = attribute ? field.AsSpan(at + 1).IndexOfAny('.', '[') : field.IndexOf(']', at) - at - 1;
                stop = stop < 0 ? attribute ? field.Length : throw Fail.Value("Missing ']' in format string") : at + 1 + stop;
                var key = field[(at + 1)..stop];
                if (key.Length == 0)
                    throw Fail.Value("Empty attribute in format string");
                value = attribute
                    ? Attributes.GetAttribute(value, new PyString(key), run)
                    : Attributes.GetItem(value, key.All(char.IsAsciiDigit) && key.Length < 18 ? Numbers.Box(long.Parse(key, CultureInfo.InvariantCulture)) : new PyString(key), run);
                at = attribute ? stop : stop + 1;
                if (!attribute && at < field.Length && field[at] is not ('.' or '['))
                    throw Fail.Value("Only '.' or '[' may follow ']' in format field specifier");
            }

            return value;
        }
    }
}
