namespace Kotonoha.Tests.Support;

/// <summary>
/// Makes chat templates out of others: bytes changed, pieces of templates cut out, doubled, moved and put together, random expressions.
/// Every seed gives the same ones.
/// </summary>
public sealed class TemplateMutator(int seed, IReadOnlyList<string> corpus)
{
    /// <summary>Small templates that use every part of the language, and one that uses what is left out of it.</summary>
    public static readonly IReadOnlyList<string> Seeds =
    [
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m.content | trim + '<|im_end|>\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "{%- macro f(a, b=2, *c) -%}{{ a }}{{ caller() if caller }}{{ varargs }}{{ kwargs }}{%- endmacro -%}{{ f(1, b=[3]) }}"
            + "{% call(x) f(4) %}{{ x }}{% endcall %}",
        "{% macro r(n) %}{{ n }}{% if n > 0 %}{{ r(n - 1) }}{% endif %}{% endmacro %}{{ r(9) }}",
        "{% set ns = namespace(s='x', l=[0]) %}{% for i in range(9) %}{% set ns.s = ns.s ~ ns.s %}{% set ns.l = ns.l + [ns.l] %}"
            + "{% endfor %}{{ ns.s | length }}{{ ns.l }}",
        "{% for k, v in messages[0].items() if k is not none recursive %}{{ loop.index }}/{{ loop.length }}{{ loop.previtem }}"
            + "{{ loop.cycle('a', 'b') }}{{ loop([[1, 2]]) if loop.depth < 3 }}{% else %}none{% endfor %}",
        "{% set x %}a{% filter upper | indent(2) %}b{% endfilter %}{% endset %}{% with y = x, z = 3 %}{{ y * z }}{% endwith %}"
            + "{% raw %}{{ x }}{% endraw %}{# c #}",
        "{{ [3, 1, 2] | sort(reverse=true) | map('string') | join(', ') }}{{ messages | groupby('role') | tojson(indent=2) }}"
            + "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list }}",
        "{{ '%5.2f|%-8s|%+d|%%' % (1.5, 'ab', 255) }}{{ '{0:>8} {1!r} {k:,}'.format(1, 'q', k=12345) }}"
            + "{{ 'a b' | title | replace('a', 'bb') | wordwrap(3) | truncate(4, true) }}{{ '<a>' | e + '<b>' | safe }}",
        "{{ 2 ** 100 // 3 % 7 - -1.5e3 / 4 ~ [1, (2,), {'k': none}] ~ (1 if true else 2) }}"
            + "{{ 'x' in 'xy' and not 3 not in [3] or 1 < 2 <= 3 }}{{ messages[::-1][0]['content'][1:-1:2] }}",
        "{%- generation -%}{{ strftime_now('%Y-%m-%d %H:%M') }}{%- endgeneration -%}{% break %}{{ raise_exception('no') }}"
            + "{{ ''.__class__ }}{% block b scoped %}{{ messages | dictsort }}{% endblock %}{{ joiner(1)() }}{{ dict(a=1) }}",
        "{% autoescape true %}{{ lipsum(1) }}{{ '%x' % 1 }}{{ 'a'.zfill(3) }}{{ messages | urlize | pprint }}{{ self }}{% endautoescape %}",
    ];

    private static readonly string[] Pieces =
    [
        "{%", "%}", "{{", "}}", "{#", "#}", "-", "+", "{%-", "-%}", "(", ")", "[", "]", "{", "}", "'", "\"", "\\", "|", "~", "**", "//",
        ".", ",", ":", "=", "==", "in ", "not ", "is ", " if ", " else ", "for ", "endfor", "endif", "elif ", "set ", "macro ", "endmacro",
        "call ", "endcall", "range(99999)", "* 99999999", "** 9999", "messages", "loop", "loop.length", "namespace()", "ns.x", "none",
        "true",
        "9999999999999999999", "1e308", "| tojson", "| list", "| sort", "| map('upper')", "| join", "| length", "| int", "| float",
        "| round(3)", "| format(1)", "| wordwrap(2)", "| indent(99999)", "| unique", "| dictsort", ".items()", ".split()", ".format(1)",
        "'%99999d' % 1", "[[[[", "]]]]", "((((", "))))", "\n", "\r\n", " ", "\t", "\u0000", "😀", "é", "\u2028", "\uD800", "generation",
        "endgeneration", "raw", "endraw", "include 'x'", "self", "varargs", "caller()", "__class__",
    ];

