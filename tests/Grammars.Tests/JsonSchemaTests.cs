using System.Text.Json;
using Json.Schema;

namespace Kotonoha.Grammars.Tests;

/// <summary>Whatever a model without any training writes under a schema is JSON that an independent validator accepts.</summary>
public sealed class JsonSchemaTests
{
    private const int Dose = 150;
    private static readonly JsonDocumentOptions OnceEach = new() { AllowDuplicateProperties = false };

    /// <summary><c>scripts/check-grammars</c> sets a number and a seed of its own.</summary>
    [Fact]
    public void Every_text_of_a_random_schema_validates()
    {
        int count =
            int.Parse(Environment.GetEnvironmentVariable("KOTONOHA_GRAMMAR_CASES") ?? $"{Dose}",
                System.Globalization.CultureInfo.InvariantCulture);
        int seed =
            int.Parse(Environment.GetEnvironmentVariable("KOTONOHA_GRAMMAR_SEED") ?? "1",
                System.Globalization.CultureInfo.InvariantCulture);
        var random = new Random(seed);
        var options = new EvaluationOptions { RequireFormatValidation = true };
        for (int i = 0; i < count; i++)
        {
            var schema = new RandomSchemas(random).Next();
            var vocabulary = (i % 2 == 0 ? TestVocabularies.ByteLevel : TestVocabularies.SentencePieceLike).Vocabulary;
            using var document = JsonDocument.Parse(schema.ToJsonString());
            var grammar = Grammar.FromJsonSchema(document.RootElement);
            int shortest = new GrammarMatcher(grammar, vocabulary).ShortestCompletion;
            var habit = (Habit)random.Next(Enum.GetValues<Habit>().Length);
            string text = UntrainedModel.Write(grammar, vocabulary, shortest + random.Next(100), habit, random);
            Assert.True(IsValid(text), $"seed {seed}, case {i}, {habit}: {text} under {schema.ToJsonString()}");

            bool IsValid(string json)
            {
                using var value = JsonDocument.Parse(json, OnceEach);
                return global::Json.Schema.JsonSchema.FromText(schema.ToJsonString()).Evaluate(value.RootElement, options).IsValid;
            }
        }
    }

    [Theory]
    [InlineData("""{"type": "string", "pattern": "^[a-z]+$", "maxLength": 3}""", "\"abc\"", "\"abcd\"")]
    [InlineData("""{"type": "string", "pattern": "b"}""", "\"abc\"", "\"aaa\"")]
    [InlineData("""{"type": "string", "pattern": "^\"$"}""", "\"\\\"\"", "\"a\"")]
    [InlineData("""{"type": "string", "format": "email", "maxLength": 8}""", "\"a@b.cd\"", "\"abcde@fgh.ij\"")]
    [InlineData("""{"type": "string", "format": "uuid"}""", "\"01234567-89ab-cdef-0123-456789abcdef\"", "\"0123\"")]
    [InlineData("""{"type": "string", "format": "wishes"}""", "\"anything\"", "1")]
    [InlineData("""{"type": "integer", "minimum": 3, "maximum": 12}""", "12", "13")]
    [InlineData("""{"type": "string", "format": "json-pointer"}""", "\"/a/0\"", "\"a\"")]
    [InlineData("{}", "118425941465111", "118425941465111e72")]
    public void Schemas_let_through_what_fits_alone(string schema, string fits, string doesNot)
    {
        using var document = JsonDocument.Parse(schema);
        var grammar = Grammar.FromJsonSchema(document.RootElement);
        Assert.True(grammar.Matches(fits));
        Assert.False(grammar.Matches(doesNot));
    }

    [Theory]
    [InlineData("""{"type": "string", "pattern": "(?=a)b"}""", "#/pattern")]
    [InlineData("""{"type": "object", "properties": {"a": {"dependentSchemas": {"b": {}}}}}""", "#/properties/a/dependentSchemas")]
    public void What_is_not_supported_is_named_with_its_place(string schema, string place)
    {
        using var document = JsonDocument.Parse(schema);
        var error = Assert.Throws<GrammarException>(() => Grammar.FromJsonSchema(document.RootElement));
        Assert.Equal((GrammarError.Unsupported, place), (error.Error, error.Place));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"type": "object"}""")]
    [InlineData("""{"type": "object", "additionalProperties": {"type": "integer"}}""")]
    [InlineData("""{"type": "object", "properties": {"a": {}}, "additionalProperties": {"additionalProperties": {"type": "null"}}}""")]
    public void No_object_has_a_name_twice(string schema)
    {
        using var document = JsonDocument.Parse(schema);
        var grammar = Grammar.Sequence(Grammar.FromJsonSchema(document.RootElement), Grammar.Literal(";"));
        var random = new Random(3);
        for (int i = 0; i < 120; i++)
        {
            var vocabulary = (i % 2 == 0 ? TestVocabularies.ByteLevel : TestVocabularies.SentencePieceLike).Vocabulary;
            int budget = new GrammarMatcher(grammar, vocabulary).ShortestCompletion + i / 2;
            string text = UntrainedModel.Write(grammar, vocabulary, budget, (Habit)(i % 6), random);
            using var _ = JsonDocument.Parse(text.TrimEnd(';'), OnceEach);
        }
    }

    [Theory]
    [InlineData("""{"a": 1, "b": {"a": 2, "c": [{"a": 3}, {"a": 4}]}, "c": 5}""", null)]
    [InlineData("""{"a": 1, "a": 2}""", 11)]
    [InlineData("""{"a": 1, "b": {"a": 2}, "a": 3}""", 26)]
    [InlineData("""{"\u0061": 1, "a": 2}""", 16)]
    [InlineData("""{"a": 1, "\u0061": 2}""", 16)]
    [InlineData("""[{"a": 1}, {"a": 2, "a": 3}]""", 22)]
    public void The_second_member_of_a_name_is_a_mismatch(string text, int? place) => Assert.Equal(place, Grammar.Json.FindMismatch(text));

    [Fact]
    public void Integers_without_bounds_can_be_kept_within_32_bits()
    {
        using var document =
            JsonDocument.Parse(
                """{"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer", "format": "int64"}], "items": false}""");
        var grammar = Grammar.FromJsonSchema(document.RootElement, new JsonSchemaOptions { Limits32BitIntegers = true });
        Assert.True(grammar.Matches("[2147483647, 3000000000]"));
        Assert.True(grammar.Matches("[-2147483648, 0]"));
        Assert.False(grammar.Matches("[2147483648, 0]"));
    }
}
