using System.Collections.Concurrent;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// A hierarchical navigable small-world graph (Malkov and Yashunin 2016) over quantised vectors: greater dot products are nearer. Nodes are
/// the first slots of the vectors; links lie in flat arrays.
/// </summary>
/// <remarks>
/// Nodes are linked in batches: each one's neighbours are searched in the graph as it is, on all cores, and among those before it in the
/// batch; then all links are written, on all cores but each node's by one. So the graph depends on the order of the slots alone, and
/// readers need to be kept away only while links are written.
/// </remarks>
internal sealed unsafe class HnswGraph(QuantizedVectors vectors)
{
    /// <summary>The most links that a node has on each level but the lowest.</summary>
    public const int UpperLinks = 16;

    /// <summary>The most links that a node has on the lowest level.</summary>
    public const int BottomLinks = 2 * UpperLinks;

    private const int MaxBatch = 256;
    private const int BuildWidth = 128;
    private const int MaxLevel = 15;

    // Rows hold a count and the links.
    private readonly PagedRows<int> _bottom = new(BottomLinks + 1);
    private readonly PagedRows<int> _upper = new(UpperLinks + 1);
    private readonly List<int> _upperRow = [];
    private readonly List<byte> _levels = [];
    private readonly ConcurrentBag<Scratch> _scratch = [];
    private int _upperRows;
    private int _entry = -1;

    /// <summary>The number of nodes.</summary>
    public int Count => _levels.Count;

    /// <summary>Links the slots from <see cref="Count"/> on.</summary>
    /// <param name="past">The slot after the last one.</param>
    /// <param name="read">Runs what reads the graph.</param>
    /// <param name="write">Runs what changes the graph, when nobody reads it.</param>
    public void Link(int past, Action<Action> read, Action<Action> write)
    {
        while (Count < past)
        {
            int first = Count;
            int count = Math.Min(MaxBatch, past - first);
            var levels = new byte[count];
            for (int i = 0; i < count; i++)
                levels[i] = LevelOf(first + i);
            var links = new int[count][][];
            read(() => Parallel.For(0, count, i => links[i] = FindLinks(first + i, levels[i], first, levels)));
            write(() =>
            {
                foreach (byte level in levels)
                    AddNode(level);
                Connect(first, links);
            });
        }
    }

    /// <summary>
    /// Walks to the nodes nearest to a query.
    /// </summary>
    /// <param name="query">The query's codes.</param>
    /// <param name="factor">The query's factor.</param>
    /// <param name="width">How many nodes to hold (ef).</param>
    /// <param name="accepted">Which nodes may be found; the walk crosses the others too.</param>
    /// <param name="budget">How many vectors to look at at most.</param>
    /// <param name="found">The nodes and approximate scores, best first.</param>
    /// <returns>Whether the walk came to its end within the budget.</returns>
    public bool Search(
        ReadOnlySpan<short> query, float factor, int width, SlotSet? accepted, int budget, List<(int Slot, float Score)> found)
    {
        found.Clear();
        if (_entry < 0)
            return true;
        var scratch = Rent();
        try
        {
            fixed (short* codes = query)
            {
                ulong entry = Descend(codes, factor, _levels[_entry], 0);
                if (!Walk(codes, factor, entry, 0, width, accepted, budget, scratch))
                    return false;
            }

            scratch.Best.DrainDescending(scratch.Sorted);
            foreach (ulong key in scratch.Sorted)
                found.Add((Slot(key), Score(key)));
            return true;
        }
        finally
        {
            _scratch.Add(scratch);
        }
    }

    /// <summary>The links of a node on a level.</summary>
    public ReadOnlySpan<int> Links(int slot, int level)
    {
        int* row = RowOf(slot, level);
        return new(row + 1, *row);
    }

    /// <summary>The highest level of a node.</summary>
    public int Level(int slot) => _levels[slot];

