using System.Runtime.InteropServices;
using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.Automaton;

/// <summary>A list of nodes that are still to be matched, from the front. Equal lists are one cell.</summary>
internal sealed class Cell(int id, Node head, Cell? tail)
{
    public int Id { get; } = id;

    public Node Head { get; } = head;

    /// <summary>What follows; null for nothing.</summary>
    public Cell? Tail { get; } = tail;
}

/// <summary>
/// A set of lists of which one must be matched, and what is known of it. Every list begins with a node that takes a byte or a control
/// token.
/// </summary>
internal sealed class State(int id, Cell[] lists, bool isComplete, bool isOpen)
{
    /// <summary>Successors by class of bytes; null until the first is asked for.</summary>
    public State?[]? Next;

    private JsonPlace _place = new(-1, false);

    public int Id { get; } = id;

    public Cell[] Lists { get; } = lists;

    /// <summary>The text may end here.</summary>
    public bool IsComplete { get; } = isComplete;

    /// <summary>What stands behind the rule may begin here (only in automata of one rule by itself).</summary>
    public bool IsOpen { get; } = isOpen;

    /// <summary>Nothing may follow.</summary>
    public bool IsDead { get; } = lists.Length == 0 && !isComplete && !isOpen;

    /// <summary>Where the text is among JSON objects.</summary>
    public JsonPlace Place
    {
        get
        {
            if (_place.Objects < 0)
                _place = JsonPlace.Of(Lists);
            return _place;
        }
    }
}

/// <summary>A place among JSON objects.</summary>
/// <param name="Objects">The objects around it.</param>
/// <param name="IsInName">Whether a name is being written that must be new in its object.</param>
internal readonly record struct JsonPlace(int Objects, bool IsInName)
{
    public static JsonPlace Of(Cell[] lists)
    {
        int most = 0;
        foreach (var list in lists)
        {
            bool isInName = false;
            int objects = 0;
            for (var cell = list; cell is not null; cell = cell.Tail)
            {
                isInName |= cell.Head == EndOfRuleNode.OfName && objects == 0;
                objects += cell.Head == EndOfRuleNode.OfObject ? 1 : 0;
            }

            if (isInName)
                return new JsonPlace(objects, true);
            most = Math.Max(most, objects);
        }

        return new JsonPlace(most, false);
    }
}

/// <summary>
/// The pushdown automaton of a grammar over bytes, made deterministic as far as it is used: states are interned sets of lists of nodes. Not
/// thread-safe.
/// </summary>
internal sealed class GrammarAutomaton
{
    /// <summary>The lists that one state may have.</summary>
    public const int MaximumLists = 4096;

    /// <summary>The steps that finding the lists of one state may take.</summary>
    private const int MaximumSteps = 200_000;

    private readonly Dictionary<(int Head, int Tail), Cell> _cells = [];
    private readonly Dictionary<(int Inner, int Minimum, int Maximum), RepeatNode> _repeats = [];
    private readonly Dictionary<StateKey, State> _byKey = [];
    private readonly List<State> _states = [];
    private readonly HashSet<Node> _nullable;
    private readonly Dictionary<ControlNode, Node> _spelled = [];
    private readonly bool _controlsAreText;
    private readonly byte[] _classOf;
    private readonly byte[] _exampleOf;

    private readonly Stack<Cell?> _work = new();
    private readonly HashSet<int> _visited = [];
    private readonly Dictionary<(Node Inner, Cell? Tail), int> _longest = [];
    private readonly List<Cell> _found = [];

    /// <summary>Begins an automaton.</summary>
    /// <param name="root">The grammar.</param>
    /// <param name="controlsAreText">Whether control tokens are read as their names, or as nothing, instead of as symbols of their
    /// own.</param>
    public GrammarAutomaton(Node root, bool controlsAreText = false)
    {
        Root = root;
        _controlsAreText = controlsAreText;
        var nodes = Graph.Reachable(root);
        _nullable = Graph.Nullable(nodes);
        HasFreeNames = nodes.Exists(n => n is RuleNode rule && rule.End == EndOfRuleNode.OfName);
        if (controlsAreText)
            nodes.AddRange(nodes.OfType<ControlNode>().Select(Spelled).SelectMany(Graph.Reachable).ToArray());
        (_classOf, _exampleOf) = Classes(nodes);
        Dead = Intern([], false, false);
        Start = Closure([Cons(root, Cons(EndOfRuleNode.Instance, null))]);
    }

