using System.Buffers;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// The embedded store's search structures in memory: vectors, BM25 postings, and which slots a tag, an access key or a folder has. A
/// removed chunk's slot is left dead until the index is built anew.
/// </summary>
/// <remarks>
/// Searches run beside each other; a change waits for them, holding <see cref="Gate"/> for writing. Whoever changes the index sees to it
/// that nobody else does.
/// </remarks>
internal sealed class EmbeddedIndex(
    int dimension, double averageLength, bool? exact = null, Bm25? weights = null,
    EmbeddedQuantization quantization = EmbeddedQuantization.Int8)
{
    private readonly VectorIndex _vectors = new(dimension, exact: exact, quantization: quantization);
    private readonly TermIndex _terms = new(averageLength, weights);
    private readonly List<Slot> _slots = [];
    private readonly SlotSet _live = new();
    private readonly Dictionary<string, Document> _documents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _slotById = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SlotSet> _byTag = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SlotSet> _byAccess = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SlotSet> _byFolder = new(StringComparer.Ordinal);

    /// <summary>Keeps changes and searches apart.</summary>
    public ReaderWriterLockSlim Gate { get; } = new();

    public int Dimension => dimension;

    public int LiveCount => _slotById.Count;

    public int DeadCount => _slots.Count - _slotById.Count;

    /// <summary>The vectors, for what keeps their graph.</summary>
    public VectorIndex Vectors => _vectors;

    public IEnumerable<DocumentRecord> Records => _documents.Values.Select(document => document.Record);

    public void AddDocument(DocumentRecord record)
    {
        if (!_documents.TryAdd(record.Source, new Document(record)))
            throw new InvalidDataException($"The document '{record.Source}' is there twice.");
    }

    public bool Contains(string source) => _documents.ContainsKey(source);

    public DocumentRecord? Record(string source) => _documents.GetValueOrDefault(source)?.Record;

    /// <summary>Adds a chunk of a document that has been added.</summary>
    /// <param name="source">The document.</param>
    /// <param name="id">The chunk.</param>
    /// <param name="terms">Its terms.</param>
    /// <param name="dense">Its vector, of length 1.</param>
    /// <param name="row">Its row in the file.</param>
    public void AddChunk(string source, string id, TermVector terms, ReadOnlySpan<float> dense, long row)
    {
        int slot = _slots.Count;
        if (!_documents.TryGetValue(source, out var document) || !_slotById.TryAdd(id, slot))
            throw new InvalidDataException($"The chunk '{id}' of '{source}' is there twice or belongs to no document.");
        _slots.Add(new Slot(id, document));
        _live.Add(slot);
        document.Slots.Add(slot);
        foreach (var set in SetsOf(document.Record))
            set.Add(slot);
        _terms.Add(terms);
        if (dimension > 0)
            _vectors.Add(dense, row);
    }

    /// <summary>Removes a document with its chunks.</summary>
    /// <param name="source">The document; unknown ones are passed over.</param>
    /// <param name="termsOf">Reads a chunk's terms by its id.</param>
    public void Remove(string source, Func<string, TermVector> termsOf)
    {
        if (!_documents.Remove(source, out var document))
            return;
        var sets = SetsOf(document.Record).ToArray();
        foreach (int slot in document.Slots)
        {
            var id = _slots[slot].Id;
            _terms.Remove(termsOf(id));
            _slotById.Remove(id);
            _slots[slot] = _slots[slot] with { Document = null };
            _live.Remove(slot);
            foreach (var set in sets)
                set.Remove(slot);
            if (dimension > 0)
                _vectors.Remove(slot);
        }
    }

    public void SetAverageLength(double averageLength) => _terms.SetAverageLength(averageLength);

    public List<ScoredChunk> SearchDense(ReadOnlySpan<float> unitQuery, int limit, StoreFilter? filter)
    {
        var best = new TopList(limit);
        foreach (var (slot, score) in _vectors.Search(unitQuery, limit, Accepted(filter, VisibleTo(filter))))
            best.Add(new ScoredChunk(_slots[slot].Id, _slots[slot].Document!.Record.Source, score));
        return best.ToSortedList();
    }

    public List<ScoredChunk> SearchSparse(TermVector query, int limit, StoreFilter? filter)
    {
        // A scope's scores follow from its own documents alone.
        var population = VisibleTo(filter);
        var accepted = Accepted(filter, population);
        var best = new TopList(limit);
        _terms.Search(
            query,
            (slot, score) =>
            {
                if (_slots[slot].Document is { } document && best.Takes(score) && accepted?.Contains(slot) != false)
                    best.Add(new ScoredChunk(_slots[slot].Id, document.Record.Source, score));
            },
            population);
        return best.ToSortedList();
    }

    public float[]? Vector(string id) => dimension > 0 && _slotById.TryGetValue(id, out int slot) ? _vectors[slot].ToArray() : null;

    private IEnumerable<SlotSet> SetsOf(DocumentRecord record)
    {
        foreach (var tag in record.Tags.Distinct(StringComparer.Ordinal))
            yield return Set(_byTag, tag);
        foreach (var key in record.Access?.Keys ?? [])
            yield return Set(_byAccess, key);
        // The last prefix is the document itself.
        foreach (var folder in StoreFilter.Prefixes(record.Source).SkipLast(1))
            yield return Set(_byFolder, folder);

        static SlotSet Set(Dictionary<string, SlotSet> sets, string name)
        {
            if (!sets.TryGetValue(name, out var set))
                sets.Add(name, set = new SlotSet());
            return set;
        }
    }

    private SlotSet? Accepted(StoreFilter? filter, SlotSet? visible)
    {
        if (filter is null)
            return visible;
        var sets = (filter.AllOf ?? []).Select(Accepted).OfType<SlotSet>().ToList();
        if (filter.AnyOf is { Count: > 0 } any && any.Select(Accepted).ToList() is var either && !either.Contains(null))
            sets.Add(SlotSet.Union(either!));
        if (visible is not null)
            sets.Add(visible);
        foreach (var tag in filter.Tags ?? [])
            sets.Add(_byTag.GetValueOrDefault(tag) ?? new SlotSet());
        if (filter.NormalizedPrefix is { } prefix)
        {
            var folder = _byFolder.GetValueOrDefault(prefix) ?? new SlotSet();
            sets.Add(_documents.TryGetValue(prefix, out var document) ? SlotSet.Of([.. folder.StartingAt(0), .. document.Slots]) : folder);
        }

        if (filter.NoneOf is { Count: > 0 } none)
        {
            var refused = none.Select(Accepted).ToList();
            if (refused.Contains(null))
                return new SlotSet();
            return (sets.Count == 0 ? _live : SlotSet.Intersect(sets)).Except([.. refused.OfType<SlotSet>()]);
        }

        return sets.Count == 0 ? null : SlotSet.Intersect(sets);

        SlotSet? Accepted(StoreFilter part) => this.Accepted(part, VisibleTo(part));
    }

    /// <summary>What the filter's scope sees; null where there is no scope.</summary>
    private SlotSet? VisibleTo(StoreFilter? filter) => filter?.Scope is { } scope
        ? SlotSet.Union([.. scope.Keys.Select(key => _byAccess.GetValueOrDefault(key)).OfType<SlotSet>()])
        : null;

    private readonly record struct Slot(string Id, Document? Document);

    private sealed class Document(DocumentRecord record)
    {
        public DocumentRecord Record { get; } = record;

        public List<int> Slots { get; } = [];
    }
}

