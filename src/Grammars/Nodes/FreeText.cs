namespace Kotonoha.Grammars.Nodes;

/// <summary>Texts that are free but for what must not occur in them.</summary>
internal static class FreeText
{
    /// <summary>Any text.</summary>
    public static Node Any { get; } = Node.Repeat(CharSet.All.ToUtf8(), 0, null);

    /// <summary>
    /// Any text in which none of some texts occurs: the automaton of Aho and Corasick (1975), together with the one of valid UTF-8.
    /// </summary>
    public static Node Without(IReadOnlyList<byte[]> texts)
    {
        if (texts.Any(t => t.Length == 0))
            throw new GrammarException(GrammarError.Syntax, "A text that must not occur is empty, but the empty text occurs everywhere.");
        if (texts.Count == 0)
            return Any;
        var search = new Search(texts);
        var character = (DfaNode)CharSet.All.ToUtf8();
        return DfaNode.Build(
            (Found: 0, Character: character),
            state => state.Character == character,
            state => Edges(state.Found, state.Character));

        IEnumerable<(byte, byte, (int, DfaNode))> Edges(int found, DfaNode at)
        {
            foreach (var (first, last, target) in at.Ranges)
                for (int value = first; value <= last; value++)
                    if (search.Next(found, (byte)value) is { } next)
                        yield return ((byte)value, (byte)value, (next, target == DfaNode.End ? character : target));
        }
    }

    private sealed class Search
    {
        private readonly List<Dictionary<byte, int>> _children = [[]];
        private readonly List<bool> _ends = [false];
        private readonly int[] _fallback;

        public Search(IReadOnlyList<byte[]> texts)
        {
            foreach (byte[] text in texts)
            {
                int at = 0;
                foreach (byte value in text)
                {
                    if (!_children[at].TryGetValue(value, out int child))
                    {
                        _children[at].Add(value, child = _children.Count);
                        _children.Add([]);
                        _ends.Add(false);
                    }

                    at = child;
                }

                _ends[at] = true;
            }

            _fallback = new int[_children.Count];
            var queue = new Queue<int>(_children[0].Values);
            while (queue.TryDequeue(out int node))
                foreach (var (value, child) in _children[node])
                {
                    _fallback[child] = Step(_fallback[node], value);
                    _ends[child] |= _ends[_fallback[child]];
                    queue.Enqueue(child);
                }
        }

        /// <summary>The state after a byte; null where one of the texts is complete.</summary>
        public int? Next(int state, byte value) => Step(state, value) is var next && _ends[next] ? null : next;

        private int Step(int state, byte value)
        {
            while (true)
            {
                if (_children[state].TryGetValue(value, out int child))
                    return child;
                if (state == 0)
                    return 0;
                state = _fallback[state];
            }
        }
    }
}
