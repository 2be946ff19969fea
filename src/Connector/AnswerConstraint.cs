using System.Text.Json;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.Grammars;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>
/// Builds the grammar of an answer: words and calls of the functions that are offered, or JSON, or what else is asked for, behind the
/// model's reasoning where it has any. So calls always parse and fit their schemas.
/// </summary>
/// <param name="tokenizer">The model's tokenizer, whose control tokens the marks of calls may be.</param>
/// <param name="notices">Hears which schemas can only be kept to in part.</param>
internal sealed class AnswerConstraint(Tokenizer tokenizer, Notices notices)
{
    // One answer calls as many functions at most.
    private const int MaxCalls = 16;
    private const int IdLength = 9;
    private static readonly Grammar Blanks = Grammar.Repeat(Grammar.FromChoices([" ", "\n"]), 0, 2);

    private readonly string[] _controlTokens =
    [
        .. tokenizer.SpecialTokens.Select(token => token.Content).Where(content => content.Length > 0)
        .OrderByDescending(content => content.Length),
    ];

    /// <summary>The grammar of an answer; null where it may be anything.</summary>
    /// <param name="tools">The functions that may be called, or null.</param>
    /// <param name="form">What the words must be; null for anything.</param>
    /// <param name="reasoning">What the model writes around its reasoning; null for a model that is not known to reason.</param>
    /// <param name="startsInReasoning">Whether the prompt has opened the reasoning.</param>
    public Grammar? Of(RequestedTools? tools, Grammar? form, ReasoningTags? reasoning, bool startsInReasoning)
    {
        if (tools is null && form is null)
            return null;
        var answer = tools is null ? form! : WithCalls(tools, form);
        if (reasoning is null)
            return answer;
        var thinking = Grammar.Sequence(Grammar.TextWithout(reasoning.Close), Spell(reasoning.Close), Blanks, answer);
        return startsInReasoning ? thinking : Grammar.OneOf(Grammar.Sequence(Spell(reasoning.Open), thinking), answer);
    }

    private Grammar WithCalls(RequestedTools tools, Grammar? form)
    {
        var calls = Calls(tools);
        if (tools.MustCall)
            return calls;
        if (form is not null)
            return Grammar.OneOf(form, calls);

        return Grammar.Sequence(WordsWithoutCalls(tools.Format, tools.Callable), Grammar.Optional(calls));
    }

    /// <summary>
    /// Words that end where a call would begin: at its mark, or where it has none at its first characters. Control tokens are in no words
    /// anyway.
    /// </summary>
    /// <param name="format">How calls are written.</param>
    /// <param name="functions">The functions that might be called, by whose names calls without a mark are known.</param>
    public Grammar WordsWithoutCalls(ToolCallFormat format, IEnumerable<AIFunctionDeclaration> functions)
    {
        string[] marks = format.Trigger.Length > 0 ? [format.Trigger]
            : format.Pairs is null ? [format.Open]
            : [.. functions.Select(function => format.Open + function.Name + format.Middle)];
        return marks.Length == 0 || (marks is [var mark] && _controlTokens.Contains(mark)) ? Grammar.Text : Grammar.TextWithout(marks);
    }

    private Grammar Calls(RequestedTools tools)
    {
        var format = tools.Format;
        var call =
            Grammar.OneOf(
                [.. tools.Callable.Select(function => Grammar.Sequence(
                    Spell(function.Name + format.Middle), format.Pairs is { } pairs ? Pairs(function, pairs) : Arguments(function)))]);
        var parts = new List<Grammar>();
        if (format.AlternateTrigger is { } alternate)
            parts.Add(Grammar.Optional(Spell(alternate)));
        parts.Add(Spell(format.Open));
        parts.Add(call);
        if (tools.AllowsMultiple)
            parts.Add(Grammar.Repeat(Grammar.Sequence(Spell(format.Between!), call), 0, MaxCalls - 1));
        parts.Add(Spell(format.Close));
        return Grammar.Sequence(parts);
    }

    private Grammar Arguments(AIFunctionDeclaration function)
        => Held(function, () => Grammar.FromJsonSchema(function.JsonSchema, AnswerForm.SchemaOptions), Grammar.JsonObject, "a JSON object");

    private Grammar Held(AIFunctionDeclaration function, Func<Grammar> compile, Grammar otherwise, string what)
    {
        try
        {
            return compile();
        }
        catch (GrammarException exception) when (exception.Error is GrammarError.Unsupported or GrammarError.TooComplex
            && !IsStrict(function))
        {
            notices.Warn(
                "schema:" + function.Name,
                $"The arguments of '{function.Name}' are held to be {what}, but not to its schema: {exception.Message}");
            return otherwise;
        }
    }

