namespace Kotonoha.Benchmarks.WordVectors;

/// <summary>Words and meanings with weighted links between them, and random walks over them.</summary>
internal sealed class WordGraph
{
    private readonly Dictionary<string, int> _nodes = new(StringComparer.Ordinal);
    private readonly List<List<(int To, float Weight)>> _links = [];

    internal int Count => _links.Count;

    /// <summary>The number of a node; a new one where the name is new.</summary>
    internal int Node(string name)
    {
        if (_nodes.TryGetValue(name, out int node))
            return node;
        _nodes.Add(name, node = _links.Count);
        _links.Add([]);
        return node;
    }

    internal int? Find(string name) => _nodes.TryGetValue(name, out int node) ? node : null;

    /// <summary>Links from one node to others; their weights share <paramref name="share"/>.</summary>
    internal void Link(int from, IReadOnlyCollection<(int To, double Weight)> to, double share)
    {
        double sum = to.Sum(link => link.Weight);
        if (sum > 0)
            _links[from].AddRange(to.Select(link => (link.To, (float)(share * link.Weight / sum))));
    }

    /// <summary>Makes what leaves each node add up to 1.</summary>
    internal void Normalize()
    {
        foreach (var links in _links)
        {
            float sum = links.Sum(link => link.Weight);
            for (int i = 0; i < links.Count; i++)
                links[i] = (links[i].To, links[i].Weight / sum);
        }
    }

    /// <summary>
    /// Where a walk is found that starts at a node and begins again with a probability after each step (personalised PageRank), the most
    /// frequent nodes alone.
    /// </summary>
    internal (int[] Nodes, float[] Shares) Walk(int start, float damping, int steps, int kept, Scratch scratch)
    {
        const float Least = 1e-4f;
        var (now, next) = (scratch.Now, scratch.Next);
        now.Add(start, 1);
        for (int step = 0; step < steps; step++)
        {
            next.Add(start, 1 - damping);
            foreach (int node in now.Touched)
            {
                float mass = damping * now.Mass[node];
                if (mass < Least)
                    continue;
                foreach (var (to, weight) in _links[node])
                    next.Add(to, mass * weight);
            }

            now.Clear();
            (now, next) = (next, now);
        }

        var nodes = now.Touched.Where(node => now.Mass[node] >= Least / 2).ToArray();
        var shares = nodes.Select(node => -now.Mass[node]).ToArray();
        now.Clear();
        Array.Sort(shares, nodes);
        int count = Math.Min(kept, nodes.Length);
        return (nodes[..count], [.. shares[..count].Select(share => -share)]);
    }

    /// <summary>What the walks of one thread write into.</summary>
    internal sealed class Scratch(int nodes)
    {
        internal Masses Now { get; } = new(nodes);

        internal Masses Next { get; } = new(nodes);
    }

    internal sealed class Masses(int nodes)
    {
        internal float[] Mass { get; } = new float[nodes];

        internal List<int> Touched { get; } = [];

        internal void Add(int node, float mass)
        {
            if (Mass[node] == 0)
                Touched.Add(node);
            Mass[node] += mass;
        }

        internal void Clear()
        {
            foreach (int node in Touched)
                Mass[node] = 0;
            Touched.Clear();
        }
    }
}
