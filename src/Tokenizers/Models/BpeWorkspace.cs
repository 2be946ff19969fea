namespace Kotonoha.Tokenizers;

/// <summary>
/// The symbols of one word while they are merged. The pair of the lowest rank always goes first; of equal ranks, the leftmost. Short words
/// look at all pairs each time; long ones keep a heap over a linked list, so that n symbols cost O(n log n).
/// </summary>
internal sealed class BpeWorkspace
{
    // Up to here the plain search is faster than the heap.
    private const int ShortWord = 24;

    private int[] _ids = new int[64];
    private int[] _starts = new int[64];
    private int[] _ends = new int[64];
    private int[] _ranks = new int[64];
    private int[] _previous = [];
    private int[] _next = [];
    private (ulong Key, int Joined)[] _heap = [];
    private int _heapCount;

    public int Count { get; private set; }

    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    public ReadOnlySpan<int> Starts => _starts.AsSpan(0, Count);

    public ReadOnlySpan<int> Ends => _ends.AsSpan(0, Count);

    public int Capacity => _ids.Length;

    /// <summary>How many pairs were looked at since the workspace was made: the measure for a hostile text.</summary>
    public long Steps { get; private set; }

    public void Clear() => Count = 0;

    public void Add(int id, int start, int end)
    {
        if (Count == _ids.Length)
        {
            int size = 2 * Count;
            Array.Resize(ref _ids, size);
            Array.Resize(ref _starts, size);
            Array.Resize(ref _ends, size);
            Array.Resize(ref _ranks, size);
        }

        (_ids[Count], _starts[Count], _ends[Count]) = (id, start, end);
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
            _ranks[i] = merges.Rank(_ids[i], _ids[i + 1], out _);
        while (count > 1)
        {
            int best = 0, bestRank = _ranks[0];
            for (int i = 1; i < count - 1; i++)
                if (_ranks[i] < bestRank)
                    (best, bestRank) = (i, _ranks[i]);
            Steps += count;
            if (bestRank == int.MaxValue)
                break;
            _ = merges.Rank(_ids[best], _ids[best + 1], out _ids[best]);
            _ends[best] = _ends[best + 1];
            count--;
            int moved = count - best - 1;
            _ids.AsSpan(best + 2, moved).CopyTo(_ids.AsSpan(best + 1));
            _starts.AsSpan(best + 2, moved).CopyTo(_starts.AsSpan(best + 1));
            _ends.AsSpan(best + 2, moved).CopyTo(_ends.AsSpan(best + 1));
            _ranks.AsSpan(best + 1, moved).CopyTo(_ranks.AsSpan(best));
            if (best > 0)
                _ranks[best - 1] = merges.Rank(_ids[best - 1], _ids[best], out _);
            if (best + 1 < count)
                _ranks[best] = merges.Rank(_ids[best], _ids[best + 1], out _);
        }

        Count = count;
    }

    private void MergeLong(MergeTable merges)
    {
        int count = Count;
        if (_next.Length < count)
        {
            _previous = new int[_ids.Length];
            _next = new int[_ids.Length];
        }

        _heapCount = 0;
        for (int i = 0; i < count; i++)
            (_previous[i], _next[i]) = (i - 1, i + 1 < count ? i + 1 : -1);
        for (int i = 0; i + 1 < count; i++)
            Offer(merges, i, i + 1);
        while (_heapCount > 0)
        {
            var (key, joined) = Pop();
            int left = (int)(uint)key;

            // An entry is stale when one of its symbols has grown since; joined symbols stand for the joined text, so the id shows it.
            if (_ids[left] < 0 || _next[left] < 0 || merges.Rank(_ids[left], _ids[_next[left]], out int now) == int.MaxValue
                || now != joined)
                continue;
            int right = _next[left];
            _ids[left] = joined;
            _ends[left] = _ends[right];
            _ids[right] = -1;
            _next[left] = _next[right];
            if (_next[left] >= 0)
            {
                _previous[_next[left]] = left;
                Offer(merges, left, _next[left]);
            }

            if (_previous[left] >= 0)
                Offer(merges, _previous[left], left);
        }

        int kept = 0;
        for (int i = 0; i >= 0; i = _next[i])
        {
            (_ids[kept], _starts[kept], _ends[kept]) = (_ids[i], _starts[i], _ends[i]);
            kept++;
        }

        Count = kept;
    }

    private void Offer(MergeTable merges, int left, int right)
    {
        Steps++;
        int rank = merges.Rank(_ids[left], _ids[right], out int joined);
        if (rank == int.MaxValue)
            return;
        if (_heapCount == _heap.Length)
            Array.Resize(ref _heap, Math.Max(64, 2 * _heap.Length));
        ulong key = (ulong)(uint)rank << 32 | (uint)left;
        int at = _heapCount++;
        while (at > 0 && _heap[at - 1 >> 1].Key > key)
        {
            _heap[at] = _heap[at - 1 >> 1];
            at = at - 1 >> 1;
            Steps++;
        }

        _heap[at] = (key, joined);
    }

    private (ulong Key, int Joined) Pop()
    {
        var top = _heap[0];
        var last = _heap[--_heapCount];
        int at = 0;
        while (true)
        {
            int child = 2 * at + 1;
            if (child >= _heapCount)
                break;
            if (child + 1 < _heapCount && _heap[child + 1].Key < _heap[child].Key)
                child++;
            if (_heap[child].Key >= last.Key)
                break;
            _heap[at] = _heap[child];
            at = child;
            Steps++;
        }

        _heap[at] = last;
        return top;
    }
}
