using System.Runtime.InteropServices;
using Kotonoha.Grammars.Automaton;
using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars;

/// <summary>The tokens that may follow in one state.</summary>
/// <param name="Tokens">The tokens.</param>
/// <param name="LongestRest">The most tokens that are needed to complete the text after one of them.</param>
internal sealed record NextTokens(TokenSet Tokens, int LongestRest);

/// <summary>Tokens, each with the tokens that the rest then takes; by ascending rest.</summary>
internal sealed class RankedTokens
{
    private readonly int[] _tokens;
    private readonly int[] _rests;
    private readonly int[] _ends;
    private readonly TokenSet?[] _sets;

    /// <summary>Ranks tokens that are given by their rest.</summary>
    public RankedTokens(SortedDictionary<int, List<int>> byRest)
    {
        _rests = [.. byRest.Keys];
        _tokens = [.. byRest.Values.SelectMany(tokens => tokens)];
        _ends = new int[_rests.Length];
        int end = 0, next = 0;
        foreach (var tokens in byRest.Values)
            _ends[next++] = end += tokens.Count;
        _sets = new TokenSet?[_rests.Length];
    }

    /// <summary>The memory of the sets made so far.</summary>
    public int Bytes { get; private set; }

    /// <summary>The tokens after which the rest takes no more than so many; null for none.</summary>
    /// <param name="rest">The limit.</param>
    /// <param name="size">The size of the vocabulary.</param>
    public TokenSet? Within(int rest, int size)
    {
        int index = Array.BinarySearch(_rests, rest);
        if (index < 0)
            index = ~index - 1;
        if (index < 0)
            return null;
        if (_sets[index] is { } known)
            return known;
        var builder = new TokenSet.Builder(size);
        builder.Add(_tokens.AsSpan(0, _ends[index]));
        var set = _sets[index] = builder.Build();
        Bytes += set.Bytes;
        return set;
    }
}

/// <summary>
/// A grammar over one vocabulary: its automaton as far as it was needed, and the tokens that may follow in each state. What a token can do
/// inside of the rule that is being matched does not depend on what follows the rule; it is found once for all places where the rule has
/// the same rest. Callers hold <see cref="Lock"/>.
/// </summary>
internal sealed class CompiledGrammar
{
    private const int MaximumStates = 20_000;
    private const int MaximumCells = 500_000;
    private const long MaximumMaskBytes = 64L << 20;

    /// <summary>What a name may take that must differ from others.</summary>
    public const int TokensToRename = 3;

    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    private readonly TokenVocabulary _vocabulary;
    private readonly ShortestTexts _shortest;
    private readonly Spellings _spellings;
    private readonly List<int> _rests = [];
    private readonly Dictionary<(int State, bool First), NextTokens> _next = [];
    private readonly Dictionary<(int State, bool First), InsideTokens> _inside = [];
    private readonly Dictionary<(int State, bool First), RankedTokens> _outside = [];
    private readonly State[] _path = new State[byte.MaxValue + 1];
    private readonly List<int> _targets = [];
    private int[] _stamps = new int[256];
    private int _stamp;
    private long _maskBytes;

    public CompiledGrammar(Node root, TokenVocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        Automaton = new GrammarAutomaton(root);
        _shortest = new ShortestTexts(Graph.Reachable(root), vocabulary);
        _spellings = new Spellings(Automaton, _shortest, vocabulary);
    }

    public Lock Lock { get; } = new();

    public GrammarAutomaton Automaton { get; }

    /// <summary>So much was found that sequences to come had better begin anew.</summary>
    public bool IsFull => Automaton.StateCount > MaximumStates || Automaton.CellCount > MaximumCells || _maskBytes > MaximumMaskBytes;

    /// <summary>
    /// The tokens that the shortest rest of the text takes; <see cref="ShortestTexts.Infinite"/> where it cannot be completed.
    /// </summary>
    public int Rest(State state)
    {
        while (_rests.Count <= state.Id)
            _rests.Add(-1);
        if (_rests[state.Id] < 0)
            _rests[state.Id] = _spellings.Count(state, first: false);
        return _rests[state.Id];
    }

