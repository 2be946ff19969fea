namespace Kotonoha.Grammars.Nodes;

/// <summary>Questions about whole grammars.</summary>
internal static class Graph
{
    /// <summary>The nodes that a grammar may come to, itself included.</summary>
    public static List<Node> Reachable(Node root)
    {
        var seen = new HashSet<Node> { root };
        var found = new List<Node> { root };
        for (int i = 0; i < found.Count; i++)
            foreach (var child in Children(found[i]))
                if (seen.Add(child))
                    found.Add(child);
        return found;
    }

    /// <summary>The nodes of which the empty text is a match.</summary>
    public static HashSet<Node> Nullable(IReadOnlyList<Node> nodes)
    {
        var nullable = new HashSet<Node>();
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = nodes.Count - 1; i >= 0; i--)
                if (!nullable.Contains(nodes[i]) && IsNullable(nodes[i], nullable))
                    changed = nullable.Add(nodes[i]);
        }

        return nullable;
    }

    /// <summary>Refuses rules that come to themselves before any byte was taken: the automaton would not end.</summary>
    public static void RequireNoLeftRecursion(Node root)
    {
        var nodes = Reachable(root);
        if (!nodes.Exists(n => n is RuleNode))
            return;
        var nullable = Nullable(nodes);
        var done = new HashSet<Node>();
        foreach (var node in nodes)
            if (node is RuleNode rule && FindCycle(rule, nullable, done) is { } cycle)
                throw new GrammarException(GrammarError.Unsupported,
                    $"The rule '{cycle.Name}' begins with itself (left recursion); write it with a repetition, for example 'term (\"+\" "
                        + $"term)*'.", cycle.Name);
    }

    private static RuleNode? FindCycle(RuleNode start, HashSet<Node> nullable, HashSet<Node> done)
    {
        if (done.Contains(start))
            return null;
        var onPath = new HashSet<Node> { start };
        var path = new Stack<(Node Node, IEnumerator<Node> Children)>();
        path.Push((start, First(start, nullable).GetEnumerator()));
        while (path.Count > 0)
        {
            var (node, children) = path.Peek();
            if (!children.MoveNext())
            {
                path.Pop();
                onPath.Remove(node);
                done.Add(node);
                continue;
            }

            var child = children.Current;
            if (onPath.Contains(child))
                return path.Select(p => p.Node).TakeWhile(n => n != child).Append(child).OfType<RuleNode>().LastOrDefault() ?? start;
            if (done.Contains(child))
                continue;
            onPath.Add(child);
            path.Push((child, First(child, nullable).GetEnumerator()));
        }

        return null;
    }

    // The parts with which a match may begin.
    private static IEnumerable<Node> First(Node node, HashSet<Node> nullable)
    {
        switch (node)
        {
            case SequenceNode sequence:
                foreach (var part in sequence.Parts)
                {
                    yield return part;
                    if (!nullable.Contains(part))
                        yield break;
                }

                break;
            case ChoiceNode or RepeatNode or RuleNode:
                foreach (var child in Children(node))
                    yield return child;
                break;
        }
    }

    private static bool IsNullable(Node node, HashSet<Node> nullable) => node switch
    {
        SequenceNode sequence => Array.TrueForAll(sequence.Parts, nullable.Contains),
        ChoiceNode choice => Array.Exists(choice.Options, nullable.Contains),
        RepeatNode repeat => repeat.Minimum == 0 || nullable.Contains(repeat.Inner),
        RuleNode rule => nullable.Contains(rule.Body),
        DfaNode dfa => dfa.IsFinal,
        EndOfRuleNode => true,
        _ => false,
    };

    private static IEnumerable<Node> Children(Node node) => node switch
    {
        SequenceNode sequence => sequence.Parts,
        ChoiceNode choice => choice.Options,
        RepeatNode repeat => [repeat.Inner],
        RuleNode rule => [rule.Body],
        DfaNode dfa => dfa.Ranges.Select(r => (Node)r.Target),
        _ => [],
    };
}
