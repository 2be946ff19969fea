namespace Kotonoha.Rag.Stores;

/// <summary>Keeps the n best of many entries: score descending, then id. A binary heap with the worst kept entry on top.</summary>
internal sealed class TopList(int limit)
{
    private readonly List<ScoredChunk> _heap = [];

    /// <summary>The order of every ranking: score descending, then id in ordinal order.</summary>
    public static int Compare(ScoredChunk x, ScoredChunk y)
    {
        int byScore = y.Score.CompareTo(x.Score);
        return byScore != 0 ? byScore : string.CompareOrdinal(x.Id, y.Id);
    }

    /// <summary>Whether an entry with this score could still get in.</summary>
    public bool Takes(double score) => _heap.Count < limit || (limit > 0 && score >= _heap[0].Score);

    public void Add(ScoredChunk entry)
    {
        if (_heap.Count < limit)
        {
            _heap.Add(entry);
            for (int child = _heap.Count - 1; child > 0;)
            {
                int parent = (child - 1) / 2;
                if (Compare(_heap[parent], _heap[child]) >= 0)
                    break;
                (_heap[parent], _heap[child]) = (_heap[child], _heap[parent]);
                child = parent;
            }
        }
        else if (limit > 0 && Compare(entry, _heap[0]) < 0)
        {
            _heap[0] = entry;
            for (int parent = 0; ;)
            {
                int child = 2 * parent + 1;
                if (child >= _heap.Count)
                    break;
                if (child + 1 < _heap.Count && Compare(_heap[child + 1], _heap[child]) > 0)
                    child++;
                if (Compare(_heap[parent], _heap[child]) >= 0)
                    break;
                (_heap[parent], _heap[child]) = (_heap[child], _heap[parent]);
                parent = child;
            }
        }
    }

    /// <summary>The entries, best first.</summary>
    public List<ScoredChunk> ToSortedList()
    {
        _heap.Sort(Compare);
        return _heap;
    }
}
