using Kotonoha.ChatTemplates.Jinja;

namespace Kotonoha.ChatTemplates.Tests;

public sealed class TemplateSafetyTests
{
    private static readonly ChatTurn[] Hello = [new(ChatTurn.User, "Hello")];

    // Each makes a template or a rendering whose work is to grow no faster than its size.
    public static TheoryData<string, Func<int, string>> Growing => new()
    {
        { "brackets", n => "{{ " + new string('(', n) + "1" + new string(')', n) + " }}" },
        { "open brackets", n => "{{ " + new string('[', n) },
        { "braces", n => new string('{', n) },
        { "signs", n => "{{ " + new string('-', n) + "1 }}" },
        { "nots", n => "{{ " + string.Concat(Enumerable.Repeat("not ", n)) + "true }}" },
        { "filters", n => "{{ 1" + string.Concat(Enumerable.Repeat("|abs", n)) + " }}" },
        { "ifs", n => string.Concat(Enumerable.Repeat("{% if true %}", n)) + string.Concat(Enumerable.Repeat("{% endif %}", n)) },
        { "sums", n => "{{ 1" + string.Concat(Enumerable.Repeat("+1", n)) + " }}" },
        { "comments", n => string.Concat(Enumerable.Repeat("{# #}", n)) },
        { "open comments", n => string.Concat(Enumerable.Repeat("{#", n)) },
        { "raw blocks", n => "{% raw %}" + string.Concat(Enumerable.Repeat("{% endra ", n)) + "{% endraw %}" },
        { "names", n => string.Concat(Enumerable.Range(0, n).Select(i => $"{{% set a{i} = {i} %}}{{{{ a{i} }}}}")) },
        { "splits", n => $"{{{{ ('a ' * {n}).split() | map('upper') | join('-') | replace('A', 'bb') | length }}}}" },
        { "wraps", n => $"{{{{ ('some-long word ' * {n}) | wordwrap(20) | title | length }}}}" },
        { "sorts", n => $"{{{{ range({n}) | map('string') | sort(reverse=true) | unique | list | tojson(indent=1) | length }}}}" },
        { "sets", n => $"{{% set s = namespace(n=0) %}}{{% for i in range({n}) %}}{{% set s.n = s.n + i %}}{{% endfor %}}{{{{ s.n }}}}" },
    };

    [Theory]
    [MemberData(nameof(Growing))]
    public void Twice_the_hostile_input_takes_at_most_two_and_a_half_times_the_steps(string name, Func<int, string> make)
    {
        long once = Steps(make(2000)), twice = Steps(make(4000));
        Assert.True(twice <= 2.5 * once + 100, $"{name}: {once} steps, then {twice}");
    }

    [Theory]
    [InlineData("{{ ''.__class__.__mro__ }}", ChatTemplateError.Security)]
    [InlineData("{{ messages.append(1) }}", ChatTemplateError.Security)]
    [InlineData("{{ '{0.__class__.x}'.format(1) }}", ChatTemplateError.Security)]
    [InlineData("{% include 'x' %}", ChatTemplateError.Security)]
    [InlineData("{% set ns = namespace() %}{% set ns._a = 1 %}", ChatTemplateError.Security)]
    [InlineData("{{ missing.part }}", ChatTemplateError.Undefined)]
    [InlineData("{{ 1 + 'a' }}", ChatTemplateError.Type)]
    [InlineData("{{ 1 / 0 }}", ChatTemplateError.Value)]
    [InlineData("{{ 'a' * 10 ** 11 }}", ChatTemplateError.Limit)]
    [InlineData("{{ range(100001) }}", ChatTemplateError.Limit)]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", ChatTemplateError.Limit)]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", ChatTemplateError.Limit)]
    [InlineData("{% set ns = namespace(l=[]) %}{% for a in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}", ChatTemplateError.Limit)]
    [InlineData(
        "{% set ns = namespace(g=[1]) %}{% for a in range(99999) %}{% set ns.g = ns.g | map('string') %}{% endfor %}{{ ns.g | list }}",
        ChatTemplateError.Limit)]
    [InlineData(
        "{% set ns = namespace(t=(1, 2)) %}{% for a in range(99) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} | length }}",
        ChatTemplateError.Limit)]
    [InlineData("{{ '%999999999d' % 1 }}", ChatTemplateError.Limit)]
    [InlineData("{{ '{:>999999999}'.format('a') }}", ChatTemplateError.Limit)]
    [InlineData("{{ '{:.9999f}'.format(0.1) }}", ChatTemplateError.Limit)]
    [InlineData("{{ '%.999999999d' % 1 }}", ChatTemplateError.Limit)]
    [InlineData("{% for a in b %}", ChatTemplateError.Syntax)]
    [InlineData("{{ 1 | nothing }}", ChatTemplateError.Syntax)]
    [InlineData("{{ raise_exception('Only so: ' ~ messages | length) }}", ChatTemplateError.Raised)]
    public void A_template_that_fails_says_how(string template, ChatTemplateError expected)
        => Assert.Equal(expected, Assert.Throws<ChatTemplateException>(() => Render(template)).Error);

    [Fact]
    public void What_a_template_raises_is_the_message_to_the_letter()
        => Assert.Equal(
            "Only so: 1",
            Assert.Throws<ChatTemplateException>(() => Render("{{ raise_exception('Only so: ' ~ messages | length) }}")).Message);

    [Fact]
    public void An_error_names_its_line()
        => Assert.Equal(3, Assert.Throws<ChatTemplateException>(() => Render("a\n{% if true %}\n{{ missing.part }}\n{% endif %}")).Line);

    [Fact]
    public void Random_templates_end_in_a_text_or_in_the_documented_error()
    {
        var mutator = new TemplateMutator(7, TemplateMutator.Seeds);
        for (int i = 0; i < 1500; i++)
        {
            var template = mutator.Next();
            try
            {
                ChatTemplate.FromJinja(template).RenderText(Hello, addGenerationPrompt: true);
            }
            catch (ChatTemplateException)
            {
                // This is the documented one; any other fails the test.
            }
        }
    }

    [Fact]
    public void Ten_messages_cost_few_steps()
    {
        var template = new JinjaTemplate(ChatTemplate.ChatMl.Jinja);
        Assert.True(template.ReadSteps < 500, $"{template.ReadSteps} steps to read");
    }

    private static string Render(string template) => ChatTemplate.FromJinja(template).RenderText(Hello, addGenerationPrompt: false);

    private static long Steps(string template)
    {
        var meter = new Meter();
        try
        {
            return new JinjaTemplate(template, meter).Render(_ => { }, () => DateTime.UnixEpoch, meter).Steps;
        }
        catch (ChatTemplateException)
        {
            return meter.Steps;
        }
    }
}
