namespace Kotonoha.Tokenizers;

/// <summary>
/// The symbols of one word while they are merged. Always the pair of the lowest rank goes first, of equal ranks the leftmost. Short words
/// look at all pairs each time; long ones keep a heap over a linked list, so that n symbols cost O(n log n).
/// </summary>
internal sealed class BpeWorkspace
{
    // Up to here the plain search is faster than the heap.
    private const int ShortWord = 24;

    private int[] ids = new int[64];
    private int[] starts = new int[64];
    private int[] ends = new int[64];
    private int[] ranks = new int[64];
    private int[] previous = [];
    private int[] next = [];
    private (ulong Key, int Joined)[] heap = [];
    private int heapCount;

    public int Count { get; private set; }

    public ReadOnlySpan<int> Ids => ids.AsSpan(0, Count);

    public ReadOnlySpan<int> Starts => starts.AsSpan(0, Count);

    public ReadOnlySpan<int> Ends => ends.AsSpan(0, Count);

    public int Capacity => ids.Length;

    /// <summary>How many pairs were looked at since the workspace was made: what a hostile text is measured by.</summary>
    public long Steps { get; private set; }

    public void Clear() => Count = 0;

    public void Add(int id, int start, int end)
    {
        if (Count == ids.Length)
        {
            int size = 2 * Count;
            Array.Resize(ref ids, size);
            Array.Resize(ref starts, size);
            Array.Resize(ref ends, size);
            Array.Resize(ref ranks, size);
        }

        (ids[Count], starts[Count], ends[Count]) = (id, start, end);
        Count++;
    }

    public void Merge(MergeTable merges)
    {
        if (Count <= ShortWord)
            MergeShort(merges);
        else
            MergeLong(merges);
    }

    private void MergeShort(MergeTable merges)
    {
        int count = Count;
        Steps += count;
        for (int i = 0; i + 1 < count; i++)
            ranks[i] = merges.Rank(ids[i], ids[i + 1], out _);
        while (count > 1)
        {
            int best = 0, bestRank = ranks[0];
            for (int i = 1; i < count - 1; i++)
                if (ranks[i] < bestRank)
                    (best, bestRank) = (i, ranks[i]);
            Steps += count;
            if (bestRank == int.MaxValue)
                break;
            _ = merges.Rank(ids[best], ids[best + 1], out ids[best]);
            ends[best] = ends[best + 1];
            count--;
            int moved = count - best - 1;
            ids.AsSpan(best + 2, moved).CopyTo(ids.AsSpan(best + 1));
            starts.AsSpan(best + 2, moved).CopyTo(starts.AsSpan(best + 1));
            ends.AsSpan(best + 2, moved).CopyTo(ends.AsSpan(best + 1));
            ranks.AsSpan(best + 1, moved).CopyTo(ranks.AsSpan(best));
            if (best > 0)
                ranks[best - 1] = merges.Rank(ids[best - 1], ids[best], out _);
            if (best + 1 < count)
                ranks[best] = merges.Rank(ids[best], ids[best + 1], out _);
        }

        Count = count;
    }

    private void MergeLong(MergeTable merges)
    {
        int count = Count;
        if (next.Length < count)
        {
            previous = new int[ids.Length];
            next = new int[ids.Length];
        }

        heapCount = 0;
        for (int i = 0; i < count; i++)
            (previous[i], next[i]) = (i - 1, i + 1 < count ? i + 1 : -1);
        for (int i = 0; i + 1 < count; i++)
            Offer(merges, i, i + 1);
        while (heapCount > 0)
        {
            var (key, joined) = Pop();
            int left = (int)(uint)key;

            // An entry is stale when one of its symbols has grown since; joined symbols stand for the joined text, so the id tells.
            if (ids[left] < 0 || next[left] < 0 || merges.Rank(ids[left], ids[next[left]], out int now) == int.MaxValue || now != joined)
                continue;
            int right = next[left];
            ids[left] = joined;
            ends[left] = ends[right];
            ids[right] = -1;
            next[left] = next[right];
            if (next[left] >= 0)
            {
                previous[next[left]] = left;
                Offer(merges, left, next[left]);
            }

            if (previous[left] >= 0)
                Offer(merges, previous[left], left);
        }

        int kept = 0;
        for (int i = 0; i >= 0; i = next[i])
        {
            (ids[kept], starts[kept], ends[kept]) = (ids[i], starts[i], ends[i]);
            kept++;
        }

        Count = kept;
    }

    private void Offer(MergeTable merges, int left, int right)
    {
        Steps++;
        int rank = merges.Rank(ids[left], ids[right], out int joined);
        if (rank == int.MaxValue)
            return;
        if (heapCount == heap.Length)
            Array.Resize(ref heap, Math.Max(64, 2 * heap.Length));
        ulong key = (ulong)(uint)rank << 32 | (uint)left;
        int at = heapCount++;
        while (at > 0 && heap[at - 1 >> 1].Key > key)
        {
            heap[at] = heap[at - 1 >> 1];
            at = at - 1 >> 1;
            Steps++;
        }

        heap[at] = (key, joined);
    }

    private (ulong Key, int Joined) Pop()
    {
        var top = heap[0];
        var last = heap[--heapCount];
        int at = 0;
        while (true)
        {
            int child = 2 * at + 1;
            if (child >= heapCount)
                break;
            if (child + 1 < heapCount && heap[child + 1].Key < heap[child].Key)
                child++;
            if (heap[child].Key >= last.Key)
                break;
            heap[at] = heap[child];
            at = child;
            Steps++;
        }

        heap[at] = last;
        return top;
    }
}