    /// <summary>
    /// Takes over a graph's nodes, without those that are gone: their neighbours are linked to each other, so that no way is lost.
    /// </summary>
    /// <param name="levels">The level of each old node.</param>
    /// <param name="oldLinks">The links of an old node on a level, by old numbers.</param>
    /// <param name="newSlots">The new slot of each old node, ascending, or -1 where it is gone.</param>
    public void TakeOver(IReadOnlyList<byte> levels, Func<int, int, int[]> oldLinks, int[] newSlots)
    {
        var kept = Enumerable.Range(0, newSlots.Length).Where(old => newSlots[old] >= 0).ToArray();
        foreach (int old in kept)
            AddNode(levels[old]);
        Parallel.ForEach(Partitioner.Create(0, kept.Length), range =>
        {
            var scratch = Rent();
            for (int i = range.Item1; i < range.Item2; i++)
                for (int level = levels[kept[i]]; level >= 0; level--)
                    TakeOverLinks(i, kept[i], level, oldLinks, newSlots, scratch);
            _scratch.Add(scratch);
        });
        LinkUnreached();
    }

    // Geometric, from the slot's number alone: level l or higher with the probability UpperLinks^-l.
    private static byte LevelOf(int slot)
    {
        ulong x = (ulong)(uint)slot * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019;
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
        x = (x ^ x >> 27) * 0x94D049BB133111EB;
        x ^= x >> 31;
        double uniform = ((x >> 11) + 0.5) / (1UL << 53);
        return (byte)Math.Min(MaxLevel, (int)(-Math.Log(uniform) / Math.Log(UpperLinks)));
    }

    private void AddNode(byte level)
    {
        int slot = _levels.Count;
        _bottom.Reserve(slot + 1);
        _upperRow.Add(_upperRows);
        _levels.Add(level);
        _upperRows += level;
        _upper.Reserve(_upperRows);
        if (_entry < 0 || level > _levels[_entry])
            _entry = slot;
    }

    private void TakeOverLinks(
        int slot, int old, int level, Func<int, int, int[]> oldLinks, int[] newSlots, Scratch scratch)
    {
        var links = oldLinks(old, level);
        var near = links.Where(link => newSlots[link] >= 0).Select(link => newSlots[link]).ToHashSet();
        if (near.Count < links.Length)
            foreach (int gone in links.Where(link => newSlots[link] < 0))
                near.UnionWith(oldLinks(gone, level).Where(link => newSlots[link] >= 0 && link != old).Select(link => newSlots[link]));
        int cap = level == 0 ? BottomLinks : UpperLinks;
        if (near.Count > cap)
        {
            float factor = vectors.Widen(slot, scratch.Codes);
            scratch.Sorted.Clear();
            fixed (short* codes = scratch.Codes)
                foreach (int other in near)
                    scratch.Sorted.Add(Key(vectors.Dot(codes, factor, other), other));
            Select(scratch, cap);
            SetLinks(slot, level, scratch.Kept);
        }
        else
        {
            SetLinks(slot, level, [.. near.Order()]);
        }
    }

    // What lay behind many nodes that are gone may have no way left that leads there.
    private void LinkUnreached()
    {
        if (Count == 0)
            return;
        var reached = new bool[Count];
        var ahead = new Stack<int>([_entry]);
        reached[_entry] = true;
        while (ahead.TryPop(out int slot))
            foreach (int link in Links(slot, 0))
                if (!reached[link])
                {
                    reached[link] = true;
                    ahead.Push(link);
                }

        for (int slot = 0; slot < Count; slot++)
            if (!reached[slot])
                Connect(slot, [FindLinks(slot, _levels[slot], slot, [])]);
    }

    /// <summary>The links of a node by level, from the graph as it is and from the batch's earlier nodes.</summary>
    private int[][] FindLinks(int slot, int level, int first, byte[] levels)
    {
        var scratch = Rent();
        var links = new int[level + 1][];
        float factor = vectors.Widen(slot, scratch.Codes);
        fixed (short* codes = scratch.Codes)
        {
            int top = _entry < 0 ? -1 : _levels[_entry];
            ulong entry = top < 0 ? 0 : Descend(codes, factor, top, level);
            scratch.Batch.Clear();
            for (int other = first; other < slot; other++)
                scratch.Batch.Add(Key(vectors.Dot(codes, factor, other), other));
            for (int l = level; l >= 0; l--)
            {
                scratch.Sorted.Clear();
                if (l <= top)
                {
                    Walk(codes, factor, entry, l, BuildWidth, null, int.MaxValue, scratch);
                    scratch.Best.DrainDescending(scratch.Sorted);
                    entry = scratch.Sorted[0];
                    scratch.Sorted.RemoveAll(key => Slot(key) == slot);
                }

                foreach (ulong key in scratch.Batch)
                    if (levels[Slot(key) - first] >= l)
                        scratch.Sorted.Add(key);
                Select(scratch, UpperLinks);
                links[l] = [.. scratch.Kept];
            }
        }

        _scratch.Add(scratch);
        return links;
    }

