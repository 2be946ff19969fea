using System.Runtime.InteropServices;
using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.Automaton;

/// <summary>
/// The shortest text of every node of a grammar that a vocabulary can spell: the fewest bytes and, among as many, the first in order. That
/// choice is the same wherever one comes from: what is left of a shortest text after some of its bytes is the shortest text from there.
/// </summary>
internal sealed class ShortestTexts
{
    /// <summary>The length of what cannot be spelled.</summary>
    public const int Infinite = int.MaxValue / 4;

    /// <summary>The symbol of the first control token; smaller ones are bytes.</summary>
    public const int FirstControl = 256;

    private const int MaximumLength = 1 << 20;

    private readonly TokenVocabulary? _vocabulary;
    private readonly Dictionary<Node, int> _lengths = [];
    private readonly Dictionary<ChoiceNode, Node> _chosen = [];
    private readonly List<int> _cellLengths = [];
    private readonly List<string> _controls = [];

    /// <summary>Works out the lengths.</summary>
    /// <param name="nodes">All nodes of the grammar.</param>
    /// <param name="vocabulary">What may be spelled; null for everything.</param>
    public ShortestTexts(List<Node> nodes, TokenVocabulary? vocabulary)
    {
        _vocabulary = vocabulary;
        foreach (var node in nodes)
            _lengths[node] = Infinite;
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = nodes.Count - 1; i >= 0; i--)
            {
                int length = Measure(nodes[i]);
                if (length >= _lengths[nodes[i]])
                    continue;
                _lengths[nodes[i]] = length;
                changed = true;
            }
        }

        HasInfinite = nodes.Exists(n => _lengths[n] >= Infinite);
    }

    /// <summary>Whether some part of the grammar cannot be spelled.</summary>
    public bool HasInfinite { get; }

    /// <summary>The names of the control tokens that texts hold, by symbol.</summary>
    public string ControlName(int symbol) => _controls[symbol - FirstControl];

    /// <summary>The symbols of a node's shortest text.</summary>
    public int Length(Node node)
        => node is RepeatNode repeat && !_lengths.ContainsKey(repeat) ? Measure(repeat) : _lengths.GetValueOrDefault(node);

    /// <summary>The symbols of a list's shortest text.</summary>
    public int Length(Cell? cell)
    {
        if (cell is null)
            return 0;
        while (_cellLengths.Count <= cell.Id)
            _cellLengths.Add(-1);
        if (_cellLengths[cell.Id] >= 0)
            return _cellLengths[cell.Id];
        var path = new Stack<Cell>();
        var at = cell;
        for (; at is not null && _cellLengths[at.Id] < 0; at = at.Tail)
            path.Push(at);
        int length = at is null ? 0 : _cellLengths[at.Id];
        while (path.TryPop(out var next))
            _cellLengths[next.Id] = length = Add(Length(next.Head), length);
        return length;
    }

    /// <summary>The symbols of a state's shortest text.</summary>
    public int Length(State state)
    {
        if (state.IsComplete || state.IsOpen)
            return 0;
        int best = Infinite;
        foreach (var list in state.Lists)
            best = Math.Min(best, Length(list));
        return best;
    }

    /// <summary>Writes a node's shortest text.</summary>
    public void Write(Node node, List<int> symbols)
    {
        switch (node)
        {
            case DfaNode dfa:
                while (Way(dfa) is { } way)
                {
                    symbols.AddRange(way.Bytes);
                    dfa = way.Target;
                }

                break;
            case SequenceNode sequence:
                foreach (var part in sequence.Parts)
                    Write(part, symbols);
                break;
            case ChoiceNode choice:
                Write(Chosen(choice), symbols);
                break;
            case RepeatNode repeat:
                if (Length(repeat.Inner) > 0)
                    for (int i = 0; i < repeat.Minimum; i++)
                        Write(repeat.Inner, symbols);
                break;
            case RuleNode rule:
                Write(rule.Body, symbols);
                break;
            case ControlNode control:
                symbols.Add(SymbolOf(control));
                break;
        }
    }

    private static bool IsBefore(List<int> x, List<int> y)
        => CollectionsMarshal.AsSpan(x).SequenceCompareTo(CollectionsMarshal.AsSpan(y)) < 0;

    private static int Add(int x, int y) => x + y > MaximumLength ? Infinite : x + y;

    /// <summary>The symbol of a control token.</summary>
    public int SymbolOf(ControlNode control) => FirstControl + ControlIndex(control.Name);

    private int ControlIndex(string name)
    {
        int index = _controls.IndexOf(name);
        if (index >= 0)
            return index;
        _controls.Add(name);
        return _controls.Count - 1;
    }

    /// <summary>The option that holds a choice's shortest text.</summary>
    public Node Chosen(ChoiceNode choice)
    {
        if (_chosen.TryGetValue(choice, out var chosen))
            return chosen;
        int length = Length(choice);
        Node[] shortest = [.. choice.Options.Where(o => Length(o) == length)];
        chosen = shortest[0];
        if (shortest.Length > 1)
        {
            List<int>? best = null;
            foreach (var option in shortest)
            {
                var candidate = new List<int>(length);
                Write(option, candidate);
                if (best is null || IsBefore(candidate, best))
                    (best, chosen) = (candidate, option);
            }
        }

        _chosen.Add(choice, chosen);
        return chosen;
    }

    private int Measure(Node node)
    {
        switch (node)
        {
            case DfaNode dfa:
                return dfa.IsFinal ? 0 : Way(dfa) is { } way ? Add(way.Bytes.Length, _lengths[way.Target]) : Infinite;
            case SequenceNode sequence:
                int sum = 0;
                foreach (var part in sequence.Parts)
                    sum = Add(sum, _lengths[part]);
                return sum;
            case ChoiceNode choice:
                int least = Infinite;
                foreach (var option in choice.Options)
                    least = Math.Min(least, _lengths[option]);
                return least;
            case RepeatNode repeat:
                long product = (long)repeat.Minimum * _lengths[repeat.Inner];
                return product > MaximumLength ? Infinite : (int)product;
            case RuleNode rule:
                return _lengths[rule.Body];
            case ControlNode control:
                return _vocabulary is null || _vocabulary.Controls(control.Name).Length > 0 ? 1 : Infinite;
            default:
                return 0;
        }
    }

    /// <summary>The bytes with which an automaton's shortest text goes on; null where it ends.</summary>
    public (int[] Bytes, DfaNode Target)? Way(DfaNode dfa)
    {
        if (dfa.IsFinal)
            return null;
        int best = Infinite;
        (int[] Bytes, DfaNode Target)? way = null;
        foreach (var (first, last, target) in dfa.Ranges)
        {
            if (_lengths[target] + 1 >= best)
                continue;
            for (int value = first; value <= last; value++)
            {
                if (_vocabulary is not null && !_vocabulary.SpelledBytes[value])
                    continue;
                best = _lengths[target] + 1;
                way = ([value], target);
                break;
            }
        }

        if (_vocabulary is { SpellsSomeCharactersOnlyWhole: true })
            TryCharacters(dfa, 0, [], ref best, ref way);
        return way;
    }

    // A vocabulary without tokens for some bytes may still have a whole character with them.
    private void TryCharacters(DfaNode dfa, int node, int[] path, ref int best, ref (int[] Bytes, DfaNode Target)? way)
    {
        var trie = _vocabulary!.Trie;
        foreach (int child in trie.Children(node))
        {
            byte value = trie.Byte(child);
            if (path.Length == 0 ? value < 0xC2 : value is < 0x80 or > 0xBF)
                continue;
            if (dfa.Next(value) is not { } target)
                continue;
            int[] longer = [.. path, value];
            if (longer.Length == CharacterLength(longer[0]))
            {
                if (trie.Tokens(child).Length > 0 && longer.Length + _lengths[target] < best)
                    (best, way) = (longer.Length + _lengths[target], (longer, target));
            }
            else
            {
                TryCharacters(target, child, longer, ref best, ref way);
            }
        }
    }

    private static int CharacterLength(int lead) => lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}
