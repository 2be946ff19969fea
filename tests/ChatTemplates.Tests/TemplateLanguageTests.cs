using System.Text.Json;

namespace Kotonoha.ChatTemplates.Tests;

/// <summary>
/// What templates can say, and what they are told when they say something that is left out. The expected texts are Jinja2 3.1.6's.
/// </summary>
public sealed class TemplateLanguageTests
{
    [Theory]
    [InlineData("{{ '%d-%s-%.2f-%5d|%-5s|%%' % (7, 'apple', 2.5, 3, 'ab') }}", "7-apple-2.50-    3|ab   |%")]
    [InlineData("{{ '%05.1f' % 2.5 }} {{ '%r' % 'apple' }} {{ '%+d' % 7 }} {{ '%i' % 3.9 }}", "002.5 'apple' +7 3")]
    [InlineData("{{ '%04d-%02d-%02d' | format(2024, 7, 5) }}", "2024-07-05")]
    [InlineData("{{ '%.3d|%+5d|% d|%-4d|%05d' % (7, 7, 7, 7, -7) }}", "007|   +7| 7|7   |-0007")]
    [InlineData("{{ '%5.1s|%05s|%s' % ('abc', 'ab', none) }} {{ '%s %s' | format('x', {'a': 1}) }}", "    a|   ab|None x {'a': 1}")]
    [InlineData("{{ '%+s|%08s|% r|%-04d|' % ('a', 'b', 'c', 7) }}", "a|       b|'c'|7   |")]
    [InlineData("{{ '%.0f %.0f %f %.1f %6.2f' % (0.5, 1.5, 1, -0.05, 1e3) }}", "0 2 1.000000 -0.1 1000.00")]
    public void Percent_formats_write_what_Python_writes(string template, string expected) => Assert.Equal(expected, Render(template));

    [Theory]
    [InlineData(
        "{{ '{:>5}|{:<5}|{:^5}|{:*^6}|{:5}|{:05}'.format('ab', 'ab', 'ab', 'ab', 'ab', 'ab') }}",
        "   ab|ab   | ab  |**ab**|ab   |ab000")]
    [InlineData(
        "{{ '{0:05.2f}|{1:+d}|{2:,}|{2:>12,}|{3:.1%}'.format(3.14159, 7, 1234567, 0.256) }}",
        "03.14|+7|1,234,567|   1,234,567|25.6%")]
    [InlineData("{{ '{:=+10,.2f}|{:0>5}|{:<05}|{:0,}'.format(1234.5, -7, 7, 1000) }}", "+ 1,234.50|000-7|70000|1,000")]
    [InlineData("{{ '{:05d}|{:=+6d}|{:<6}|{:.2f}'.format(-42, 42, 1.5, 1234.5) }}", "-0042|+   42|1.5   |1234.50")]
    [InlineData("{{ '{:^5}{:^6}|{:>6.1f}|{: d}'.format(1, 12, -2.25, 5) }}", "  1    12  |  -2.2| 5")]
    [InlineData("{{ '{} {!r} {!s} {k} {{}}'.format('a', 'b', 1, k='kw') }} {{ '{:.3}'.format('abcdef') }}", "a 'b' 1 kw {} abc")]
    [InlineData("{{ '{0.role}/{1[0]}/{1[1][k]}'.format(messages[0], [1, {'k': 2}]) }}", "user/1/2")]
    [InlineData("{{ '{:,}|{:,.2f}|{:,d}|{:,}'.format(-1234567.5, 1234567.891, 999, 100000) }}", "-1,234,567.5|1,234,567.89|999|100,000")]
    public void Brace_formats_write_what_Python_writes(string template, string expected) => Assert.Equal(expected, Render(template));

    [Theory]
    [InlineData("{{ '<a b=\"c\">&' | e }} {{ '<p>' ~ ('<q>' | e) }}", "&lt;a b=&#34;c&#34;&gt;&amp; <p>&lt;q&gt;")]
    [InlineData("{{ ('<a>' | e) + '<b>' }} {{ '<p>' + ('<q>' | safe) }}", "&lt;a&gt;&lt;b&gt; &lt;p&gt;<q>")]
    [InlineData(
        "{{ ('%s' | safe) % '<x>' }} {{ ('{}' | safe).format('<x>') }} {{ (', ' | safe).join(['<', '>']) }}",
        "&lt;x&gt; &lt;x&gt; &lt;, &gt;")]
    public void Operators_escape_what_joins_escaped_text(string template, string expected) => Assert.Equal(expected, Render(template));