    /// <summary>Writes the links of new nodes, and the links back to them.</summary>
    private void Connect(int first, int[][][] links)
    {
        var back = new List<(long Target, int Source)>();
        for (int i = 0; i < links.Length; i++)
            for (int level = 0; level < links[i].Length; level++)
            {
                SetLinks(first + i, level, links[i][level]);
                foreach (int target in links[i][level])
                    back.Add(((long)level << 32 | (uint)target, first + i));
            }

        back.Sort();
        var starts = new List<int>();
        for (int i = 0; i < back.Count; i++)
            if (i == 0 || back[i].Target != back[i - 1].Target)
                starts.Add(i);
        Parallel.For(0, starts.Count, group =>
        {
            int start = starts[group], end = group + 1 < starts.Count ? starts[group + 1] : back.Count;
            int target = (int)(uint)back[start].Target, level = (int)(back[start].Target >> 32);
            int cap = level == 0 ? BottomLinks : UpperLinks;
            var old = Links(target, level);
            if (old.Length + end - start <= cap)
            {
                int* row = RowOf(target, level);
                for (int i = start; i < end; i++)
                    row[++*row] = back[i].Source;
                return;
            }

            var scratch = Rent();
            float factor = vectors.Widen(target, scratch.Codes);
            scratch.Sorted.Clear();
            fixed (short* codes = scratch.Codes)
            {
                foreach (int other in old)
                    scratch.Sorted.Add(Key(vectors.Dot(codes, factor, other), other));
                for (int i = start; i < end; i++)
                    scratch.Sorted.Add(Key(vectors.Dot(codes, factor, back[i].Source), back[i].Source));
            }

            Select(scratch, cap);
            SetLinks(target, level, scratch.Kept);
            _scratch.Add(scratch);
        });
    }

    /// <summary>
    /// Chooses links among <see cref="Scratch.Sorted"/>: from the nearest on, one that is nearer to the node than to all chosen before, so
    /// that links lead in all directions (algorithm 4 of the paper).
    /// </summary>
    private void Select(Scratch scratch, int count)
    {
        var candidates = scratch.Sorted;
        candidates.Sort(static (x, y) => y.CompareTo(x));
        scratch.Kept.Clear();
        fixed (short* codes = scratch.OtherCodes)
            foreach (ulong key in candidates)
            {
                if (scratch.Kept.Count == count)
                    break;
                int slot = Slot(key);
                float score = Score(key), factor = vectors.Widen(slot, scratch.OtherCodes);
                bool apart = true;
                foreach (int kept in scratch.Kept)
                    if (vectors.Dot(codes, factor, kept) > score)
                    {
                        apart = false;
                        break;
                    }

                if (apart)
                    scratch.Kept.Add(slot);
            }
    }

    // Goes to the nearest node that the links lead to, level by level.
    private ulong Descend(short* query, float factor, int from, int to)
    {
        ulong best = Key(vectors.Dot(query, factor, _entry), _entry);
        for (int level = from; level > to; level--)
            for (bool moved = true; moved;)
            {
                moved = false;
                foreach (int link in Links(Slot(best), level))
                {
                    ulong key = Key(vectors.Dot(query, factor, link), link);
                    if (key > best)
                        (best, moved) = (key, true);
                }
            }

        return best;
    }

    /// <summary>Leaves the accepted nodes of a level that are nearest to a query in <see cref="Scratch.Best"/>.</summary>
    private bool Walk(
        short* query, float factor, ulong entry, int level, int width, SlotSet? accepted, int budget, Scratch scratch)
    {
        var (best, ahead) = (scratch.Best, scratch.Ahead);
        best.Clear();
        ahead.Clear();
        scratch.BeginVisit(_levels.Count);
        scratch.Visit(Slot(entry));
        ahead.Push(~entry);
        if (accepted?.Contains(Slot(entry)) != false)
            best.Push(entry);
        int* fresh = stackalloc int[BottomLinks];
        int looked = 1;
        while (ahead.Count > 0)
        {
            ulong near = ~ahead.Pop();
            if (best.Count == width && near < best.Least)
                break;
            int* row = RowOf(Slot(near), level);
            int count = 0;
            for (int i = 1; i <= *row; i++)
                if (scratch.Visit(row[i]))
                {
                    vectors.Prefetch(row[i]);
                    fresh[count++] = row[i];
                }

            looked += count;
            if (looked > budget)
                return false;
            for (int i = 0; i < count; i++)
            {
                int slot = fresh[i];
                ulong key = Key(vectors.Dot(query, factor, slot), slot);
                if (best.Count == width && key < best.Least)
                    continue;
                ahead.Push(~key);
                if (accepted?.Contains(slot) == false)
                    continue;
                if (best.Count == width)
                    best.ReplaceLeast(key);
                else
                    best.Push(key);
            }
        }

        return true;
    }