    private readonly Random _random = new(seed);

    /// <summary>The next template.</summary>
    public string Next()
    {
        if (_random.Next(4) == 0)
            return "{{ " + Expression(_random.Next(1, 6)) + " }}";
        var text = corpus[_random.Next(corpus.Count)];
        for (int changes = _random.Next(1, 6); changes > 0; changes--)
            text = Change(text);
        return text;
    }

    private string Change(string text)
    {
        int at = _random.Next(text.Length + 1), end = Math.Min(text.Length, at + _random.Next(1, 30));
        return _random.Next(7) switch
        {
            0 => text[..at] + Pieces[_random.Next(Pieces.Length)] + text[at..],
            1 => text[..at] + text[end..],
            2 => text[..end] + text[at..end] + text[end..],
            3 => text[..at] + (char)_random.Next(32, 127) + text[Math.Min(text.Length, at + 1)..],
            4 => text[..at] + Part() + text[at..],
            5 => text[..at] + string.Concat(Enumerable.Repeat(Pieces[_random.Next(Pieces.Length)], _random.Next(1, 200))) + text[at..],
            _ => text[..at] + "{{ " + Expression(3) + " }}" + text[at..],
        };
    }

    private string Part()
    {
        var other = corpus[_random.Next(corpus.Count)];
        int start = _random.Next(other.Length + 1);
        return other.Substring(start, _random.Next(Math.Min(120, other.Length - start) + 1));
    }

    private string Expression(int depth)
    {
        if (depth == 0 || _random.Next(5) == 0)
            return _random.Next(12) switch
            {
                0 => _random.Next(-5, 100).ToString(System.Globalization.CultureInfo.InvariantCulture),
                1 => "1.5e" + _random.Next(-20, 20),
                2 => "'a\\u00e9b'",
                3 => "none",
                4 => "true",
                5 => "messages",
                6 => "missing",
                7 => "[]",
                8 => "{}",
                9 => "'😀 Ab'",
                10 => "range(9)",
                _ => "messages[0]",
            };
        return _random.Next(9) switch
        {
            0 => $"{Expression(depth - 1)} {Binary[_random.Next(Binary.Length)]} {Expression(depth - 1)}",
            1 => $"({Expression(depth - 1)}) | {Filters[_random.Next(Filters.Length)]}",
            2 => $"({Expression(depth - 1)}).{Methods[_random.Next(Methods.Length)]}({(_random.Next(2) > 0 ? Expression(depth - 1) : "")})",
            3 => $"({Expression(depth - 1)})[{Expression(depth - 1)}]",
            4 => $"({Expression(depth - 1)})[{Expression(0)}:{Expression(0)}]",
            5 => $"[{Expression(depth - 1)}, {Expression(depth - 1)}]",
            6 => $"{{{Expression(depth - 1)}: {Expression(depth - 1)}}}",
            7 => $"({Expression(depth - 1)} if {Expression(depth - 1)} else {Expression(depth - 1)})",
            _ => $"({Expression(depth - 1)} is {Tests[_random.Next(Tests.Length)]})",
        };
    }

    private static readonly string[] Binary =
    [
        "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "and", "or", "in", "not in",
    ];

    private static readonly string[] Filters =
    [
        "abs", "capitalize", "default('x')", "dictsort", "e", "first", "float", "groupby('role')", "indent(3)", "int", "int(0, 16)",
        "items|list", "join('-')", "last", "length", "list", "lower", "map('upper')|list", "map(attribute='role')|list", "max", "min",
        "replace('a','bc')", "reverse|list", "round(2)", "select|list", "selectattr('role')|list", "sort", "string", "sum", "title",
        "tojson", "tojson(indent=1)", "trim", "truncate(5)", "unique|list", "upper",
        "wordwrap(5)", "format(1, 2)", "attr('x')", "safe", "urlize",
    ];

    private static readonly string[] Methods =
    [
        "upper", "split", "strip", "join", "format", "items", "get", "keys", "index", "count", "replace", "startswith", "endswith",
        "partition", "splitlines", "title", "copy", "append", "rsplit", "find", "isdigit", "removeprefix", "zfill",
    ];

    private static readonly string[] Tests =
    [
        "defined", "none", "string", "number", "mapping", "sequence", "iterable", "odd", "divisibleby 3", "in [1]", "sameas none", "eq 1",
        "lower", "callable", "filter", "not undefined",
    ];
}
