using System.Text;
using System.Text.Json;
using Kotonoha.Grammars.Automaton;
using Kotonoha.Grammars.Gbnf;
using Kotonoha.Grammars.JsonSchema;
using Kotonoha.Grammars.Nodes;
using Kotonoha.Grammars.Patterns;

namespace Kotonoha.Grammars;

/// <summary>
/// What a text may be: a JSON schema, a regular expression, a choice, a GBNF grammar, or a composition of such. A model that writes under
/// it cannot leave it.
/// </summary>
/// <remarks>Immutable and thread-safe; keep one and use it for many texts, for what is found out about it is kept too.</remarks>
public sealed class Grammar
{
    private readonly Lock _lock = new();
    private GrammarAutomaton? _automaton;

    internal Grammar(Node root)
    {
        if (root == Node.Nothing)
            throw new GrammarException(GrammarError.Unsatisfiable, "No text satisfies the grammar.");
        Root = root;
    }

    /// <summary>Any JSON value. At most one blank stands behind a colon or a comma, numbers have at most 15 digits.</summary>
    public static Grammar Json { get; } = new(JsonText.AnyValue);

    /// <summary>Any JSON object.</summary>
    public static Grammar JsonObject { get; } = new(JsonText.AnyObject);

    /// <summary>Any text, the empty one included.</summary>
    public static Grammar Text { get; } = new(FreeText.Any);

    internal Node Root { get; }

    /// <summary>
    /// The JSON texts that satisfy a schema (draft 2020-12), or a part of them: see the package's README for what is narrower.
    /// </summary>
    /// <param name="schema">The schema: an object or a boolean.</param>
    /// <param name="options">The form of the text.</param>
    /// <exception cref="GrammarException">The schema is malformed, uses a keyword that is not supported, or nothing satisfies it; the error
    /// names the JSON pointer.</exception>
    public static Grammar FromJsonSchema(JsonElement schema, JsonSchemaOptions? options = null)
        => Checked(new JsonSchemaCompiler(schema, options ?? new JsonSchemaOptions()).Compile());

    /// <summary>The texts that a regular expression matches as a whole, as far as it describes a regular language.</summary>
    /// <param name="pattern">
    /// The pattern, in the syntax that .NET and ECMAScript share: classes, groups, alternatives, repetitions, categories, <c>(?i)</c> for
    /// ASCII letters, anchors at the ends. A dot and negated classes stand for characters of the basic plane, <c>\d</c>, <c>\w</c> and
    /// <c>\s</c> for ASCII.
    /// </param>
    /// <exception cref="GrammarException">The pattern is malformed, or has lookarounds, backreferences or word borders.</exception>
    public static Grammar FromRegex(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return Checked(PatternParser.Parse(pattern, set => set.ToUtf8(), isSearch: false));
    }

    /// <summary>The texts of a grammar in GBNF, llama.cpp's notation.</summary>
    /// <param name="text">The rules; <c>root</c> is the whole.</param>
    /// <exception cref="GrammarException">The text is malformed, a rule is missing, or a rule begins with itself; the error names the
    /// line.</exception>
    public static Grammar FromGbnf(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Checked(GbnfParser.Parse(text));
    }

    /// <summary>One of several texts.</summary>
    /// <param name="choices">At least one text.</param>
    public static Grammar FromChoices(IEnumerable<string> choices)
    {
        ArgumentNullException.ThrowIfNull(choices);
        return new Grammar(DfaNode.AnyOf(choices.Select(Bytes)));
    }

    /// <summary>Exactly this text.</summary>
    /// <param name="text">The text; may be empty.</param>
    public static Grammar Literal(string text) => new(DfaNode.Literal(Bytes(text)));

    /// <summary>One grammar after the other.</summary>
    /// <param name="parts">The grammars.</param>
    public static Grammar Sequence(params IEnumerable<Grammar> parts) => new(Node.Sequence([.. parts.Select(p => p.Root)]));

    /// <summary>One of several grammars.</summary>
    /// <param name="options">At least one grammar.</param>
    public static Grammar OneOf(params IEnumerable<Grammar> options) => new(Node.Choice([.. options.Select(p => p.Root)]));

