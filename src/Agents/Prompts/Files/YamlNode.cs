using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>A value of a YAML (or JSON) text, with the line where it stands.</summary>
/// <remarks>
/// Built from the parser's events, so that depth and size are bounded before anything recurses. Plain scalars have the types of YAML 1.2's
/// core schema: <c>yes</c> and <c>no</c> are texts.
/// </remarks>
internal sealed class YamlNode
{
    private const int MaxDepth = 64;
    private const int MaxNodes = 100_000;

    private YamlNode(string path, int line) => (Path, Line) = (path, line);

    public string Path { get; }

    public int Line { get; }

    /// <summary>The text of a scalar; null for a list or a mapping.</summary>
    public string? Scalar { get; private init; }

    /// <summary>The scalar is written without quotes, so its spelling decides its type.</summary>
    public bool IsPlain { get; private init; }

    /// <summary>The items of a list, or null.</summary>
    public List<YamlNode>? Items { get; private init; }

    /// <summary>The members of a mapping, or null.</summary>
    public List<YamlMember>? Members { get; private init; }

    public bool IsNull => IsPlain && Scalar is "" or "~" or "null" or "Null" or "NULL";

    /// <summary>What kind of value it is, for messages.</summary>
    public string Kind => Members is not null ? "a mapping" : Items is not null ? "a list" : ScalarJson() switch
    {
        null => "null",
        { } value => value.GetValueKind() switch
        {
            JsonValueKind.Number => "a number",
            JsonValueKind.True or JsonValueKind.False => "a truth value",
            _ => "a text",
        },
    };

    /// <summary>The value of a member; null where it is missing or null.</summary>
    public YamlNode? this[string key] => Members?.Find(m => m.Key == key)?.Value is { IsNull: false } value ? value : null;

    /// <summary>Reads a text that holds one document.</summary>
    /// <param name="text">The text.</param>
    /// <param name="path">Its file, for messages.</param>
    /// <param name="firstLine">The line of the file at which the text begins.</param>
    /// <exception cref="PromptFileException">The text is not YAML.</exception>
    public static YamlNode Parse(string text, string path, int firstLine = 1)
    {
        // JSON may be indented by tabs, which YAML does not allow; in a JSON text they can only stand between tokens.
        if (text.AsSpan().TrimStart() is ['{', ..])
            text = text.Replace('\t', ' ');
        try
        {
            var builder = new Builder(new Parser(new StringReader(text)), path, firstLine - 1);
            return builder.Document() ?? new YamlNode(path, firstLine) { Scalar = "", IsPlain = true };
        }
        catch (YamlException exception)
        {
            var problem = exception.InnerException?.Message ?? exception.Message;
            throw new PromptFileException(PromptFileError.Syntax, path, (int)exception.Start.Line + firstLine - 1,
                FormattableString.Invariant($"this is not valid YAML (column {exception.Start.Column}): {problem.TrimEnd('.')}. ")
                + "Mind indentation, and quote texts that hold ': ', '#' or braces.", exception);
        }
    }

    /// <summary>A scalar like this one with another text.</summary>
    public YamlNode With(string text) => new(Path, Line) { Scalar = text, IsPlain = IsPlain };

    public PromptFileException Error(PromptFileError error, string problem, Exception? inner = null)
        => new(error, Path, Line, problem, inner);

    /// <summary>The value as JSON.</summary>
    /// <param name="expand">Turns a scalar into the one that is meant.</param>
    public JsonNode? ToJson(Func<YamlNode, YamlNode>? expand = null)
    {
        int left = MaxNodes;
        return Convert(this);

        JsonNode? Convert(YamlNode node)
        {
            if (left-- <= 0)
                throw Error(PromptFileError.Syntax,
                    FormattableString.Invariant($"aliases make more than {MaxNodes} values of this; use fewer."));
            if (node.Scalar is not null)
            {
                var meant = expand?.Invoke(node) ?? node;
                return meant.Scalar is null ? Convert(meant) : meant.ScalarJson();
            }

            return node.Items is { } items
                ? new JsonArray([.. items.Select(Convert)])
                : new JsonObject(node.Members!.Select(m => KeyValuePair.Create(m.Key, Convert(m.Value))));
        }
    }