/// <summary>BM25 postings in memory, by the slots of texts in the order in which they come.</summary>
/// <param name="averageLength">The average length of the texts in terms, or null where it follows from the texts themselves.</param>
/// <param name="weights">BM25's constants, or null for the defaults.</param>
internal sealed class TermIndex(double? averageLength, Bm25? weights = null)
{
    private readonly Dictionary<uint, Postings> _postings = [];
    private readonly List<int> _lengths = [];
    private readonly Bm25 _weights = weights ?? Bm25.Default;
    private double? _averageLength = averageLength;
    private int _live;
    private long _liveTerms;

    /// <summary>Adds a text's terms; its slot is the next one.</summary>
    public void Add(TermVector terms)
    {
        int slot = _lengths.Count;
        _lengths.Add(terms.Length);
        _live++;
        _liveTerms += terms.Length;
        for (int i = 0; i < terms.Indices.Length; i++)
        {
            if (!_postings.TryGetValue(terms.Indices[i], out var list))
                _postings.Add(terms.Indices[i], list = new Postings());
            list.Entries.Add(new Posting(slot, terms.Counts[i]));
            list.Live++;
        }
    }

    /// <summary>No longer counts a text; its slot goes on being scored.</summary>
    public void Remove(TermVector terms)
    {
        _live--;
        _liveTerms -= terms.Length;
        foreach (uint term in terms.Indices)
            _postings[term].Live--;
    }

    public void SetAverageLength(double averageLength) => _averageLength = averageLength;

    /// <summary>Gives the texts that have a term of the query with their scores, removed ones too, in the order of their slots.</summary>
    /// <param name="query">The query's terms.</param>
    /// <param name="found">Told of each text.</param>
    /// <param name="population">The texts that a term's rarity is counted over, or null for all.</param>
    public void Search(TermVector query, Action<int, float> found, SlotSet? population = null)
    {
        double average = _averageLength ?? Math.Max(1, (double)_liveTerms / Math.Max(1, _live));
        int count = _lengths.Count;
        var scores = ArrayPool<float>.Shared.Rent(count);
        try
        {
            Array.Clear(scores, 0, count);
            for (int i = 0; i < query.Indices.Length; i++)
            {
                if (!_postings.TryGetValue(query.Indices[i], out var list) || list.Live == 0)
                    continue;
                int holders = population is null ? list.Live : list.Entries.Count(posting => population.Contains(posting.Slot));
                if (holders == 0)
                    continue;
                float weight = query.Counts[i] * Bm25.Idf(population?.Count ?? _live, holders);
                foreach (var posting in list.Entries)
                    scores[posting.Slot] +=
                        weight * _weights.TermWeight(posting.Count, _weights.LengthNorm(_lengths[posting.Slot], average));
            }

            // Every weight is positive, so zero means that no term of the query occurs.
            for (int slot = 0; slot < count; slot++)
                if (scores[slot] != 0)
                    found(slot, scores[slot]);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(scores);
        }
    }

    private readonly record struct Posting(int Slot, int Count);

    private sealed class Postings
    {
        public List<Posting> Entries { get; } = [];

        public int Live { get; set; }
    }
}
