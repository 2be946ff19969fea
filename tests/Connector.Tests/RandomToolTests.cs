using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector.Tests;

/// <summary>A model without any training, asked to call some of many functions whose parameters are drawn at random.</summary>
public sealed class RandomToolTests
{
    private const int Dose = 20;

    /// <summary><c>scripts/check-grammars</c> sets a number and a seed of its own.</summary>
    [Fact]
    public async Task Calls_of_random_functions_fit_their_schemas()
    {
        int count = Setting("KOTONOHA_TOOL_CASES", Dose), seed = Setting("KOTONOHA_GRAMMAR_SEED", 1);
        var random = new Random(seed);
        var judge = new EvaluationOptions { RequireFormatValidation = true };
        using var model = TinyGpt.Create(contextLength: 4096);
        var client = new LocalGptChatClient(model);
        for (int i = 0; i < count; i++)
        {
            var tools = Enumerable.Range(0, 1 + random.Next(4)).Select(n => new Declared($"tool_{n}", Parameters(random))).ToList();
            var response = await client.GetResponseAsync(
                "Do something.",
                new ChatOptions
                {
                    Tools = [.. tools],
                    ToolMode = ChatToolMode.RequireAny,
                    Temperature = 1,
                    Seed = random.Next(),
                    MaxOutputTokens = 700
                });
            var calls = response.Messages[0].Contents.OfType<FunctionCallContent>().ToList();
            Assert.True(calls.Count > 0, $"seed {seed}, case {i}");
            foreach (var call in calls)
            {
                var schema = tools.Single(tool => tool.Name == call.Name).JsonSchema.GetRawText();
                using var arguments = JsonDocument.Parse(JsonSerializer.Serialize(call.Arguments));
                Assert.True(
                    JsonSchema.FromText(schema).Evaluate(arguments.RootElement, judge).IsValid,
                    $"seed {seed}, case {i}: {arguments.RootElement} under {schema}");
            }
        }
    }

    /// <summary>Models whose templates write arguments one by one instead of as JSON.</summary>
    [Theory]
    [InlineData("<tool_call>\\n<function=", ">\\n", "<parameter=", ">\\n", "\\n</parameter>\\n", "", "</function>\\n</tool_call>", false)]
    [InlineData("[", "(", "", "=", "", ", ", ")]", true)]
    public async Task Calls_of_functions_whose_arguments_stand_one_by_one_fit_their_schemas(
        string open, string middle, string beforeKey, string afterKey, string afterValue, string separator, string close, bool literals)
    {
        var template = ChatTemplate.FromJinja($$$"""
            {% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ '<|' + m.role + '|>' + (m.content or '') }}{% for c in m.tool_calls or [] %}
            {{- '{{{open}}}' + c.function.name + '{{{middle}}}' }}{% for k, v in c.function.arguments | items %}{{ '{{{beforeKey}}}' + k + '{{{afterKey}}}' }}
            {{- v | tojson if {{{(literals ? "true" : "v is not string")}}} else v }}{{ '{{{afterValue}}}' }}{% if not loop.last %}{{ '{{{separator}}}' }}{% endif %}{% endfor %}
            {{- '{{{close}}}' }}{% endfor %}{{ '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}
            """, new SpecialTokens("", "<|end|>"), [.. ChatTemplate.Kotonoha.ControlTokens]);
        Assert.NotNull(template.ToolCalls?.Pairs);
        var random = new Random(5);
        var judge = new EvaluationOptions { RequireFormatValidation = true };
        using var model = TinyGpt.Create(new LocalGptOptions { ChatTemplate = template }, contextLength: 4096);
        var client = new LocalGptChatClient(model);
        for (int i = 0; i < Dose; i++)
        {
            var tools = Enumerable.Range(0, 1 + random.Next(3)).Select(n => new Declared($"tool_{n}", PlainParameters(random))).ToList();
            var response = await client.GetResponseAsync("Do something.", new ChatOptions
            {
                Tools = [.. tools],
                ToolMode = ChatToolMode.RequireAny,
                Temperature = 1,
                Seed = random.Next(),
                MaxOutputTokens = 400,
            });
            Assert.All(response.Messages[0].Contents, content => Assert.IsType<FunctionCallContent>(content));
            foreach (var call in response.Messages[0].Contents.Cast<FunctionCallContent>())
            {
                var schema = tools.Single(tool => tool.Name == call.Name).JsonSchema.GetRawText();
                using var arguments = JsonDocument.Parse(JsonSerializer.Serialize(call.Arguments));
                Assert.True(
                    JsonSchema.FromText(schema).Evaluate(arguments.RootElement, judge).IsValid,
                    $"case {i}: {arguments.RootElement} under {schema}");
            }
        }
    }

    private static JsonElement PlainParameters(Random random)
    {
        string[] kinds =
        [
            """{"type": "string"}""", """{"type": "integer", "minimum": -5}""", """{"type": "boolean"}""",
            """{"enum": ["red", "the \"green\" one", "None"]}""", """{"type": "array", "items": {"type": "string"}, "minItems": 1}""",
            """{"type": "object", "properties": {"on": {"type": "boolean"}, "at": {"type": ["number", "null"]}}, "required": ["on", "at"]}""",
            """{"type": ["string", "null"]}""", """{"const": 7}""",
        ];
        var properties = new JsonObject();
        for (int i = random.Next(6); i > 0; i--)
            properties[$"argument_{i}"] = JsonNode.Parse(kinds[random.Next(kinds.Length)]);
        return JsonSerializer.SerializeToElement(new JsonObject
        {
            ["type"] = "object",
            ["properties"] = properties,
            ["required"] = new JsonArray([.. properties.Where(_ => random.Next(2) == 0).Select(p => JsonValue.Create(p.Key))]),
        });
    }

    private static JsonElement Parameters(Random random)
    {
        var properties = new JsonObject();
        for (int i = random.Next(4); i > 0; i--)
            properties[$"argument{i}"] = WithoutReferences(new RandomSchemas(random));
        var schema =
            new JsonObject
            {
                ["type"] = "object",
                ["properties"] = properties,
                ["required"] = new JsonArray([.. properties.Select(p => JsonValue.Create(p.Key))])
            };
        return JsonSerializer.SerializeToElement(schema);
    }

    // A schema that refers to its root cannot stand inside another one.
    private static JsonObject WithoutReferences(RandomSchemas schemas)
    {
        while (true)
            if (schemas.Next() is var schema && !schema.ContainsKey("$ref"))
                return schema;
    }

    private static int Setting(string name, int otherwise)
        => int.Parse(Environment.GetEnvironmentVariable(name) ?? $"{otherwise}", System.Globalization.CultureInfo.InvariantCulture);

    private sealed class Declared(string name, JsonElement schema) : AIFunctionDeclaration
    {
        public override string Name => name;

        public override JsonElement JsonSchema => schema;
    }
}