    /// <summary>A grammar or nothing.</summary>
    /// <param name="grammar">The grammar.</param>
    public static Grammar Optional(Grammar grammar) => new(Node.Optional(grammar.Root));

    /// <summary>A grammar several times.</summary>
    /// <param name="grammar">What is repeated.</param>
    /// <param name="minimum">How often at least.</param>
    /// <param name="maximum">How often at most; null for any number.</param>
    /// <param name="separator">What stands between each two; null for nothing.</param>
    public static Grammar Repeat(Grammar grammar, int minimum, int? maximum, Grammar? separator = null)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        ArgumentOutOfRangeException.ThrowIfNegative(minimum);
        if (maximum is { } most)
            ArgumentOutOfRangeException.ThrowIfLessThan(most, minimum, nameof(maximum));
        return Checked(separator is null
            ? Node.Repeat(grammar.Root, minimum, maximum)
            : Node.Repeat(grammar.Root, minimum, maximum, separator.Root));
    }

    /// <summary>Any text, the empty one included, in which none of some texts occurs.</summary>
    /// <param name="literals">The texts that do not occur; not empty.</param>
    public static Grammar TextWithout(params IEnumerable<string> literals) => new(FreeText.Without([.. literals.Select(Bytes)]));

    /// <summary>
    /// One control token of the vocabulary, for example <c>&lt;tool_call&gt;</c>. <see cref="Matches"/> reads it as its name, or as
    /// nothing.
    /// </summary>
    /// <param name="name">The token's content.</param>
    public static Grammar ControlToken(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new Grammar(new ControlNode(name));
    }

    /// <summary>Whether a text is one of the grammar's.</summary>
    /// <param name="text">The text.</param>
    public bool Matches(string text) => FindMismatch(text) is null;

    /// <summary>Where a text leaves the grammar.</summary>
    /// <param name="text">The text.</param>
    /// <returns>
    /// Null where it is one of the grammar's; else the number of characters that begin some text of the grammar: the text's length where it
    /// only ends too early.
    /// </returns>
    public int? FindMismatch(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        lock (_lock)
        {
            var automaton = Automaton();
            var state = automaton.Start;
            var names = automaton.HasFreeNames ? new MemberNames() : null;
            Span<byte> bytes = stackalloc byte[4];
            for (int at = 0; at < text.Length;)
            {
                if (Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out int units) != System.Buffers.OperationStatus.Done)
                    return at;
                foreach (byte value in bytes[..rune.EncodeToUtf8(bytes)])
                {
                    var next = automaton.Next(state, value);
                    if (names?.Take(state, value, next) == false)
                        return at;
                    state = next;
                }

                if (state.IsDead)
                    return at;
                at += units;
            }

            return state.IsComplete ? null : text.Length;
        }
    }

    /// <summary>The shortest text of the grammar in bytes; of equally long ones the first in order. Control tokens are left out.</summary>
    public string ShortestText()
    {
        var shortest = new ShortestTexts(Graph.Reachable(Root), null);
        var symbols = new List<int>();
        shortest.Write(Root, symbols);
        return Encoding.UTF8.GetString([.. symbols.Where(s => s < ShortestTexts.FirstControl).Select(s => (byte)s)]);
    }

    internal static Grammar Checked(Node root)
    {
        Graph.RequireNoLeftRecursion(root);
        if (new ShortestTexts(Graph.Reachable(root), null).Length(root) >= ShortestTexts.Infinite)
            throw new GrammarException(GrammarError.Unsatisfiable,
                "No finite text satisfies the grammar, or only texts of more than a million bytes do.");
        return new Grammar(root);
    }

    // The automaton of texts, in which control tokens are their names or nothing.
    private GrammarAutomaton Automaton()
    {
        const int MaximumStates = 50_000;
        if (_automaton is null || _automaton.StateCount > MaximumStates)
            _automaton = new GrammarAutomaton(Root, controlsAreText: true);
        return _automaton;
    }

    private static byte[] Bytes(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(text);
        }
        catch (EncoderFallbackException exception)
        {
            throw new GrammarException(GrammarError.Syntax, "A text of the grammar has half of a surrogate pair, which UTF-8 cannot say.",
                inner: exception);
        }
    }
}