    /// <summary>Spells the shortest rest of the text with as few tokens as possible.</summary>
    /// <param name="state">What is to be completed.</param>
    /// <param name="first">Whether its first token is the first of the text.</param>
    /// <param name="tokens">Receives the tokens.</param>
    /// <returns>Whether it can be spelled.</returns>
    public bool TrySpell(State state, bool first, List<int> tokens)
    {
        if (_spellings.Count(state, first) >= ShortestTexts.Infinite)
            return false;
        _spellings.Write(state, first, tokens);
        return true;
    }

    /// <summary>
    /// The state after a token. One that is a control token of the grammar here is that alone, even if it has a text too.
    /// </summary>
    /// <param name="state">The state before it.</param>
    /// <param name="token">A token that may come.</param>
    /// <param name="first">Whether it is the first of the text.</param>
    /// <param name="names">Follows the names of members; null where the grammar has none that are free.</param>
    public State After(State state, int token, bool first, MemberNames? names)
    {
        foreach (var (name, target) in ControlTargets(state))
            if (_vocabulary.Controls(name).Contains(token) && Rest(target) < ShortestTexts.Infinite)
                return target;
        foreach (byte value in _vocabulary.BytesOf(token, first))
        {
            var next = Automaton.Next(state, value);
            names?.Take(state, value, next);
            state = next;
        }

        return state;
    }

    /// <summary>The tokens that would give an object a name that it has already.</summary>
    public List<int> Repeating(State state, bool first, MemberNames names)
    {
        var repeating = new List<int>();
        foreach (int token in _vocabulary.TokensWithQuotes(names.QuotesToRepeat(state)))
            if (Repeats(state, _vocabulary.BytesOf(token, first), names.Copy()))
                repeating.Add(token);
        return repeating;
    }

    private bool Repeats(State state, ReadOnlySpan<byte> text, MemberNames names)
    {
        foreach (byte value in text)
        {
            var next = Automaton.Next(state, value);
            if (next.IsDead)
                return false;
            if (!names.Take(state, value, next))
                return true;
            state = next;
        }

        return false;
    }

    /// <summary>
    /// Spells a short rest of the text in which the name that is being written becomes one that its object does not have yet: letters are
    /// put before the quote that ends it. The tokens are at most <see cref="TokensToRename"/> more than the shortest rest takes.
    /// </summary>
    public bool TrySpellNewName(State state, bool first, MemberNames names, List<int> tokens)
    {
        if (!state.Place.IsInName || _spellings.Find(state, first) is not { } ending)
            return TrySpell(state, first, tokens);
        int most = ending.Tokens + TokensToRename;
        var before = new Stack<int>();
        for (var at = state; Automaton.Next(at, (byte)ending.Symbol) is { Place.IsInName: true } next; at = next)
        {
            before.Push(ending.Symbol);
            ending = ending.Next!;
        }

        Spelling? best = null;
        foreach (var letters in Renamings())
        {
            var text = ending;
            foreach (char letter in letters)
                text = _spellings.Prepend(letter, text, _vocabulary.Trie);
            foreach (int symbol in before)
                text = _spellings.Prepend(symbol, text, _vocabulary.Trie);
            if (text.Tokens >= (best?.Tokens ?? ShortestTexts.Infinite) || !IsNew(state, text, names.Copy()))
                continue;
            best = text;
            if (best.Tokens <= most)
                break;
        }

        for (var at = best; at is not null; at = at.After)
            tokens.Add(at.Token);
        return best is not null;
    }

    // Whether a text completes the state and no name in it comes twice.
    private bool IsNew(State state, Spelling text, MemberNames names)
    {
        for (var at = text; at is not null; at = at.Next)
        {
            var next = at.Symbol >= ShortestTexts.FirstControl
                ? Automaton.NextControl(state, _shortest.ControlName(at.Symbol))
                : Automaton.Next(state, (byte)at.Symbol);
            if (at.Symbol < ShortestTexts.FirstControl && !names.Take(state, (byte)at.Symbol, next))
                return false;
            state = next;
        }

        return state.IsComplete;
    }

