using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.Automaton;

/// <summary>The texts that several regular nodes have in common, as one deterministic automaton: the product of theirs.</summary>
internal static class Intersection
{
    /// <summary>The common texts.</summary>
    /// <param name="nodes">At least one node; all of them regular (no rule calls itself).</param>
    /// <exception cref="GrammarException">The product needs too many states.</exception>
    public static Node Of(IReadOnlyList<Node> nodes)
    {
        if (nodes.Count == 1)
            return nodes[0];
        var common = nodes[0];
        for (int i = 1; i < nodes.Count; i++)
            common = common == Node.Nothing || nodes[i] == Node.Nothing ? Node.Nothing : Of(common, nodes[i]);
        return common;
    }

    private static Node Of(Node first, Node second)
    {
        var (left, right) = (new GrammarAutomaton(first), new GrammarAutomaton(second));
        return DfaNode.Build(
            (left.Start, right.Start),
            state => state.Item1.IsComplete && state.Item2.IsComplete,
            state => Edges(left, right, state));
    }

    private static List<(byte First, byte Last, (State, State) Target)> Edges(
        GrammarAutomaton left, GrammarAutomaton right, (State Left, State Right) state)
    {
        var edges = new List<(byte First, byte Last, (State, State) Target)>();
        for (int value = 0; value <= byte.MaxValue; value++)
        {
            var target = (left.Next(state.Left, (byte)value), right.Next(state.Right, (byte)value));
            if (target.Item1.IsDead || target.Item2.IsDead)
                continue;
            if (edges.Count > 0 && edges[^1].Last == value - 1 && edges[^1].Target == target)
                edges[^1] = edges[^1] with { Last = (byte)value };
            else
                edges.Add(((byte)value, (byte)value, target));
        }

        return edges;
    }
}
