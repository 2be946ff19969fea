using System.Text.Json;
using Kotonoha.Grammars;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector;

/// <summary>What the words of an answer must be.</summary>
/// <param name="Key">Tells forms apart.</param>
/// <param name="Grammar">Compiles it.</param>
internal sealed record AnswerForm(string Key, Func<Grammar> Grammar)
{
    /// <summary>How schemas are read. What comes of an integer is most often an <see cref="int"/>, so it fits one.</summary>
    public static JsonSchemaOptions SchemaOptions { get; } = new() { Limits32BitIntegers = true };

    /// <summary>Reads the form of a request: its response format or one of its additional properties; null for any text.</summary>
    /// <exception cref="ArgumentException">Several forms are given.</exception>
    /// <exception cref="NotSupportedException">The response format is of an unknown kind.</exception>
    public static AnswerForm? Read(ChatResponseFormat? format, IReadOnlyList<AnswerForm> further)
    {
        var form = format switch
        {
            null or ChatResponseFormatText => null,
            ChatResponseFormatJson { Schema: { } schema } => OfSchema(schema),
            ChatResponseFormatJson => new AnswerForm("json", () => Grammars.Grammar.JsonObject),
            _ => throw new NotSupportedException(
                $"The response format {format.GetType().Name} is not known; known are text, JSON and a JSON schema."),
        };
        return (form, further.Count) switch
        {
            (_, 0) => form,
            (null, 1) => further[0],
            _ => throw new ArgumentException(
                "An answer has one form: give either a ResponseFormat, or one of json_schema, regex, choice and grammar (or guided_json, "
                    + "guided_regex, guided_choice, guided_grammar).",
                "options"),
        };
    }

    /// <summary>JSON of a schema.</summary>
    public static AnswerForm OfSchema(JsonElement schema)
        => new("schema " + schema.GetRawText(), () => Grammars.Grammar.FromJsonSchema(schema, SchemaOptions));

    /// <summary>What a regular expression matches as a whole.</summary>
    public static AnswerForm OfRegex(string pattern) => new("regex " + pattern, () => Grammars.Grammar.FromRegex(pattern));

    /// <summary>What a GBNF grammar describes.</summary>
    public static AnswerForm OfGbnf(string text) => new("gbnf " + text, () => Grammars.Grammar.FromGbnf(text));

    /// <summary>One of several texts.</summary>
    public static AnswerForm OfChoices(IReadOnlyList<string> choices)
        => new("choice " + JsonSerializer.Serialize(choices, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IReadOnlyList<string>))),
            () => Grammars.Grammar.FromChoices(choices));
}

/// <summary>
/// Keeps the grammars of the latest requests: what is found out about a grammar while it is used makes the next use fast. Thread-safe.
/// </summary>
internal sealed class GrammarCache
{
    private const int MaxGrammars = 64;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<(string Key, Grammar Grammar)>> _byKey = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Key, Grammar Grammar)> _byAge = new();

    /// <summary>The grammar of a key, compiled now if it is not there.</summary>
    public Grammar Get(string key, Func<Grammar> compile)
    {
        lock (_lock)
        {
            if (_byKey.TryGetValue(key, out var node))
            {
                _byAge.Remove(node);
                _byAge.AddFirst(node);
                return node.Value.Grammar;
            }
        }

        var grammar = compile();
        lock (_lock)
        {
            if (_byKey.TryGetValue(key, out var other))
                return other.Value.Grammar;
            _byKey.Add(key, _byAge.AddFirst((key, grammar)));
            if (_byKey.Count > MaxGrammars)
            {
                _byKey.Remove(_byAge.Last!.Value.Key);
                _byAge.RemoveLast();
            }
        }

        return grammar;
    }
}
