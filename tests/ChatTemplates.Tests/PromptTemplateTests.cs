using System.Text.Json;

namespace Kotonoha.ChatTemplates.Tests;

public class PromptTemplateTests
{
    [Fact]
    public void Variables_are_those_that_the_template_gives_no_value_to()
    {
        var template = PromptTemplate.Parse("""
            {% set a = given %}{% for item in items if item.x %}{{ loop.index }}{{ item }}{{ a }}{% endfor %}
            {% macro m(p) %}{{ p }}{{ outer }}{% endmacro %}{{ m(1) }}{{ range(3) }}{% set ns.b = 1 %}
            """);
        Assert.Equal(["given", "items", "ns", "outer"], template.Variables);
    }

    [Fact]
    public void What_values_say_is_told_from_what_the_template_writes()
    {
        var rendered = PromptTemplate.Parse("A {{ x|upper }} B").Render(
            new Dictionary<string, JsonElement> { ["x"] = JsonElement.Parse("\"bc\"") });
        Assert.Equal("A BC B", rendered.Text);
        Assert.Equal([("A ", false), ("BC", true), (" B", false)],
            rendered.Parts.Select(part => (rendered.Text[part.Start..part.End], part.IsFromConversation)));
    }

    [Fact]
    public void Errors_tell_the_line_and_the_reason_apart()
    {
        var exception = Assert.Throws<ChatTemplateException>(() => PromptTemplate.Parse("a\n{% nothing %}"));
        Assert.Equal(2, exception.Line);
        Assert.DoesNotContain("line 2", exception.Detail, StringComparison.Ordinal);
    }
}