    // What may be put before the end of a name: nothing, a letter, two letters.
    private static IEnumerable<string> Renamings()
        => new[] { "" }.Concat(Letters.Select(x => $"{x}")).Concat(Letters.SelectMany(x => Letters.Select(y => $"{x}{y}")));

    /// <summary>Whether anything may follow that can be completed.</summary>
    public bool GoesOn(State state) => Array.Exists(state.Lists, l => _shortest.Length(l) < ShortestTexts.Infinite);

    /// <summary>The tokens that may follow.</summary>
    public NextTokens Next(State state, bool first)
    {
        first &= _vocabulary.FirstTrie is not null;
        ref var next = ref CollectionsMarshal.GetValueRefOrAddDefault(_next, (state.Id, first), out _);
        if (next is not null)
            return next;
        if (_maskBytes > 2 * MaximumMaskBytes)
        {
            _maskBytes = 0;
            _next.Clear();
            _inside.Clear();
            _outside.Clear();
        }

        var found = FindNext(state, first);
        _next[(state.Id, first)] = found;
        return found;
    }

    /// <summary>
    /// The tokens that may follow so that the rest of the text then takes no more than so many, as two sets. What they take inside of a
    /// rule and what follows it are counted apart, which may be more than they take together.
    /// </summary>
    public (TokenSet? Inside, TokenSet? Outside) Within(State state, bool first, int rest)
    {
        first &= _vocabulary.FirstTrie is not null;
        var boundary = CommonBoundary(state);
        var inside = Inside(state, boundary, first);
        var ranked = inside.Ranked ??= RankInside(state, inside, first);
        int behind = boundary is null ? 0 : _spellings.Count(boundary);
        ref var outside = ref CollectionsMarshal.GetValueRefOrAddDefault(_outside, (state.Id, first), out _);
        outside ??= RankOutside(state, boundary, inside, first);
        int before = ranked.Bytes + outside.Bytes;
        var sets = (ranked.Within(rest - behind, _vocabulary.Size), outside.Within(rest, _vocabulary.Size));
        _maskBytes += ranked.Bytes + outside.Bytes - before;
        return sets;
    }

    private TokenTrie TrieFor(bool first) => first ? _vocabulary.FirstTrie! : _vocabulary.Trie;

    private RankedTokens RankInside(State state, InsideTokens inside, bool first)
    {
        var byRest = new SortedDictionary<int, List<int>>();
        Rank(TrieFor(first), 0, inside.Start, byRest, ControlsOf(state));
        return new RankedTokens(byRest);
    }

    // The tokens that go on behind the rule, and control tokens.
    private RankedTokens RankOutside(State state, Cell? boundary, InsideTokens inside, bool first)
    {
        var byRest = new SortedDictionary<int, List<int>>();
        var controls = ControlsOf(state);
        if (boundary is not null && inside.Exits.Length > 0)
        {
            var outside = Automaton.Closure([boundary]);
            foreach (int above in inside.Exits)
                Rank(TrieFor(first), above, outside, byRest, controls);
        }

        foreach (var (name, target) in ControlTargets(state))
            if (Rest(target) is < ShortestTexts.Infinite and var rest)
                AddRanked(byRest, rest).AddRange(_vocabulary.Controls(name));
        return new RankedTokens(byRest);
    }

    private void Rank(TokenTrie trie, int above, State start, SortedDictionary<int, List<int>> byRest, HashSet<int> controls)
    {
        State? last = null;
        List<int>? ranked = null;
        Walk(trie, above, start, (node, target) =>
        {
            if (trie.Tokens(node) is not { Length: > 0 } tokens)
                return;
            if (target != last)
            {
                last = target;
                ranked = Rest(target) is < ShortestTexts.Infinite and var rest ? AddRanked(byRest, rest) : null;
            }

            foreach (int token in tokens)
                if (controls.Count == 0 || !controls.Contains(token))
                    ranked?.Add(token);
        });
    }