    public Node Root { get; }

    /// <summary>Whether it has JSON objects with names that must not come twice.</summary>
    public bool HasFreeNames { get; }

    public State Start { get; }

    public State Dead { get; }

    /// <summary>The states found so far.</summary>
    public int StateCount => _states.Count;

    /// <summary>The lists found so far.</summary>
    public int CellCount => _cells.Count;

    public State this[int id] => _states[id];

    /// <summary>The state after a byte.</summary>
    public State Next(State state, byte value)
    {
        int kind = _classOf[value];
        var next = state.Next ??= new State?[_exampleOf.Length];
        return next[kind] ??= Compute(state, _exampleOf[kind]);
    }

    /// <summary>The state after a control token.</summary>
    public State NextControl(State state, string name)
    {
        Begin();
        foreach (var list in state.Lists)
            if (list.Head is ControlNode control && control.Name == name)
                _work.Push(list.Tail);
        return Close();
    }

    /// <summary>The state in which one of some lists is to be matched.</summary>
    public State Closure(ReadOnlySpan<Cell?> lists)
    {
        Begin();
        foreach (var list in lists)
            _work.Push(list);
        return Close();
    }

    /// <summary>The list of a node and what follows it.</summary>
    public Cell Cons(Node head, Cell? tail)
    {
        ref var cell = ref CollectionsMarshal.GetValueRefOrAddDefault(_cells, (head.Id, tail?.Id ?? -1), out _);
        return cell ??= new Cell(_cells.Count, head, tail);
    }

    /// <summary>A repetition with other bounds.</summary>
    public RepeatNode Repeat(Node inner, int minimum, int maximum)
    {
        ref var node = ref CollectionsMarshal.GetValueRefOrAddDefault(_repeats, (inner.Id, minimum, maximum), out _);
        return node ??= new RepeatNode(inner, minimum, maximum);
    }

    /// <summary>A list that begins with a sequence or a rule, with their parts instead.</summary>
    public Cell? Unfold(Cell list)
    {
        var rest = list.Tail;
        if (list.Head is RuleNode rule)
        {
            // A rule at the end of another needs no mark of its own, so that recursion at the end does not grow.
            return Cons(rule.Body, rule.End == EndOfRuleNode.Instance && rest is { Head: EndOfRuleNode } ? rest : Cons(rule.End, rest));
        }

        var parts = ((SequenceNode)list.Head).Parts;
        for (int i = parts.Length - 1; i >= 0; i--)
            rest = Cons(parts[i], rest);
        return rest;
    }

    /// <summary>The list of one turn of a repetition, those that are left, and what follows.</summary>
    public Cell Unroll(RepeatNode repeat, Cell? tail) => Cons(repeat.Inner, Less(repeat) is { } after ? Cons(after, tail) : tail);

    private Node Spelled(ControlNode control)
    {
        ref var node = ref CollectionsMarshal.GetValueRefOrAddDefault(_spelled, control, out _);
        return node ??= Node.Optional(Node.Literal(control.Name));
    }

    private State Compute(State state, byte value)
    {
        Begin();
        foreach (var list in state.Lists)
            if (list.Head is DfaNode dfa && dfa.Next(value) is { } target)
                _work.Push(target == DfaNode.End ? list.Tail : Cons(target, list.Tail));
        return _work.Count == 0 ? Dead : Close();
    }

    private void Begin()
    {
        _work.Clear();
        _visited.Clear();
        _longest.Clear();
        _found.Clear();
    }

