using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Training.Data;

/// <summary>
/// Finds documents that share most of their shingles (runs of tokens) with one that was added before: MinHash with locality-sensitive
/// hashing (Broder 1997; https://doi.org/10.1145/276698.276876) names candidates, and the Jaccard similarity decides.
/// </summary>
/// <remarks>
/// A document costs at most 4 bytes a token and no more than 4 kB (of longer ones the smallest 1024 hashes of shingles stand for all, which
/// estimates the similarity to ± 0.0125), and about 700 bytes of buckets. The same documents in the same order give the same answer
/// everywhere.
/// </remarks>
internal sealed class NearDuplicates
{
    // 20 bands of 6: a pair of similarity 0.8 becomes a candidate with a chance of 99.8%, one of 0.3 with 1.4%.
    private const int Bands = 20;
    private const int RowsPerBand = 6;
    private const int MostSketched = 1024;
    private readonly int _shingle;
    private readonly double _threshold;
    private readonly List<uint[]> _sketches = [];
    private readonly Dictionary<ulong, int> _buckets = [];
    private readonly List<(int Document, int Next)> _entries = [];
    private readonly ulong[] _factors = new ulong[Bands * RowsPerBand];
    private readonly uint[] _signature = new uint[Bands * RowsPerBand];

    /// <summary>Creates an empty index.</summary>
    /// <param name="threshold">The similarity from which a document counts as a duplicate, above 0 and at most 1.</param>
    /// <param name="shingle">The tokens of a shingle.</param>
    public NearDuplicates(double threshold = 0.8, int shingle = 5)
    {
        if (threshold is not (> 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(threshold), threshold, "A similarity lies above 0 and is at most 1.");
        ArgumentOutOfRangeException.ThrowIfLessThan(shingle, 1);
        _threshold = threshold;
        _shingle = shingle;
        for (int i = 0; i < _factors.Length; i++)
            _factors[i] = CorpusText.Mixed((ulong)i + 1) | 1;
    }

    /// <summary>Adds a document, unless it is a duplicate.</summary>
    /// <param name="tokens">Its tokens, as hashes.</param>
    /// <returns>The number of the document that it repeats (they count from 0 in the order of their additions), or −1 if it was
    /// added.</returns>
    public int FindOrAdd(List<ulong> tokens)
    {
        var shingles = Shingles(tokens);
        Sign(shingles);
        var sketch = Sketch(shingles);
        Span<ulong> keys = stackalloc ulong[Bands];
        var compared = new HashSet<int>();
        for (int band = 0; band < Bands; band++)
        {
            ulong key = (ulong)band;
            foreach (uint value in _signature.AsSpan(band * RowsPerBand, RowsPerBand))
                key = CorpusText.Mixed(key * 31 + value);
            keys[band] = key;
            for (int entry = _buckets.GetValueOrDefault(key, -1); entry >= 0; entry = _entries[entry].Next)
                if (_entries[entry].Document is var other && compared.Add(other) && Similarity(sketch, _sketches[other]) >= _threshold)
                    return other;
        }

        foreach (ulong key in keys)
        {
            ref int head = ref CollectionsMarshal.GetValueRefOrAddDefault(_buckets, key, out bool exists);
            _entries.Add((_sketches.Count, exists ? head : -1));
            head = _entries.Count - 1;
        }

        _sketches.Add(sketch);
        return -1;
    }

    /// <summary>|A ∩ B| / |A ∪ B| of two sketches: exact where both hold all shingles, else of the smallest ones of the union.</summary>
    internal static double Similarity(uint[] a, uint[] b)
    {
        bool whole = a.Length < MostSketched && b.Length < MostSketched;
        int shared = 0, union = 0;
        for (int i = 0, j = 0; (i < a.Length || j < b.Length) && (whole || union < MostSketched); union++)
        {
            bool left = j == b.Length || (i < a.Length && a[i] <= b[j]), right = i == a.Length || (j < b.Length && b[j] <= a[i]);
            shared += left && right ? 1 : 0;
            i += left ? 1 : 0;
            j += right ? 1 : 0;
        }

        return union == 0 ? 1 : (double)shared / union;
    }

    private List<ulong> Shingles(List<ulong> tokens)
    {
        int length = Math.Min(_shingle, tokens.Count);
        var shingles = new List<ulong>(tokens.Count);
        for (int i = 0; length > 0 && i + length <= tokens.Count; i++)
        {
            ulong hash = 0;
            for (int j = i; j < i + length; j++)
                hash = CorpusText.Mixed(hash * 31 + tokens[j]);
            shingles.Add(hash);
        }

        return shingles;
    }

    // For each hash function (multiply and take the upper half) the smallest value over all shingles.
    private void Sign(List<ulong> shingles)
    {
        Array.Fill(_signature, uint.MaxValue);
        foreach (ulong shingle in shingles)
            for (int i = 0; i < _signature.Length; i++)
                _signature[i] = Math.Min(_signature[i], (uint)((shingle * _factors[i]) >> 32));
    }

    private static uint[] Sketch(List<ulong> shingles)
    {
        uint[] sorted = [.. shingles.Select(shingle => (uint)(shingle >> 32)).Distinct()];
        Array.Sort(sorted);
        return sorted.Length > MostSketched ? sorted[..MostSketched] : sorted;
    }
}