    // The arguments one by one, in the order of the schema.
    private Grammar Pairs(AIFunctionDeclaration function, ToolCallPairs form)
    {
        var schema = function.JsonSchema;
        var properties = schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("properties", out var named)
            && named.ValueKind == JsonValueKind.Object ? named.EnumerateObject().ToArray() : [];
        HashSet<string> required = schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("required", out var names)
            && names.ValueKind == JsonValueKind.Array ? [.. names.EnumerateArray().Select(name => name.ToString())] : [];

        // What may come from a property on: where no argument came yet, and where one did.
        Grammar first = Grammar.Literal(""), next = first;
        for (int i = properties.Length - 1; i >= 0; i--)
        {
            var pair = Grammar.Sequence(
                Spell(form.BeforeKey + properties[i].Name + form.AfterKey), Value(function, properties[i], form), Spell(form.AfterValue));
            Grammar begun = Grammar.Sequence(pair, next), goneOn = Grammar.Sequence(Spell(form.Separator), pair, next);
            bool isRequired = required.Contains(properties[i].Name);
            (first, next) = isRequired ? (begun, goneOn) : (Grammar.OneOf(begun, first), Grammar.OneOf(goneOn, next));
        }

        return first;
    }

    private Grammar Value(AIFunctionDeclaration function, JsonProperty property, ToolCallPairs form)
    {
        var schema = property.Value;
        if (schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("enum", out var values)
            && values.ValueKind == JsonValueKind.Array && values.GetArrayLength() > 0)
            return Grammar.FromChoices(values.EnumerateArray().Select(value => form.Spell(value)));
        if (schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("const", out var only))
            return Grammar.Literal(form.Spell(only));
        if (TypeOf(schema) is "boolean")
            return Grammar.FromChoices(["True", "False"]);
        if (!form.AreLiterals && ToolCallPairs.MayBeString(schema))
        {
            // A string without quotes; what else may stand here is such a text too.
            if (TypeOf(schema) != "string"
                || schema.EnumerateObject().Any(k => k.Name is not ("type" or "description" or "title" or "default")))
                notices.Warn(
                    $"schema:{function.Name}.{property.Name}",
                    $"The argument '{property.Name}' of '{function.Name}' is held to be a text, but not to its schema: this model writes "
                        + "strings without quotes.");
            return Grammar.TextWithout(form.AfterValue.Trim());
        }

        var whole = System.Text.Json.Nodes.JsonNode.Parse(schema.GetRawText());
        if (whole is System.Text.Json.Nodes.JsonObject json && function.JsonSchema.TryGetProperty("$defs", out var definitions))
            json.TryAdd("$defs", System.Text.Json.Nodes.JsonNode.Parse(definitions.GetRawText()));
        using var document = JsonDocument.Parse(whole?.ToJsonString() ?? "null");
        return Held(function, () => Grammar.FromJsonSchema(document.RootElement, AnswerForm.SchemaOptions), Grammar.Json, "JSON");
    }

    private static string? TypeOf(JsonElement schema)
        => schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String
            ? type.GetString()
            : null;

    private static bool IsStrict(AIFunctionDeclaration function)
        => function.AdditionalProperties.TryGetValue("strict", out var strict) && strict is true;

    // A text in which control tokens are such tokens, and the place of an id is any id.
    private Grammar Spell(string text)
    {
        var parts = new List<Grammar>();
        int literal = 0;
        for (int at = 0; at < text.Length;)
        {
            string? token = Array.Find(_controlTokens, content => string.CompareOrdinal(text, at, content, 0, content.Length) == 0);
            if (token is null && text[at] != ToolCallFormat.IdPlace)
            {
                at++;
                continue;
            }

            if (at > literal)
                parts.Add(Grammar.Literal(text[literal..at]));
            parts.Add(token is null ? Id : Grammar.ControlToken(token));
            literal = at += token?.Length ?? 1;
        }

        if (literal < text.Length || parts.Count == 0)
            parts.Add(Grammar.Literal(text[literal..]));
        return Grammar.Sequence(parts);
    }

    private static Grammar Id { get; } = Grammar.Repeat(
        Grammar.FromChoices("abcdefghijklmnopqrstuvwxyz0123456789".Select(c => c.ToString())), IdLength, IdLength);
}
