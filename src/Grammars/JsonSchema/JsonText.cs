using System.Globalization;
using System.Text;
using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.JsonSchema;

/// <summary>The parts of JSON texts.</summary>
internal static class JsonText
{
    /// <summary>How deep objects and arrays may lie in each other at most; System.Text.Json reads 64.</summary>
    public const int MaximumDepth = 64;

    /// <summary>The depth where nothing else is said.</summary>
    public const int DefaultDepth = 32;

    private const string ShortEscapes = "bfnrt";

    private static readonly Lock Lock = new();
    private static readonly Node?[] Values = new Node?[MaximumDepth + 1];

    /// <summary>The characters that stand for themselves in a string.</summary>
    public static CharSet Plain { get; } = CharSet.Of((0, 0x1F), ('"', '"'), ('\\', '\\')).Complement();

    /// <summary>
    /// Characters that every validator counts as one, whether it counts code points, UTF-16 units or graphemes: no combining marks, no
    /// jamo, nothing above the basic plane.
    /// </summary>
    public static CharSet Countable { get; } = CharSet.Of(
        (0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x2FF), (0x370, 0x482), (0x48A, 0x52F), (0x1E00, 0x1FFF), (0x2010, 0x2027), (0x2030, 0x205E),
        (0x20A0, 0x20BF),
        (0x2190, 0x2200), (0x2460, 0x24FF), (0x2E80, 0x2FD5), (0x3000, 0x3029), (0x3030, 0x3030), (0x3041, 0x3096), (0x309B, 0x30FF),
        (0x3400, 0x9FFF),
        (0xAC00, 0xD7A3), (0xFF01, 0xFF9D));

    /// <summary>One character of a string: itself, or an escape.</summary>
    public static Node Character { get; } = Node.Choice(Plain.ToUtf8(), Escape());

    /// <summary>Any string.</summary>
    public static Node String { get; } = Rule("string", Quoted(Node.Repeat(Character, 0, null)));

    /// <summary>Any name that the object does not have yet.</summary>
    public static Node AnyName { get; } = Name(Node.Repeat(Character, 0, null));

    /// <summary>Nothing or one blank.</summary>
    public static Node Blank { get; } = Node.Optional(Node.Literal(" "));

    /// <summary>Any number of at most 15 digits before and behind the point.</summary>
    public static Node Number { get; } = Rule("number", Node.Sequence(
        Node.Optional(Node.Literal("-")), JsonNumber.Unsigned(fraction: true), Node.Optional(Node.Sequence(
            CharSet.Of("eE").ToUtf8(), Node.Optional(CharSet.Of("+-").ToUtf8()), Node.Repeat(CharSet.Of(('0', '9')).ToUtf8(), 1, 1)))));

    /// <summary><c>true</c> or <c>false</c>.</summary>
    public static Node Boolean { get; } = Node.Choice(Node.Literal("true"), Node.Literal("false"));

    /// <summary>The value null.</summary>
    public static Node Null { get; } = Node.Literal("null");

    /// <summary>What stands between two members or items.</summary>
    public static Node Comma { get; } = Node.Sequence(Node.Literal(","), Blank);

    /// <summary>What stands between a name and its value.</summary>
    public static Node Colon { get; } = Node.Sequence(Node.Literal(":"), Blank);

    public static Node AnyValue => Value(DefaultDepth);

    public static Node AnyObject => Object(DefaultDepth);

    /// <summary>Any value in which objects and arrays lie in each other at most so deep.</summary>
    public static Node Value(int depth)
    {
        lock (Lock)
            return Values[depth] ??= Rule("value", Node.Choice(String, Number, Boolean, Null, Object(depth), Array(depth)));
    }

    /// <summary>Any object of at most this depth.</summary>
    public static Node Object(int depth)
    {
        if (depth == 0)
            return Node.Nothing;
        var member = Node.Sequence(AnyName, Colon, Value(depth - 1));
        return Rule("object", Braces(Node.Repeat(member, 0, null, Comma)));
    }

    /// <summary>An object of these members.</summary>
    public static Node Braces(Node members) => members == Node.Nothing ? members : Node.Sequence(
        Node.Literal("{"), new RuleNode("members") { Body = members, End = EndOfRuleNode.OfObject }, Node.Literal("}"));

    /// <summary>A name that the object does not have yet.</summary>
    /// <param name="content">What it may be, in escaped form.</param>
    public static Node Name(Node content) => Node.Sequence(
        Node.Literal("\""), new RuleNode("name") { Body = Node.Sequence(content, Node.Literal("\"")), End = EndOfRuleNode.OfName });

    /// <summary>Any array of at most this depth.</summary>
    public static Node Array(int depth)
        => depth == 0
            ? Node.Nothing
            : Rule("array", Node.Sequence(Node.Literal("["), Node.Repeat(Value(depth - 1), 0, null, Comma), Node.Literal("]")));

    /// <summary>A rule by itself, whose masks serve wherever it stands.</summary>
    public static Node Rule(string name, Node body) => body == Node.Nothing ? body : new RuleNode(name) { Body = body };

    /// <summary>A string whose content is given in escaped form.</summary>
    public static Node Quoted(Node content) => Node.Sequence(Node.Literal("\""), content, Node.Literal("\""));

    /// <summary>The text of a string with as few escapes as possible.</summary>
    public static string Quote(string content)
    {
        var text = new StringBuilder("\"");
        foreach (var rune in content.EnumerateRunes())
            text.Append(Plain.Contains(rune.Value) ? rune.ToString() : EscapeOf(rune.Value));
        return text.Append('"').ToString();
    }

    /// <summary>One character of a set as it stands in a string, with as few escapes as possible.</summary>
    public static Node Escaped(CharSet set)
    {
        var escaped = new List<byte[]>();
        foreach (var (first, last) in set.Except(Plain).Ranges)
            for (int value = first; value <= last; value++)
                escaped.Add(Encoding.ASCII.GetBytes(EscapeOf(value)));
        return Node.Choice(set.Intersect(Plain).ToUtf8(), DfaNode.AnyOf(escaped));
    }

    private static string EscapeOf(int value) => value switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => string.Create(CultureInfo.InvariantCulture, $"\\u{value:x4}"),
    };

    // Halves of surrogate pairs are left out: a text with one of them cannot be read.
    private static Node Escape()
    {
        var hex = CharSet.Of("0123456789abcdefABCDEF").ToUtf8();
        var code = Node.Choice(
            Node.Sequence(CharSet.Of("0123456789abcABCefEF").ToUtf8(), hex, hex, hex),
            Node.Sequence(CharSet.Of("dD").ToUtf8(), CharSet.Of(('0', '7')).ToUtf8(), hex, hex));
        return Node.Sequence(Node.Literal("\\"),
            Node.Choice(CharSet.Of("\"\\/" + ShortEscapes).ToUtf8(), Node.Sequence(Node.Literal("u"), code)));
    }
}
