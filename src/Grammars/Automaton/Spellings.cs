using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.Automaton;

/// <summary>A symbol of a shortest text, and how the text is spelled from there on. Texts that end alike share their ends.</summary>
internal sealed class Spelling(int symbol, Spelling? next)
{
    public int Symbol { get; } = symbol;

    /// <summary>The next symbol; null at the end.</summary>
    public Spelling? Next { get; } = next;

    /// <summary>The fewest tokens that spell the text from here on; <see cref="ShortestTexts.Infinite"/> where none do.</summary>
    public int Tokens { get; init; }

    /// <summary>The first of these tokens.</summary>
    public int Token { get; init; }

    /// <summary>Where the token behind it begins; null at the end.</summary>
    public Spelling? After { get; init; }
}

/// <summary>
/// Spells the shortest texts of lists with as few tokens as possible (dynamic programming from the end). A list's spelling is that of the
/// list without its first part with a few symbols in front, so each is made once, and only its own symbols cost time.
/// </summary>
internal sealed class Spellings(GrammarAutomaton automaton, ShortestTexts shortest, TokenVocabulary vocabulary)
{
    private readonly List<(bool IsKnown, Spelling? Spelling)> _known = [];
    private readonly Dictionary<DfaNode, (int[] Bytes, DfaNode Target)?> _ways = [];
    private readonly Stack<(Cell List, int[] Symbols)> _path = new();

    /// <summary>The fewest tokens that spell a state's shortest text; <see cref="ShortestTexts.Infinite"/> where none do.</summary>
    public int Count(State state, bool first) => IsComplete(state) ? 0 : Find(state, first) is { } spelling ? spelling.Tokens : 0;

    /// <summary>Writes these tokens; there must be some that spell it.</summary>
    public void Write(State state, bool first, List<int> tokens)
    {
        if (IsComplete(state))
            return;
        for (var at = Find(state, first); at is not null; at = at.After)
            tokens.Add(at.Token);
    }

    /// <summary>The fewest tokens that spell a list's shortest text.</summary>
    public int Count(Cell? list) => shortest.Length(list) >= ShortestTexts.Infinite ? ShortestTexts.Infinite : Of(list)?.Tokens ?? 0;

    private static bool IsComplete(State state) => state.IsComplete || state.IsOpen;

    /// <summary>Of the shortest texts the one that takes the fewest tokens; null for the empty one.</summary>
    public Spelling? Find(State state, bool first)
    {
        int length = shortest.Length(state);
        if (length >= ShortestTexts.Infinite)
            return Impossible;
        Spelling? best = null;
        foreach (var list in state.Lists)
        {
            if (shortest.Length(list) != length)
                continue;
            var spelling = Of(list);
            if (first && spelling is not null && vocabulary.FirstTrie is { } trie)
                spelling = Prepend(spelling.Symbol, spelling.Next, trie);
            if (spelling is null)
                return null;
            if (best is null || spelling.Tokens < best.Tokens)
                best = spelling;
        }

        return best;
    }

    private static Spelling Impossible { get; } = new(0, null) { Tokens = ShortestTexts.Infinite };

    // The spelling of a list that has one; null for the empty text.
    private Spelling? Of(Cell? list)
    {
        _path.Clear();
        var at = list;
        while (at is not null && !IsKnown(at))
        {
            var (symbols, next) = Step(at);
            _path.Push((at, symbols));
            at = next;
        }

        var spelling = at is null ? null : _known[at.Id].Spelling;
        while (_path.TryPop(out var step))
        {
            for (int i = step.Symbols.Length - 1; i >= 0; i--)
                spelling = Prepend(step.Symbols[i], spelling, vocabulary.Trie);
            while (_known.Count <= step.List.Id)
                _known.Add(default);
            _known[step.List.Id] = (true, spelling);
        }

        return spelling;
    }

    private bool IsKnown(Cell list) => list.Id < _known.Count && _known[list.Id].IsKnown;

    // The first symbols of a list's shortest text, and the list that is then left.
    private (int[] Symbols, Cell? Next) Step(Cell list)
    {
        switch (list.Head)
        {
            case DfaNode dfa:
                if (!_ways.TryGetValue(dfa, out var way))
                    _ways.Add(dfa, way = shortest.Way(dfa));
                return way is not { } found ? ([], list.Tail)
                    : (found.Bytes, found.Target == DfaNode.End ? list.Tail : automaton.Cons(found.Target, list.Tail));
            case ChoiceNode choice:
                return ([], automaton.Cons(shortest.Chosen(choice), list.Tail));
            case RepeatNode repeat:
                return ([], repeat.Minimum == 0 || shortest.Length(repeat.Inner) == 0 ? list.Tail : automaton.Unroll(repeat, list.Tail));
            case SequenceNode or RuleNode:
                return ([], automaton.Unfold(list));
            case ControlNode control:
                return ([shortest.SymbolOf(control)], list.Tail);
            default:
                return ([], list.Tail);
        }
    }

    /// <summary>A spelling with a symbol in front.</summary>
    public Spelling Prepend(int symbol, Spelling? next, TokenTrie trie)
    {
        if (symbol >= ShortestTexts.FirstControl)
            return new Spelling(symbol, next)
            {
                Tokens = Math.Min(ShortestTexts.Infinite, 1 + (next?.Tokens ?? 0)),
                Token = vocabulary.Controls(shortest.ControlName(symbol))[0],
                After = next,
            };
        int tokens = ShortestTexts.Infinite, token = -1;
        Spelling? after = null;
        if (IsBorder(symbol, next))
        {
            int node = trie.Child(0, (byte)symbol);
            for (var rest = next; node >= 0; rest = rest.Next)
            {
                if (1 + (rest?.Tokens ?? 0) is var count && count < tokens && trie.Tokens(node) is { Length: > 0 } here)
                    (tokens, token, after) = (count, here[0], rest);
                if (rest is null || rest.Symbol >= ShortestTexts.FirstControl)
                    break;
                node = trie.Child(node, (byte)rest.Symbol);
            }
        }

        return new Spelling(symbol, next) { Tokens = tokens, Token = token, After = after };
    }

    // A token may end inside of a character only where the rest of the character can be spelled byte by byte.
    private bool IsBorder(int symbol, Spelling? next)
    {
        if (vocabulary.SpellsAllBytes)
            return true;
        for (; symbol is >= 0x80 and < 0xC0; (symbol, next) = (next.Symbol, next.Next))
        {
            if (!vocabulary.SpelledBytes[symbol])
                return false;
            if (next is null)
                break;
        }

        return true;
    }
}