    private static List<int> AddRanked(SortedDictionary<int, List<int>> byRest, int rest)
    {
        if (!byRest.TryGetValue(rest, out var tokens))
            byRest.Add(rest, tokens = []);
        return tokens;
    }

    // Tokens that stand for a control token here are that alone.
    private HashSet<int> ControlsOf(State state)
    {
        var controls = new HashSet<int>();
        foreach (var (name, _) in ControlTargets(state))
            foreach (int token in _vocabulary.Controls(name))
                controls.Add(token);
        return controls;
    }

    private NextTokens FindNext(State state, bool first)
    {
        var boundary = CommonBoundary(state);
        var inside = Inside(state, boundary, first);
        int restBehind = boundary is null ? 0 : _spellings.Count(boundary);
        int longest = inside.Tokens.Count == 0 ? 0 : inside.LongestRest + restBehind;
        var controls = ControlTargets(state);
        if ((boundary is null || inside.Exits.Length == 0) && controls.Count == 0)
            return new NextTokens(inside.Tokens, longest);

        var tokens = new TokenSet.Builder(_vocabulary.Size);
        inside.Tokens.AddTo(tokens.Bits);
        if (boundary is not null && inside.Exits.Length > 0)
        {
            var outside = Automaton.Closure([boundary]);
            longest = Math.Max(longest, Collect(TrieFor(first), inside.Exits, outside, tokens));
        }

        foreach (var (name, target) in controls)
        {
            if (Rest(target) is not (< ShortestTexts.Infinite and var rest))
                continue;
            tokens.Add(_vocabulary.Controls(name));
            longest = Math.Max(longest, rest);
        }

        var set = tokens.Build();
        _maskBytes += set.Bytes;
        return new NextTokens(set, longest);
    }

    // What tokens can do before the rule ends, and where in the tree it may end.
    private InsideTokens Inside(State state, Cell? boundary, bool first)
    {
        var lists = new Cell?[state.Lists.Length];
        for (int i = 0; i < lists.Length; i++)
            lists[i] = Apart(state.Lists[i], boundary);
        var start = Automaton.Closure(lists);
        if (_inside.TryGetValue((start.Id, first), out var inside))
            return inside;
        var trie = TrieFor(first);
        var tokens = new TokenSet.Builder(_vocabulary.Size);
        var exits = new List<int>();
        BeginTargets();
        Walk(trie, 0, start, tokens, exits);
        var set = tokens.Build();
        _maskBytes += set.Bytes;
        inside = new InsideTokens(start, set, LongestTargetRest(), [.. exits]);
        _inside.Add((start.Id, first), inside);
        return inside;
    }

    private int Collect(TokenTrie trie, int[] nodes, State start, TokenSet.Builder tokens)
    {
        BeginTargets();
        foreach (int above in nodes)
            Walk(trie, above, start, tokens, exits: null);
        return LongestTargetRest();
    }

    private void Walk(TokenTrie trie, int above, State start, Action<int, State> visit)
    {
        int baseDepth = trie.Depth(above);
        _path[0] = start;
        for (int node = above + 1, end = trie.End(above); node < end;)
        {
            int depth = trie.Depth(node) - baseDepth;
            var target = Automaton.Next(_path[depth - 1], trie.Byte(node));
            if (target.IsDead)
            {
                node = trie.End(node);
                continue;
            }

            _path[depth] = target;
            visit(node, target);
            node++;
        }
    }