    // Takes lists apart until each begins with what takes a byte or a control token.
    private State Close()
    {
        bool complete = false, open = false;
        int steps = 0;
        while (_work.Count > 0)
        {
            var list = _work.Pop();
            if (list is null)
            {
                complete = true;
                continue;
            }

            if (!_visited.Add(list.Id))
                continue;
            if (++steps > MaximumSteps || _found.Count > MaximumLists)
                throw new GrammarException(GrammarError.TooComplex,
                    "The grammar can be read in too many ways at one place; make its alternatives begin differently.");
            switch (list.Head)
            {
                case DfaNode dfa:
                    if (dfa.IsFinal)
                        _work.Push(list.Tail);
                    if (dfa.Ranges.Length > 0)
                        _found.Add(list);
                    break;
                case ControlNode control when _controlsAreText:
                    _work.Push(Cons(Spelled(control), list.Tail));
                    break;
                case ControlNode:
                    _found.Add(list);
                    break;
                case OutsideNode:
                    open = true;
                    break;
                case EndOfRuleNode:
                    _work.Push(list.Tail);
                    break;
                case SequenceNode or RuleNode:
                    _work.Push(Unfold(list));
                    break;
                case ChoiceNode choice:
                    foreach (var option in choice.Options)
                        _work.Push(Cons(option, list.Tail));
                    break;
                case RepeatNode repeat:
                    bool empty = _nullable.Contains(repeat.Inner);
                    if (repeat.Minimum == 0 || empty)
                        _work.Push(list.Tail);
                    if (empty && !IsLongest(repeat, list.Tail))
                        break;
                    _work.Push(Unroll(repeat, list.Tail));
                    break;
                default:
                    throw new InvalidOperationException($"{list.Head.GetType().Name} is no node of a grammar.");
            }
        }

        _found.Sort(static (x, y) => x.Id.CompareTo(y.Id));
        return Intern(CollectionsMarshal.AsSpan(_found), complete, open);
    }

    // Of repetitions of what may be empty, one that may go on longer stands for the shorter ones.
    private bool IsLongest(RepeatNode repeat, Cell? tail)
    {
        ref int longest = ref CollectionsMarshal.GetValueRefOrAddDefault(_longest, (repeat.Inner, tail), out bool exists);
        if (exists && longest >= repeat.Maximum)
            return false;
        longest = repeat.Maximum;
        return true;
    }

    private RepeatNode? Less(RepeatNode repeat)
    {
        int minimum = Math.Max(0, repeat.Minimum - 1);
        if (repeat.Maximum == RepeatNode.Unlimited)
            return minimum == repeat.Minimum ? repeat : Repeat(repeat.Inner, minimum, RepeatNode.Unlimited);
        return repeat.Maximum == 1 ? null : Repeat(repeat.Inner, minimum, repeat.Maximum - 1);
    }

    private State Intern(ReadOnlySpan<Cell> lists, bool complete, bool open)
    {
        var key = new StateKey(lists.ToArray(), complete, open);
        if (_byKey.TryGetValue(key, out var state))
            return state;
        state = new State(_states.Count, key.Lists, complete, open);
        _states.Add(state);
        _byKey.Add(key, state);
        return state;
    }

    // Bytes that no node of the grammar tells apart are one class.
    private static (byte[] ClassOf, byte[] ExampleOf) Classes(List<Node> nodes)
    {
        var cuts = new bool[257];
        cuts[0] = true;
        foreach (var node in nodes)
            if (node is DfaNode dfa)
                foreach (var (first, last, _) in dfa.Ranges)
                    cuts[first] = cuts[last + 1] = true;
        var classOf = new byte[256];
        var examples = new List<byte>();
        for (int value = 0; value < 256; value++)
        {
            if (cuts[value])
                examples.Add((byte)value);
            classOf[value] = (byte)(examples.Count - 1);
        }

        return (classOf, [.. examples]);
    }

    private readonly struct StateKey : IEquatable<StateKey>
    {
        private readonly bool _complete;
        private readonly bool _open;
        private readonly int _hash;

        public StateKey(Cell[] lists, bool complete, bool open)
        {
            (Lists, _complete, _open) = (lists, complete, open);
            var hash = default(HashCode);
            hash.Add(complete);
            hash.Add(open);
            foreach (var list in lists)
                hash.Add(list.Id);
            _hash = hash.ToHashCode();
        }

        public Cell[] Lists { get; }

        public bool Equals(StateKey other)
            => _hash == other._hash && _complete == other._complete && _open == other._open && Lists.AsSpan().SequenceEqual(other.Lists);

        public override bool Equals(object? obj) => obj is StateKey other && Equals(other);

        public override int GetHashCode() => _hash;
    }
}
