using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Kotonoha.Rag.Stores;

/// <summary>How vectors are compared; greater scores are nearer.</summary>
internal enum VectorMeasure
{
    /// <summary>The dot product of vectors of length 1 (or 0): the caller normalises them.</summary>
    Cosine,

    /// <summary>The dot product.</summary>
    Dot,

    /// <summary>The Euclidean distance, squared and negative.</summary>
    Euclidean,

    /// <summary>The sum of the absolute differences, negative.</summary>
    Manhattan,

    /// <summary>The number of places that differ, negative.</summary>
    Hamming,
}

/// <summary>One entry of an index's answer.</summary>
internal readonly record struct ScoredSlot(int Slot, float Score);

/// <summary>
/// Vectors in memory by slot, in the order in which they came: exact search while they are few, beyond that a graph over vectors of 8 bits
/// a dimension, or a scan over vectors of one bit; their candidates are scored by the full ones. Removed slots stay until the index is
/// built anew.
/// </summary>
/// <remarks>
/// Searches may run beside each other, but not beside a change; <see cref="Link"/> says itself when it changes something.
/// </remarks>
/// <param name="dimension">The vectors' width.</param>
/// <param name="measure">How they are compared.</param>
/// <param name="exact">Whether every vector is looked at; null: up to <see cref="GraphThreshold"/>.</param>
/// <param name="quantization">What is looked at beyond that.</param>
internal sealed class VectorIndex(
    int dimension, VectorMeasure measure = VectorMeasure.Cosine, bool? exact = null,
    EmbeddedQuantization quantization = EmbeddedQuantization.Int8)
{
    /// <summary>The number of vectors from which on they are linked, or have codes of one bit a dimension.</summary>
    public const int GraphThreshold = 20_000;

    // As many vectors wait to be linked and are looked at one by one until then.
    private const int MaxUnlinked = 1024;

    // How many nodes a walk holds: at least, and for each vector wanted.
    private const int MinWidth = 80;
    private const int WidthFactor = 2;

    // How many candidates of a scan of quantised vectors are scored by the full ones: as many more as wanted, for each wanted.
    private const int SpareCandidates = 32;
    private const int CandidateFactor = 2;

    // The same for a scan of codes of one bit, and of how many vectors the first ones give their centre.
    private const int SpareBinaryCandidates = 100;
    private const int BinaryCandidateFactor = 20;
    private const int CentreVectors = 1000;

    // A step of a walk looks at about so many vectors; one of them costs about four of a scan, which lie in order.
    private const int VectorsOfStep = 12;
    private const int CostOfJump = 4;

    // How much lengths may differ for the order of dot products to be that of distances, or to follow from the graph.
    private const float EqualLengths = 0.99f;

    // A graph is worth storing when so many more nodes have been linked, and a share of those that are stored.
    private const int MinUnsavedNodes = 4096;
    private const int UnsavedShare = 16;

    private readonly PagedRows<float> _full = new(Math.Max(1, dimension));
    private readonly SlotSet _live = new();
    private readonly List<long> _rows = [];
    private QuantizedVectors? _codes;
    private BinaryVectors? _bits;
    private HnswGraph? _graph;
    private float _leastLength = float.PositiveInfinity;
    private float _greatestLength;
    private int _savedCount;

    public int Dimension => dimension;

    public int Count => _rows.Count;

    public int LiveCount => _live.Count;

    /// <summary>How many vectors the graph holds.</summary>
    public int LinkedCount => _graph?.Count ?? 0;

    /// <summary>How many vectors have been linked since the graph was stored or read.</summary>
    public int UnsavedCount => LinkedCount - _savedCount;

    /// <summary>Whether so many vectors have been linked that the graph should be stored.</summary>
    public bool IsWorthSaving => UnsavedCount > Math.Max(MinUnsavedNodes, _savedCount / UnsavedShare);

    /// <summary>Whether vectors wait to be linked.</summary>
    public bool NeedsLink
        => MayLink && (_graph is null ? Count >= GraphThreshold || exact == false : Count - _graph.Count >= MaxUnlinked);

    private bool MayQuantize => exact != true && measure <= VectorMeasure.Euclidean && dimension > 0;

    private bool MayLink => MayQuantize && quantization == EmbeddedQuantization.Int8;

    // Codes lead by dot products. Among vectors of about the same length these have the order of distances.
    private bool MayLead => measure == VectorMeasure.Cosine || _leastLength >= EqualLengths * _greatestLength;

    public ReadOnlySpan<float> this[int slot] => _full.Row(slot)[..dimension];

    /// <summary>Adds a vector.</summary>
    /// <param name="vector">The vector.</param>
    /// <param name="row">What names its place in the file; ascending.</param>
    /// <param name="counts">Whether its length counts among those that have to be about equal; not for one that is removed at once.</param>
    /// <returns>Its slot.</returns>
    public int Add(ReadOnlySpan<float> vector, long row, bool counts = true)
    {
        int slot = _rows.Count;
        _full.Reserve(slot + 1);
        vector.CopyTo(_full.Row(slot));
        _rows.Add(row);
        _live.Add(slot);
        _codes?.Set(slot, vector);
        if (quantization == EmbeddedQuantization.Binary && MayQuantize && Count >= (exact == false ? CentreVectors : GraphThreshold))
            AddBits(slot);
        if (counts && measure is (VectorMeasure.Dot or VectorMeasure.Euclidean))
        {
            float length = TensorPrimitives.Norm(vector);
            _leastLength = Math.Min(_leastLength, length);
            _greatestLength = Math.Max(_greatestLength, length);
        }

        return slot;
    }

    public void Remove(int slot) => _live.Remove(slot);

    /// <summary>Links the vectors that wait.</summary>
    /// <param name="gate">Held while the graph is read or changed.</param>
    public void Link(ReaderWriterLockSlim gate)
    {
        if (_graph is null)
            Write(() => _graph = new HnswGraph(Codes()));
        _graph!.Link(Count, Read, Write);

        void Read(Action work)
        {
            gate.EnterReadLock();
            try
            {
                work();
            }
            finally
            {
                gate.ExitReadLock();
            }
        }

        void Write(Action work)
        {
            gate.EnterWriteLock();
            try
            {
                work();
            }
            finally
            {
                gate.ExitWriteLock();
            }
        }
    }

    /// <summary>Finds the nearest vectors.</summary>
    /// <param name="query">The query.</param>
    /// <param name="limit">How many are wanted.</param>
    /// <param name="accepted">The slots that may be found; null for all.</param>
    /// <returns>
    /// The nearest, in no order. A scan gives more where scores are equal, so that the caller can choose among them by a rule of its own.
    /// </returns>
    public List<ScoredSlot> Search(ReadOnlySpan<float> query, int limit, SlotSet? accepted)
    {
        var allowed = _live.Count == Count ? accepted : accepted is null ? _live : SlotSet.Intersect([accepted, _live]);
        int candidates = allowed?.Count ?? Count;
        if (limit <= 0 || candidates == 0)
            return [];
        if (!MayLead || candidates <= limit || (_graph is null && _bits is null))
            return ScanFull(query, limit, allowed);
        if (_bits is not null)
            return Rescored(query, limit, ScanBits(query, BinaryCandidateFactor * limit + SpareBinaryCandidates, allowed));
        var codes = new short[_codes!.QueryLength];
        float factor = _codes.Quantize(query, codes);
        int width = Math.Max(MinWidth, WidthFactor * limit);
        var found = new List<(int Slot, float Score)>();
        bool walks = allowed?.IsSmall != true
            && (double)CostOfJump * VectorsOfStep * width * Count / candidates < candidates
            && _graph!.Search(codes, factor, width, allowed, candidates / CostOfJump, found);
        if (!walks)
            found.Clear();
        ScanCodes(codes, factor, walks ? _graph!.Count : 0, CandidateFactor * limit + SpareCandidates, allowed, found);
        return Rescored(query, limit, found.Select(candidate => candidate.Slot));
    }

    /// <summary>The graph as parts to be stored.</summary>
    public List<byte[]> SaveGraph()
    {
        _savedCount = LinkedCount;
        return _graph is null ? [] : HnswFile.Write(_graph, Identity);
    }

    /// <summary>Takes over a stored graph, as far as its nodes are still the vectors that are here.</summary>
    /// <returns>Whether there is a graph now; a damaged one is left alone.</returns>
    public bool LoadGraph(IReadOnlyList<byte[]> parts)
    {
        if (!MayLink || (Count < GraphThreshold && exact is null) || HnswFile.Read(parts) is not { } saved)
            return false;
        // Rows come in ascending order in both, and those that are left of the saved ones are the first here.
        var slots = new int[saved.Count];
        int slot = 0;
        for (int node = 0; node < saved.Count; node++)
        {
            while (slot < Count && _rows[slot] < saved.Rows[node])
                slot++;
            slots[node] = slot < Count && Identity(slot) == (saved.Rows[node], saved.Checks[node]) ? slot++ : -1;
        }

        int next = 0;
        foreach (int place in slots)
            if (place >= 0 && place != next++)
                return false;
        _graph = new HnswGraph(Codes());
        _graph.TakeOver(saved.Levels, saved.Links, slots);
        _savedCount = _graph.Count;
        return true;
    }

    private (long Row, uint Check) Identity(int slot)
    {
        uint check = 0;
        foreach (uint word in MemoryMarshal.Cast<float, uint>(this[slot]))
            check = BitOperations.Crc32C(check, word);
        return (_rows[slot], check);
    }

    private QuantizedVectors Codes()
    {
        if (_codes is not null)
            return _codes;
        var codes = new QuantizedVectors(dimension);
        for (int slot = 0; slot < Count; slot++)
            codes.Set(slot, this[slot]);
        return _codes = codes;
    }

    // Codes of the first vectors come when there are enough of them to know their centre.
    private void AddBits(int slot)
    {
        if (_bits is null)
        {
            var centre = new float[dimension];
            int count = Math.Min(CentreVectors, Count);
            for (int first = 0; first < count; first++)
                TensorPrimitives.Add(centre, this[first], centre);
            TensorPrimitives.Divide(centre, count, centre);
            _bits = new BinaryVectors(centre);
            for (int first = 0; first < slot; first++)
                _bits.Set(first, this[first]);
        }

        _bits.Set(slot, this[slot]);
    }

    private List<ScoredSlot> Rescored(ReadOnlySpan<float> query, int limit, IEnumerable<int> candidates)
    {
        var result = new List<ScoredSlot>();
        foreach (int slot in candidates)
            result.Add(new ScoredSlot(slot, Score(query, this[slot])));
        result.Sort(static (x, y) => y.Score.CompareTo(x.Score));
        if (result.Count > limit)
            result.RemoveRange(limit, result.Count - limit);
        return result;
    }

    private float Score(ReadOnlySpan<float> query, ReadOnlySpan<float> vector)
        => measure switch
        {
            VectorMeasure.Cosine or VectorMeasure.Dot => TensorPrimitives.Dot(query, vector),
            VectorMeasure.Euclidean => -Square(TensorPrimitives.Distance(query, vector)),
            VectorMeasure.Manhattan => -Manhattan(query, vector),
            _ => -TensorPrimitives.HammingDistance(query, vector),
        };

    private static float Square(float x) => x * x;

    private static float Manhattan(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        float sum = 0;
        for (int i = 0; i < x.Length; i++)
            sum += Math.Abs(x[i] - y[i]);
        return sum;
    }

    private List<ScoredSlot> ScanFull(ReadOnlySpan<float> query, int limit, SlotSet? allowed)
    {
        var best = new PriorityQueue<int, float>();
        var ties = new List<int>();
        float least = float.NegativeInfinity;
        if (allowed is null)
            for (int slot = 0; slot < Count; slot++)
                Look(slot, Score(query, this[slot]));
        else
            foreach (int slot in allowed.StartingAt(0))
                Look(slot, Score(query, this[slot]));
        var result = new List<ScoredSlot>(best.Count + ties.Count);
        foreach (var (slot, score) in best.UnorderedItems)
            result.Add(new ScoredSlot(slot, score));
        foreach (int slot in ties)
            result.Add(new ScoredSlot(slot, least));
        return result;

        void Look(int slot, float score)
        {
            if (best.Count < limit)
            {
                best.Enqueue(slot, score);
                best.TryPeek(out _, out least);
            }
            else if (score == least)
            {
                ties.Add(slot);
            }
            else if (score > least)
            {
                int gone = best.EnqueueDequeue(slot, score);
                float before = least;
                best.TryPeek(out _, out least);
                if (least == before)
                    ties.Add(gone);
                else
                    ties.Clear();
            }
        }
    }

    /// <summary>The slots whose bits differ least from a query's.</summary>
    private unsafe List<int> ScanBits(ReadOnlySpan<float> query, int count, SlotSet? allowed)
    {
        var best = new PriorityQueue<int, int>(count);
        int greatest = int.MaxValue;
        var words = new ulong[_bits!.Words];
        _bits.Encode(query, words);
        fixed (ulong* code = words)
        {
            if (allowed is null)
                for (int slot = 0; slot < Count; slot++)
                    Keep(slot, _bits.Distance(code, slot));
            else
                foreach (int slot in allowed.StartingAt(0))
                    Keep(slot, _bits.Distance(code, slot));
        }

        return [.. best.UnorderedItems.Select(item => item.Element)];

        // The queue gives away the least, which is the farthest here.
        void Keep(int slot, int distance)
        {
            if (distance >= greatest)
                return;
            if (best.Count < count)
                best.Enqueue(slot, -distance);
            else
                best.EnqueueDequeue(slot, -distance);
            if (best.Count == count && best.TryPeek(out _, out int least))
                greatest = -least;
        }
    }

    private unsafe void ScanCodes(
        short[] query, float factor, int from, int count, SlotSet? allowed, List<(int Slot, float Score)> found)
    {
        var best = new PriorityQueue<int, float>(count);
        float least = float.NegativeInfinity;
        fixed (short* codes = query)
        {
            if (allowed is null)
                for (int slot = from; slot < Count; slot++)
                    Keep(slot, _codes!.Dot(codes, factor, slot));
            else
                foreach (int slot in allowed.StartingAt(from))
                    Keep(slot, _codes!.Dot(codes, factor, slot));
        }

        foreach (var (slot, score) in best.UnorderedItems)
            found.Add((slot, score));

        void Keep(int slot, float score)
        {
            if (score <= least)
                return;
            if (best.Count < count)
                best.Enqueue(slot, score);
            else
                best.EnqueueDequeue(slot, score);
            if (best.Count == count)
                best.TryPeek(out _, out least);
        }
    }
}
