using System.Text.Json;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Tools;

public class ToolSchemaTests
{
    private const string Schema = """
        {
          "type": "object",
          "properties": {
            "name": {"type": "string"},
            "count": {"type": "integer", "minimum": 1, "maximum": 9},
            "ratio": {"type": ["number", "null"]},
            "colour": {"type": "string", "enum": ["red", "blue"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "place": {"$ref": "#/$defs/place"},
            "either": {"anyOf": [{"type": "boolean"}, {"type": "integer"}]},
            "never": false,
            "closed": {"type": "object", "properties": {"a": {}}, "additionalProperties": false},
            "free": {"type": "object"}
          },
          "required": ["name"],
          "$defs": {"place": {"type": "object", "properties": {"x": {"type": "number"}, "next": {"$ref": "#/$defs/place"}}, "required": ["x"]}}
        }
        """;

    [Theory]
    [InlineData("""{"name": "a"}""", null)]
    [InlineData("""{"name": "a", "count": 9, "ratio": null, "colour": "blue", "tags": ["x"], "either": true, "free": {"any": 1}}""", null)]
    [InlineData("""{"name": "a", "place": {"x": 1, "next": {"x": 2.5}}}""", null)]
    [InlineData("""{"count": 1}""", "'name' is missing")]
    [InlineData("""{"name": 1}""", "'name' must be string, but is 1")]
    [InlineData("""{"name": "a", "count": 0}""", "'count' must be at least 1, but is 0")]
    [InlineData("""{"name": "a", "count": 10}""", "'count' must be at most 9, but is 10")]
    [InlineData("""{"name": "a", "ratio": "x"}""", "'ratio' must be number or null, but is \"x\"")]
    [InlineData("""{"name": "a", "colour": "green"}""", "'colour' must be one of [\"red\", \"blue\"], but is \"green\"")]
    [InlineData("""{"name": "a", "tags": ["x", 2]}""", "'tags[1]' must be string, but is 2")]
    [InlineData("""{"name": "a", "place": {"x": 1, "next": {}}}""", "'place.next.x' is missing")]
    [InlineData("""{"name": "a", "either": "x"}""", "'either' fits none of the allowed forms, it is \"x\"")]
    [InlineData("""{"name": "a", "never": 1}""", "'never' is not allowed")]
    [InlineData("""{"name": "a", "closed": {"b": 1}}""", "'closed.b' is not known; known are: a")]
    [InlineData("""{"name": "a", "other": 1}""",
        "'other' is not known; known are: name, count, ratio, colour, tags, place, either, never, closed, free")]
    public void Problem_says_what_does_not_fit(string value, string? problem)
    {
        var schema = JsonElement.Parse(Schema);
        Assert.Equal(problem, ToolSchema.Problem(schema, schema, JsonElement.Parse(value), ""));
    }

    [Fact]
    public void Problem_ends_on_values_and_references_without_end()
    {
        var schema = JsonElement.Parse("""{"$ref": "#"}""");
        Assert.Contains("nested more than", ToolSchema.Problem(schema, schema, JsonElement.Parse("1"), "x"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type": "integer"}""", " 12 ", 12L)]
    [InlineData("""{"type": "integer"}""", "twelve", "twelve")]
    [InlineData("""{"type": "number"}""", "1.5", 1.5)]
    [InlineData("""{"type": "boolean"}""", "True", true)]
    [InlineData("""{"type": ["integer", "string"]}""", "12", "12")]
    [InlineData("""{"type": "array"}""", "no array", "no array")]
    [InlineData("""{}""", "12", "12")]
    public void Coerce_reads_what_the_schema_asks_for(string schema, string text, object expected)
        => Assert.Equal(expected, ToolSchema.Coerce(JsonElement.Parse(schema), text));

    [Fact]
    public void Arguments_of_every_kind_reach_the_function()
    {
        var function = AIFunctionFactory.Create((string name, bool loud, double ratio, int[] counts) => name, "f");
        Assert.Equal("""{"name": "…", "loud": true, "ratio": 1.5, "counts": []}""", ToolArguments.Example(function));
        var arguments = ToolArguments.Read(function, """{"name": "a", "loud": "true", "ratio": "2.5", "counts": "[1, 2]"}""");
        Assert.Equal("counts=[1, 2],loud=true,name=\"a\",ratio=2.5", ToolArguments.Canonical(arguments));
    }
}
