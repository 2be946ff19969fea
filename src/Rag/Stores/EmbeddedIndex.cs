using System.Buffers;
using System.Numerics.Tensors;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// The embedded store's search structures in memory: unit vectors in pages of rows, and BM25 postings. A removed chunk's place (slot) is
/// left dead until the index is built anew. Not thread-safe: the store guards it.
/// </summary>
internal sealed class EmbeddedIndex(int dimension, double averageLength, Bm25? weights = null)
{
    private const int PageRows = 1024;

    private readonly List<float[]> _pages = [];
    private readonly List<Slot> _slots = [];
    private readonly Dictionary<uint, Postings> _postings = [];
    private readonly Dictionary<string, Document> _documents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _slotById = new(StringComparer.Ordinal);
    private readonly Bm25 _weights = weights ?? Bm25.Default;
    private double _averageLength = averageLength;

    public int Dimension { get; } = dimension;

    public int LiveCount => _slotById.Count;

    public int DeadCount => _slots.Count - _slotById.Count;

    public IEnumerable<DocumentRecord> Records => _documents.Values.Select(document => document.Record);

    public void AddDocument(DocumentRecord record) => _documents.Add(record.Source, new Document(record));

    public bool Contains(string source) => _documents.ContainsKey(source);

    /// <summary>Adds a chunk of a document that has been added.</summary>
    public void AddChunk(string source, string id, TermVector terms, ReadOnlySpan<float> dense)
    {
        var document = _documents[source];
        int slot = _slots.Count;
        _slots.Add(new Slot(id, document, terms.Length, _weights.LengthNorm(terms.Length, _averageLength)));
        _slotById.Add(id, slot);
        document.Slots.Add(slot);
        for (int i = 0; i < terms.Indices.Length; i++)
        {
            if (!_postings.TryGetValue(terms.Indices[i], out var list))
                _postings.Add(terms.Indices[i], list = new Postings());
            list.Entries.Add(new Posting(slot, terms.Counts[i]));
            list.Live++;
        }

        if (Dimension == 0)
            return;
        if (slot % PageRows == 0)
            _pages.Add(new float[PageRows * Dimension]);
        dense.CopyTo(Row(slot));
    }

    /// <summary>Removes a document with its chunks.</summary>
    /// <param name="source">The document; unknown ones are passed over.</param>
    /// <param name="termsOf">Reads a chunk's terms by its id.</param>
    public void Remove(string source, Func<string, TermVector> termsOf)
    {
        if (!_documents.Remove(source, out var document))
            return;
        foreach (int slot in document.Slots)
        {
            var id = _slots[slot].Id;
            foreach (uint term in termsOf(id).Indices)
                _postings[term].Live--;
            _slotById.Remove(id);
            _slots[slot] = _slots[slot] with { Document = null };
        }
    }

    public void SetAverageLength(double averageLength)
    {
        _averageLength = averageLength;
        for (int i = 0; i < _slots.Count; i++)
            _slots[i] = _slots[i] with { Norm = _weights.LengthNorm(_slots[i].Length, averageLength) };
    }

    public List<ScoredChunk> SearchDense(ReadOnlySpan<float> unitQuery, int limit, StoreFilter? filter)
    {
        var accepted = Accepted(filter);
        var best = new TopList(limit);
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            var entry = _slots[slot];
            if (entry.Document is null || accepted?.Contains(entry.Document) == false)
                continue;
            float score = TensorPrimitives.Dot(unitQuery, Row(slot));
            if (best.Takes(score))
                best.Add(new ScoredChunk(entry.Id, entry.Document.Record.Source, score));
        }

        return best.ToSortedList();
    }

    public List<ScoredChunk> SearchSparse(TermVector query, int limit, StoreFilter? filter)
    {
        var accepted = Accepted(filter);
        var best = new TopList(limit);
        var scores = ArrayPool<float>.Shared.Rent(_slots.Count);
        try
        {
            Array.Clear(scores, 0, _slots.Count);
            for (int i = 0; i < query.Indices.Length; i++)
            {
                if (!_postings.TryGetValue(query.Indices[i], out var list) || list.Live == 0)
                    continue;
                float weight = query.Counts[i] * Bm25.Idf(LiveCount, list.Live);
                foreach (var posting in list.Entries)
                    scores[posting.Slot] += weight * _weights.TermWeight(posting.Count, _slots[posting.Slot].Norm);
            }

            for (int slot = 0; slot < _slots.Count; slot++)
            {
                // Every weight is positive, so zero means that no term of the query occurs.
                if (scores[slot] == 0 || _slots[slot].Document is not { } document || accepted?.Contains(document) == false)
                    continue;
                if (best.Takes(scores[slot]))
                    best.Add(new ScoredChunk(_slots[slot].Id, document.Record.Source, scores[slot]));
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(scores);
        }

        return best.ToSortedList();
    }

    public float[]? Vector(string id) => Dimension > 0 && _slotById.TryGetValue(id, out int slot) ? Row(slot).ToArray() : null;

    private Span<float> Row(int slot) => _pages[slot / PageRows].AsSpan(slot % PageRows * Dimension, Dimension);

    private HashSet<Document>? Accepted(StoreFilter? filter)
        => filter is null ? null : [.. _documents.Values.Where(document => filter.Accepts(document.Record.Source, document.Record.Tags))];

    private readonly record struct Slot(string Id, Document? Document, int Length, float Norm);

    private readonly record struct Posting(int Slot, int Count);

    private sealed class Postings
    {
        public List<Posting> Entries { get; } = [];

        public int Live { get; set; }
    }

    private sealed class Document(DocumentRecord record)
    {
        public DocumentRecord Record { get; } = record;

        public List<int> Slots { get; } = [];
    }
}