    [Theory]
    [InlineData(
        "{{ 'aPple'.replace('p', 'P', 1) }} {{ '-'.join(['b', 'c']) }} {{ 'ab cd'.title() }} {{ 'ß'.upper() }}",
        "aPPle b-c Ab Cd SS")]
    [InlineData(
        "{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'a-b-c'.rsplit('-', 1) }}",
        "x x ['a-b', 'c']")]
    [InlineData("{{ ' x  y '.split(none, 1) }} {{ ' x  y '.rsplit(none, 1) }}", "['x', 'y '] [' x', 'y']")]
    [InlineData("{{ '½'.isnumeric() }} {{ '²'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'Ab'.islower() }}", "True True True False")]
    [InlineData("{{ 'abc'.find('') }} {{ 'abc'.rfind('') }} {{ 'abcb'.rindex('b') }} {{ 'banana'.count('an') }}", "0 3 3 2")]
    [InlineData("{{ 'the quick brown fox jumps' | wordwrap(10) }}", "the quick\nbrown fox\njumps")]
    [InlineData("{{ dict(a=1, b='w') }} {% set j = joiner('; ') %}{{ j() }}x{{ j() }}y", "{'a': 1, 'b': 'w'} x; y")]
    [InlineData("{% block b %}<{{ messages[0].role }}>{% endblock %}{% filter upper %}x{{ 1 }}{% endfilter %}", "<user>X1")]
    public void Filters_methods_and_blocks_do_what_Jinja_does(string template, string expected) => Assert.Equal(expected, Render(template));

    [Theory]
    [InlineData("{{ 'a' | urlize }}", "No filter named 'urlize'", ChatTemplateError.Syntax)]
    [InlineData("{% if true %}{{ messages | map('pprint') | list }}{% endif %}", "No filter named 'pprint'", ChatTemplateError.Type)]
    [InlineData("{{ cycler(1, 2).next() }}", "'cycler' is undefined", ChatTemplateError.Undefined)]
    [InlineData("{{ self.title() }}", "'self' is undefined", ChatTemplateError.Undefined)]
    [InlineData("{{ '7'.zfill(3) }}", "'str object' has no attribute 'zfill'", ChatTemplateError.Undefined)]
    [InlineData("{{ (7).bit_length() }}", "'int object' has no attribute 'bit_length'", ChatTemplateError.Undefined)]
    [InlineData("{{ dict.fromkeys('ab') }}", "'type object' has no attribute 'fromkeys'", ChatTemplateError.Undefined)]
    [InlineData("{% autoescape true %}{% endautoescape %}", "unknown tag 'autoescape'", ChatTemplateError.Syntax)]
    public void What_is_left_out_is_an_error_that_names_it(string template, string message, ChatTemplateError kind)
        => Fails(template, message + ": chat templates here do not have it", kind);

    [Theory]
    [InlineData("{{ '%x' % 255 }}", "unsupported format character 'x': chat templates here know %s, %r, %d, %i, %f and %%")]
    [InlineData("{{ '%(a)s' % {'a': 1} }}", "unsupported format character '(': chat templates here")]
    [InlineData("{{ '{:x}'.format(255) }}", "Invalid format specifier 'x': chat templates here know")]
    [InlineData("{{ '{:010,}'.format(255) }}", "Invalid format specifier '010,': chat templates here know")]
    [InlineData("{{ '{:.3}'.format(2.5) }}", "needs the type f or % behind it in chat templates here")]
    [InlineData("{{ '{:=5}'.format('a') }}", "The format specification does not suit a string.")]
    [InlineData("{{ '{!a}'.format(1) }}", "Unknown conversion specifier 'a': chat templates here know !s and !r")]
    [InlineData("{{ '{:{}}'.format(1, 2) }}", "cannot hold another one in chat templates here")]
    public void Formats_that_are_left_out_are_errors(string template, string message) => Fails(template, message, ChatTemplateError.Value);

    [Theory]
    [InlineData("{{ 'a' | nothing }}", "No filter named 'nothing'.", ChatTemplateError.Syntax)]
    [InlineData("{{ 'a' is nothing }}", "No test named 'nothing'.", ChatTemplateError.Syntax)]
    [InlineData("{{ 'a'.nothing() }}", "'str object' has no attribute 'nothing'", ChatTemplateError.Undefined)]
    [InlineData("{{ nothing() }}", "'nothing' is undefined", ChatTemplateError.Undefined)]
    public void A_name_that_nobody_has_is_an_error_that_names_it(string template, string message, ChatTemplateError kind)
        => Assert.EndsWith(message, Fails(template, message, kind), StringComparison.Ordinal);

    [Fact]
    public void Formats_and_filters_keep_what_the_conversation_said_apart_from_what_the_template_says()
    {
        using var messages = JsonDocument.Parse("""[{"role": "user", "content": "a<b"}]""");
        var template = ChatTemplate.FromJinja(
            "{% set c = messages[0].content %}{{ '[%4s]' % c }}{{ '{:*^5}'.format(c) }}{{ c | e }}{{ c | tojson | indent(2, true) }}");
        var prompt = template.Apply(new ChatTemplateInput { Messages = messages.RootElement });
        Assert.Equal("[ a<b]*a<b*a&lt;b  \"a<b\"", prompt.Text);
        var said = prompt.Parts.Where(p => p.IsFromConversation).Select(p => prompt.Text[p.Start..p.End]);
        Assert.Equal(["a<b", "a<b", "a&lt;b", "a<b"], said);
    }

    private static string Fails(string template, string message, ChatTemplateError kind)
    {
        var error = Assert.Throws<ChatTemplateException>(() => Render(template));
        Assert.Equal(kind, error.Error);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        return error.Message;
    }

    private static string Render(string template)
        => ChatTemplate.FromJinja(template).RenderText([new ChatTurn(ChatTurn.User, "Hello")], addGenerationPrompt: false);
}
