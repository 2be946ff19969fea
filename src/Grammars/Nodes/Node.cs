namespace Kotonoha.Grammars.Nodes;

/// <summary>
/// A part of a grammar over the bytes of UTF-8. A grammar is a graph of nodes; the automaton keeps lists of nodes that are still to be
/// matched, and takes them apart from the front as bytes come (partial derivatives; Antimirov, 1996).
/// </summary>
internal abstract class Node
{
    private static int _count;

    /// <summary>A number that no other node has.</summary>
    public int Id { get; } = Interlocked.Increment(ref _count);

    /// <summary>Matches the empty text alone.</summary>
    public static SequenceNode Empty { get; } = new([]);

    /// <summary>Matches nothing.</summary>
    public static ChoiceNode Nothing { get; } = new([]);

    /// <summary>One node after the other.</summary>
    public static Node Sequence(params ReadOnlySpan<Node> parts)
    {
        var flat = new List<Node>(parts.Length);
        foreach (var part in parts)
        {
            if (part == Nothing)
                return Nothing;
            if (part is SequenceNode inner)
                flat.AddRange(inner.Parts);
            else
                flat.Add(part);
        }

        return flat.Count switch
        {
            0 => Empty,
            1 => flat[0],
            _ => new SequenceNode([.. flat]),
        };
    }

    /// <summary>One of several nodes.</summary>
    public static Node Choice(params ReadOnlySpan<Node> options)
    {
        var flat = new List<Node>(options.Length);
        var seen = new HashSet<Node>();
        foreach (var option in options)
        {
            if (option is ChoiceNode inner)
            {
                foreach (var each in inner.Options)
                    if (seen.Add(each))
                        flat.Add(each);
            }
            else if (seen.Add(option))
            {
                flat.Add(option);
            }
        }

        return flat.Count switch
        {
            0 => Nothing,
            1 => flat[0],
            _ => new ChoiceNode([.. flat]),
        };
    }

    /// <summary>One of two nodes; choices within are not joined, so that chains of choices stay short.</summary>
    public static Node Either(Node first, Node second)
        => first == Nothing ? second : second == Nothing ? first : new ChoiceNode([first, second]);

    /// <summary>A node or nothing.</summary>
    public static Node Optional(Node node) => Choice(node, Empty);

    /// <summary>A node, several times.</summary>
    /// <param name="node">What is repeated.</param>
    /// <param name="minimum">How often at least.</param>
    /// <param name="maximum">How often at most; null for any number.</param>
    public static Node Repeat(Node node, int minimum, int? maximum)
    {
        if (maximum == 0 || node == Empty)
            return Empty;
        if (node == Nothing)
            return minimum == 0 ? Empty : Nothing;
        return minimum == 1 && maximum == 1 ? node : new RepeatNode(node, minimum, maximum ?? RepeatNode.Unlimited);
    }

    /// <summary>A node several times with another between each two.</summary>
    public static Node Repeat(Node node, int minimum, int? maximum, Node separator)
    {
        if (maximum == 0)
            return Empty;
        var some = Sequence(node, Repeat(Sequence(separator, node), Math.Max(0, minimum - 1), maximum - 1));
        return minimum == 0 ? Optional(some) : some;
    }

    /// <summary>Exactly this text.</summary>
    public static Node Literal(string text) => DfaNode.Literal(System.Text.Encoding.UTF8.GetBytes(text));
}

/// <summary>Nodes one after the other; none at all is the empty text.</summary>
internal sealed class SequenceNode(Node[] parts) : Node
{
    public Node[] Parts { get; } = parts;
}

/// <summary>One of several nodes; of none at all is no text.</summary>
internal sealed class ChoiceNode(Node[] options) : Node
{
    public Node[] Options { get; } = options;
}

/// <summary>A node from <see cref="Minimum"/> to <see cref="Maximum"/> times.</summary>
internal sealed class RepeatNode(Node inner, int minimum, int maximum) : Node
{
    /// <summary>The maximum of a repetition without one.</summary>
    public const int Unlimited = int.MaxValue;

    public Node Inner { get; } = inner;

    public int Minimum { get; } = minimum;

    public int Maximum { get; } = maximum;
}

/// <summary>
/// Another node by name, which may hold this one: recursion goes through rules alone. Masks are cached by what a rule has left to match.
/// </summary>
internal sealed class RuleNode(string name) : Node
{
    private Node? _body;

    public string Name { get; } = name;

    /// <summary>What stands at its end.</summary>
    public EndOfRuleNode End { get; init; } = EndOfRuleNode.Instance;

    public Node Body
    {
        get => _body ?? throw new InvalidOperationException($"The rule {Name} has no body yet.");
        set => _body = value;
    }
}

/// <summary>One control token of the vocabulary, which is no text.</summary>
internal sealed class ControlNode(string name) : Node
{
    public string Name { get; } = name;
}

/// <summary>Stands where a rule ends; matches the empty text.</summary>
internal sealed class EndOfRuleNode : Node
{
    public static EndOfRuleNode Instance { get; } = new();

    /// <summary>Stands where the members of a JSON object end.</summary>
    public static EndOfRuleNode OfObject { get; } = new();

    /// <summary>Stands where a name ends that the grammar leaves free and that may come but once in its object.</summary>
    public static EndOfRuleNode OfName { get; } = new();

    private EndOfRuleNode()
    {
    }
}

/// <summary>Stands for all that follows a rule, where masks are made that do not depend on it.</summary>
internal sealed class OutsideNode : Node
{
    public static OutsideNode Instance { get; } = new();

    private OutsideNode()
    {
    }
}