    public JsonElement ToJsonElement(Func<YamlNode, YamlNode>? expand = null)
        => JsonSerializer.SerializeToElement(ToJson(expand));

    /// <summary>The scalar with the type that its spelling gives it.</summary>
    public JsonValue? ScalarJson()
    {
        if (!IsPlain)
            return JsonValue.Create(Scalar);
        if (IsNull)
            return null;
        if (Scalar is "true" or "True" or "TRUE")
            return JsonValue.Create(true);
        if (Scalar is "false" or "False" or "FALSE")
            return JsonValue.Create(false);
        if (long.TryParse(Scalar, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer))
            return JsonValue.Create(integer);
        return Scalar is [>= '0' and <= '9' or '-' or '+' or '.', ..]
            && double.TryParse(Scalar, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
            ? JsonValue.Create(number)
            : JsonValue.Create(Scalar);
    }

    private sealed class Builder(Parser parser, string path, int lines)
    {
        private readonly Dictionary<string, YamlNode> _anchors = new(StringComparer.Ordinal);
        private int _nodes;

        public YamlNode? Document()
        {
            parser.Consume<StreamStart>();
            if (parser.TryConsume<StreamEnd>(out _))
                return null;
            parser.Consume<DocumentStart>();
            var root = Node(0);
            parser.Consume<DocumentEnd>();
            if (parser.Current is DocumentStart second)
                throw new YamlException(second.Start, second.End, "a second document begins here; a prompt file holds one");
            return root;
        }

        private YamlNode Node(int depth)
        {
            var start = parser.Current!;
            if (depth > MaxDepth)
                throw new YamlException(start.Start, start.End, $"more than {MaxDepth} levels stand inside one another");
            if (++_nodes > MaxNodes)
                throw new YamlException(start.Start, start.End, $"there are more than {MaxNodes} values");
            int line = (int)start.Start.Line + lines;
            switch (start)
            {
                case Scalar scalar:
                    parser.MoveNext();
                    bool isText = !scalar.Tag.IsEmpty && scalar.Tag.Value == "tag:yaml.org,2002:str";
                    return Known(scalar,
                        new YamlNode(path, line) { Scalar = scalar.Value, IsPlain = scalar.Style == ScalarStyle.Plain && !isText });
                case AnchorAlias alias:
                    parser.MoveNext();
                    return _anchors.TryGetValue(alias.Value.Value, out var known) ? known
                        : throw new YamlException(alias.Start, alias.End, $"the alias *{alias.Value} has no anchor before it");
                case SequenceStart list:
                    parser.MoveNext();
                    var items = new List<YamlNode>();
                    while (!parser.TryConsume<SequenceEnd>(out _))
                        items.Add(Node(depth + 1));
                    return Known(list, new YamlNode(path, line) { Items = items });
                case MappingStart mapping:
                    parser.MoveNext();
                    var members = new List<YamlMember>();
                    while (!parser.TryConsume<MappingEnd>(out _))
                        members.Add(Member(members, depth));
                    return Known(mapping, new YamlNode(path, line) { Members = members });
                default:
                    throw new YamlException(start.Start, start.End, "a value is expected here");
            }
        }

        private YamlMember Member(List<YamlMember> before, int depth)
        {
            var start = parser.Current!;
            if (Node(depth + 1).Scalar is not { } key)
                throw new YamlException(start.Start, start.End, "a key must be a text");
            if (key == "<<")
                throw new YamlException(start.Start, start.End, "merge keys (<<) are not supported; write the members out");
            if (before.Exists(m => m.Key == key))
                throw new YamlException(start.Start, start.End, $"the key '{key}' is given twice");
            return new YamlMember(key, (int)start.Start.Line + lines, Node(depth + 1));
        }

        // A node may refer to itself only from inside, where its anchor is not known yet.
        private YamlNode Known(NodeEvent start, YamlNode node)
        {
            if (!start.Anchor.IsEmpty)
                _anchors[start.Anchor.Value] = node;
            return node;
        }
    }
}

/// <summary>A member of a mapping.</summary>
internal sealed record YamlMember(string Key, int Line, YamlNode Value);