    private void SetLinks(int slot, int level, IReadOnlyList<int> links)
    {
        int* row = RowOf(slot, level);
        for (int i = 0; i < links.Count; i++)
            row[i + 1] = links[i];
        *row = links.Count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int* RowOf(int slot, int level) => level == 0 ? _bottom.At(slot) : _upper.At(_upperRow[slot] + level - 1);

    // Scores in the upper half, so that greater keys are nearer; of equal scores the lower slot comes first.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Key(float score, int slot)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score);
        bits ^= (uint)((int)bits >> 31) | 0x80000000;
        return (ulong)bits << 32 | ~(uint)slot;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Slot(ulong key) => (int)~(uint)key;

    private static float Score(ulong key)
    {
        uint bits = (uint)(key >> 32);
        return BitConverter.UInt32BitsToSingle(bits ^ ((bits & 0x80000000) != 0 ? 0x80000000 : 0xFFFFFFFF));
    }

    private Scratch Rent() => _scratch.TryTake(out var scratch) ? scratch : new Scratch(vectors.QueryLength);

    /// <summary>What one search writes on.</summary>
    private sealed class Scratch(int queryLength)
    {
        private uint[] _visited = [];
        private uint _visit;

        public short[] Codes { get; } = new short[queryLength];

        public short[] OtherCodes { get; } = new short[queryLength];

        public KeyHeap Best { get; } = new();

        public KeyHeap Ahead { get; } = new();

        public List<ulong> Sorted { get; } = [];

        public List<ulong> Batch { get; } = [];

        public List<int> Kept { get; } = [];

        public void BeginVisit(int nodes)
        {
            if (_visited.Length < nodes)
                _visited = new uint[(int)BitOperations.RoundUpToPowerOf2((uint)nodes)];
            if (++_visit == 0)
            {
                Array.Clear(_visited);
                _visit = 1;
            }
        }

        /// <summary>Marks a node, and says whether it was not marked.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public bool Visit(int slot)
        {
            if (_visited[slot] == _visit)
                return false;
            _visited[slot] = _visit;
            return true;
        }
    }
}

/// <summary>A binary heap of keys with the least on top.</summary>
internal sealed class KeyHeap
{
    private ulong[] _keys = new ulong[256];

    public int Count { get; private set; }

    public ulong Least => _keys[0];

    public void Clear() => Count = 0;

    public void Push(ulong key)
    {
        if (Count == _keys.Length)
            Array.Resize(ref _keys, 2 * Count);
        var keys = _keys;
        int place = Count++;
        while (place > 0)
        {
            int parent = (place - 1) >> 1;
            if (keys[parent] <= key)
                break;
            keys[place] = keys[parent];
            place = parent;
        }

        keys[place] = key;
    }

    public ulong Pop()
    {
        ulong least = _keys[0];
        ulong last = _keys[--Count];
        if (Count > 0)
            Sink(last);
        return least;
    }

    public void ReplaceLeast(ulong key) => Sink(key);

    /// <summary>Empties the heap into a list, greatest first.</summary>
    public void DrainDescending(List<ulong> keys)
    {
        keys.Clear();
        keys.AddRange(_keys.AsSpan(0, Count));
        keys.Sort(static (x, y) => y.CompareTo(x));
        Count = 0;
    }

    private void Sink(ulong key)
    {
        var keys = _keys;
        int place = 0;
        while (true)
        {
            int child = 2 * place + 1;
            if (child >= Count)
                break;
            if (child + 1 < Count && keys[child + 1] < keys[child])
                child++;
            if (keys[child] >= key)
                break;
            keys[place] = keys[child];
            place = child;
        }

        keys[place] = key;
    }
}