    // Adds the tokens below a node of the tree, and notes where the rule may end while tokens go on.
    private void Walk(TokenTrie trie, int above, State start, TokenSet.Builder tokens, List<int>? exits)
    {
        ReadOnlySpan<byte> bytes = trie.Bytes, depths = trie.Depths;
        ReadOnlySpan<int> ends = trie.Ends, firsts = trie.FirstTokens;
        int baseDepth = depths[above];
        var path = _path;
        path[0] = start;
        State? last = null;
        for (int node = above + 1, end = ends[above]; node < end;)
        {
            int depth = depths[node] - baseDepth;
            var target = Automaton.Next(path[depth - 1], bytes[node]);
            if (target.IsDead)
            {
                node = ends[node];
                continue;
            }

            path[depth] = target;
            if (target.IsOpen && exits is not null && ends[node] > node + 1)
                exits.Add(node);
            if (firsts[node + 1] > firsts[node])
            {
                if (target != last && IsLive(target))
                {
                    AddTarget(target);
                    last = target;
                }

                if (target == last)
                    tokens.Add(trie.Tokens(node));
            }

            node++;
        }
    }

    private bool IsLive(State state) => !_shortest.HasInfinite || Rest(state) < ShortestTexts.Infinite;

    private void BeginTargets()
    {
        _targets.Clear();
        _stamp++;
    }

    private void AddTarget(State state)
    {
        if (state.Id >= _stamps.Length)
            Array.Resize(ref _stamps, Math.Max(2 * _stamps.Length, state.Id + 1));
        if (_stamps[state.Id] == _stamp)
            return;
        _stamps[state.Id] = _stamp;
        _targets.Add(state.Id);
    }

    private int LongestTargetRest()
    {
        int longest = 0;
        foreach (int target in _targets)
            longest = Math.Max(longest, Rest(Automaton[target]));
        return longest;
    }

    private List<(string Name, State Target)> ControlTargets(State state)
    {
        var targets = new List<(string, State)>();
        foreach (var list in state.Lists)
            if (list.Head is ControlNode control && !targets.Exists(t => t.Item1 == control.Name))
                targets.Add((control.Name, Automaton.NextControl(state, control.Name)));
        return targets;
    }

    // The innermost end of a rule that all lists have in common.
    private static Cell? CommonBoundary(State state)
    {
        if (state.IsComplete || state.IsOpen || state.Lists.Length == 0)
            return null;
        var common = new List<Cell>();
        for (var cell = state.Lists[0].Tail; cell is not null; cell = cell.Tail)
            if (cell.Head is EndOfRuleNode)
                common.Add(cell);
        for (int i = 1; i < state.Lists.Length && common.Count > 0; i++)
        {
            var cells = new HashSet<Cell>();
            for (var cell = state.Lists[i].Tail; cell is not null; cell = cell.Tail)
                cells.Add(cell);
            common.RemoveAll(c => !cells.Contains(c));
        }

        return common.Count == 0 ? null : common[0];
    }

    // The list by itself: the outside stands for what follows the rule, and repetitions that no token can use up are as good as shorter
    // ones.
    private Cell? Apart(Cell? list, Cell? boundary)
    {
        if (list is null)
            return null;
        if (list == boundary)
            return Automaton.Cons(OutsideNode.Instance, null);
        var tail = Apart(list.Tail, boundary);
        var head = list.Head;
        if (head is RepeatNode { Maximum: < RepeatNode.Unlimited } repeat)
        {
            int enough = Math.Max(_vocabulary.Trie.MaximumDepth, repeat.Minimum);
            if (repeat.Maximum > enough)
                head = Automaton.Repeat(repeat.Inner, repeat.Minimum, enough);
        }

        return head == list.Head && tail == list.Tail ? list : Automaton.Cons(head, tail);
    }

    /// <param name="Start">The rule by itself.</param>
    /// <param name="Tokens">The tokens that are used up before the rule ends, or with it.</param>
    /// <param name="LongestRest">The most tokens that the rest of the rule takes after one of them.</param>
    /// <param name="Exits">The nodes of the tree at which the rule may end while tokens go on.</param>
    private sealed record InsideTokens(State Start, TokenSet Tokens, int LongestRest, int[] Exits)
    {
        /// <summary>The tokens by the rest of the rule; null until it matters.</summary>
        public RankedTokens? Ranked { get; set; }
    }
}
