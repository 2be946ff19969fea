using System.Numerics.Tensors;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

public class VectorIndexTests
{
    private const int Dimension = 48;

    [Theory]
    [InlineData(1)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(100)]
    [InlineData(384)]
    public unsafe void Quantised_dot_products_are_those_of_the_codes(int dimension)
    {
        var random = new Random(dimension);
        var vectors = new QuantizedVectors(dimension);
        float[] x = Random(random, dimension), y = Random(random, dimension);
        vectors.Set(0, x);
        vectors.Set(1, y);
        var codes = new short[vectors.QueryLength];
        float factor = vectors.Quantize(y, codes);
        var other = new short[vectors.QueryLength];
        Assert.Equal(factor, vectors.Widen(1, other));
        Assert.Equal(codes, other);
        float factorOfX = vectors.Widen(0, other);
        long expected = codes.Zip(other, (a, b) => (long)a * b).Sum();
        fixed (short* query = codes)
            Assert.Equal(expected * (factor * factorOfX), vectors.Dot(query, factor, 0), 1e-5 * dimension);
        // The codes are within half a step of the numbers.
        for (int i = 0; i < dimension; i++)
            Assert.InRange(codes[i] * factor, y[i] - 0.51f * factor, y[i] + 0.51f * factor);
    }

    [Fact]
    public void A_walk_finds_nearly_all_that_a_scan_finds()
    {
        var (index, vectors) = Linked(seed: 1, count: 6000);
        Assert.True(Recall(index, vectors, _ => true, null) >= 0.97);
    }

    [Theory]
    [InlineData(0.002)]
    [InlineData(0.05)]
    [InlineData(0.3)]
    [InlineData(0.9)]
    public void A_filter_leaves_nothing_out_and_lets_nothing_in(double share)
    {
        var (index, vectors) = Linked(seed: 2, count: 6000);
        var random = new Random(3);
        var accepted = Enumerable.Range(0, vectors.Length).Where(_ => random.NextDouble() < share).ToHashSet();
        Assert.True(Recall(index, vectors, accepted.Contains, SlotSet.Of(accepted.Order())) >= 0.97);
    }

    [Fact]
    public void A_filter_far_from_the_query_is_found()
    {
        // Two groups opposite to each other; the query lies in one and the filter leaves the other.
        var random = new Random(4);
        var vectors = Enumerable.Range(0, 5000).Select(i => Unit(Random(random, Dimension), i % 2 == 0 ? 8 : -8)).ToArray();
        var index = Index(vectors);
        var others = SlotSet.Of(Enumerable.Range(0, 2500).Select(i => 2 * i + 1));
        for (int i = 0; i < 20; i++)
        {
            var expected = Scan(vectors, vectors[2 * i], slot => slot % 2 == 1);
            Assert.True(Found(index, vectors[2 * i], others).Intersect(expected).Count() >= 9);
        }
    }

    [Fact]
    public void Removed_vectors_are_not_found_and_the_others_are()
    {
        var (index, vectors) = Linked(seed: 5, count: 5000);
        var removed = Enumerable.Range(0, 5000).Where(i => i % 10 < 6).ToHashSet();
        foreach (int slot in removed)
            index.Remove(slot);
        Assert.True(Recall(index, vectors, slot => !removed.Contains(slot), null) >= 0.97);
    }

    [Fact]
    public void A_graph_is_taken_over_without_what_has_been_removed()
    {
        var (index, vectors) = Linked(seed: 6, count: 5000);
        var parts = index.SaveGraph();
        var kept = Enumerable.Range(0, 5000).Where(i => i % 10 >= 5).ToArray();
        var smaller = new VectorIndex(Dimension, exact: false);
        foreach (int old in kept)
            smaller.Add(vectors[old], old + 1);
        // New ones come after those that are left.
        var later = Clustered(seed: 7, count: 300);
        for (int i = 0; i < later.Length; i++)
            smaller.Add(later[i], 5001 + i);
        Assert.True(smaller.LoadGraph(parts));
        Assert.Equal(kept.Length, smaller.LinkedCount);
        Assert.True(Recall(smaller, [.. kept.Select(old => vectors[old]), .. later], _ => true, null) >= 0.97);
        smaller.Link(new ReaderWriterLockSlim());
        Assert.Equal(kept.Length + later.Length, smaller.LinkedCount);
        Assert.True(Recall(smaller, [.. kept.Select(old => vectors[old]), .. later], _ => true, null) >= 0.97);
    }

    [Fact]
    public void Rows_that_were_given_to_other_vectors_are_not_taken_over()
    {
        var (index, vectors) = Linked(seed: 8, count: 2000);
        var parts = index.SaveGraph();
        var changed = new VectorIndex(Dimension, exact: false);
        for (int slot = 0; slot < 1990; slot++)
            changed.Add(vectors[slot], slot + 1);
        for (int slot = 1990; slot < 2000; slot++)
            changed.Add(vectors[slot - 1000], slot + 1);
        Assert.True(changed.LoadGraph(parts));
        Assert.Equal(1990, changed.LinkedCount);
    }

    [Fact]
    public void A_damaged_graph_is_not_taken_over()
    {
        var (index, vectors) = Linked(seed: 9, count: 1500);
        var random = new Random(10);
        var parts = index.SaveGraph();
        for (int round = 0; round < 200; round++)
        {
            var damaged = parts.Select(part => (byte[])part.Clone()).ToList();
            int bit = random.Next(damaged[0].Length * 8);
            damaged[0][bit / 8] ^= (byte)(1 << bit % 8);
            Assert.False(Empty().LoadGraph(damaged));
        }

        // A link to a node that is not there, in a part whose checksum is right.
        var forged = (byte[])parts[0].Clone();
        BitConverter.TryWriteBytes(forged.AsSpan(^4..), 1_000_000);
        BitConverter.TryWriteBytes(forged, HnswFile.Checksum(forged));
        Assert.False(Empty().LoadGraph([forged]));
        Assert.False(Empty().LoadGraph([]));
        Assert.False(Empty().LoadGraph([parts[0][..^1]]));
        Assert.True(Empty().LoadGraph(parts));

        VectorIndex Empty() => Index(vectors, link: false);
    }

    [Fact]
    public void The_graph_depends_on_the_order_of_the_vectors_alone()
    {
        var (one, _) = Linked(seed: 11, count: 3000);
        var (other, _) = Linked(seed: 11, count: 3000);
        Assert.Equal(one.SaveGraph(), other.SaveGraph());
    }

    [Theory]
    [InlineData(nameof(VectorMeasure.Dot))]
    [InlineData(nameof(VectorMeasure.Euclidean))]
    [InlineData(nameof(VectorMeasure.Manhattan))]
    [InlineData(nameof(VectorMeasure.Hamming))]
    public void Vectors_of_unequal_lengths_are_compared_one_by_one(string name)
    {
        var measure = Enum.Parse<VectorMeasure>(name);
        var random = new Random(12);
        var vectors = Enumerable.Range(0, 2000).Select(_ => Random(random, 8, whole: true)).ToArray();
        var index = new VectorIndex(8, measure, exact: false);
        for (int i = 0; i < vectors.Length; i++)
            index.Add(vectors[i], i + 1);
        if (index.NeedsLink)
            index.Link(new ReaderWriterLockSlim());
        for (int round = 0; round < 10; round++)
        {
            var query = Random(random, 8, whole: true);
            var expected = vectors.Select(vector => Score(query, vector)).OrderDescending().Take(10);
            var found = index.Search(query, 10, null).Select(entry => (double)entry.Score).OrderDescending().Take(10);
            Assert.Equal(expected, found, (x, y) => Math.Abs(x - y) < 1e-3);
        }

        double Score(float[] x, float[] y) => measure switch
        {
            VectorMeasure.Dot => x.Zip(y, (a, b) => (double)a * b).Sum(),
            VectorMeasure.Euclidean => -x.Zip(y, (a, b) => ((double)a - b) * (a - b)).Sum(),
            VectorMeasure.Manhattan => -x.Zip(y, (a, b) => Math.Abs((double)a - b)).Sum(),
            _ => -x.Zip(y, (a, b) => a == b ? 0.0 : 1).Sum(),
        };
    }

    [Fact]
    public void Distances_of_vectors_of_equal_length_follow_from_the_graph()
    {
        var vectors = Clustered(seed: 13, count: 4000);
        var index = new VectorIndex(Dimension, VectorMeasure.Euclidean, exact: false);
        for (int i = 0; i < vectors.Length; i++)
            index.Add(vectors[i], i + 1);
        index.Link(new ReaderWriterLockSlim());
        Assert.True(Recall(index, vectors, _ => true, null) >= 0.97);
    }

    [Fact]
    public void A_scan_gives_all_that_are_equally_near()
    {
        var index = new VectorIndex(2);
        for (int i = 0; i < 20; i++)
            index.Add(i < 3 ? [1, 0] : [0.6f, 0.8f], i + 1);
        Assert.Equal(20, index.Search([1, 0], 5, null).Count);
        Assert.Equal(3, index.Search([1, 0], 3, null).Count);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(2000)]
    [InlineData(100_000)]
    public void A_set_of_slots_is_a_set(int range)
    {
        var random = new Random(range);
        var set = new SlotSet();
        var expected = new SortedSet<int>();
        for (int i = 0; i < 5000; i++)
        {
            int slot = random.Next(range);
            if (random.Next(4) > 0)
            {
                set.Add(slot);
                expected.Add(slot);
            }
            else
            {
                set.Remove(slot);
                expected.Remove(slot);
            }
        }

        Assert.Equal(expected.Count, set.Count);
        Assert.Equal(expected, set.StartingAt(0).ToArray());
        Assert.Equal(expected.Where(slot => slot >= range / 3), set.StartingAt(range / 3).ToArray());
        Assert.All(Enumerable.Range(0, range), slot => Assert.Equal(expected.Contains(slot), set.Contains(slot)));
        var even = SlotSet.Of(Enumerable.Range(0, range / 2).Select(i => 2 * i));
        var third = SlotSet.Of(Enumerable.Range(0, range / 3).Select(i => 3 * i));
        var both = SlotSet.Intersect([set, even, third]);
        Assert.Equal(expected.Where(slot => slot % 6 == 0 && slot < range / 3 * 3), both.StartingAt(0).ToArray());
        Assert.Equal(both.StartingAt(0).Length, both.Count);
    }

    [Theory]
    [InlineData(0f, 1.0)]
    [InlineData(0f, 0.1)]
    [InlineData(0f, 0.01)]
    [InlineData(5f, 1.0)]
    public void Codes_of_one_bit_find_nearly_all_that_a_scan_finds(float shift, double share)
    {
        // A shift that all vectors share leaves their signs alike, unless they are taken from the centre.
        var vectors = Array.ConvertAll(Clustered(seed: 1, count: 6000), vector => Unit(vector, shift));
        var index = new VectorIndex(Dimension, exact: false, quantization: EmbeddedQuantization.Binary);
        for (int i = 0; i < vectors.Length; i++)
            index.Add(vectors[i], i + 1);
        Assert.False(index.NeedsLink);
        var random = new Random(3);
        var accepted = Enumerable.Range(0, vectors.Length).Where(_ => random.NextDouble() < share).ToHashSet();
        double recall = Recall(index, vectors, accepted.Contains, share == 1 ? null : SlotSet.Of(accepted.Order()), shift);
        Assert.True(recall >= 0.95, $"recall {recall}");
        int gone = Found(index, vectors[17], null)[0];
        Assert.Equal(17, gone);
        index.Remove(gone);
        Assert.DoesNotContain(17, Found(index, vectors[17], null));
    }

    [Theory]
    [InlineData(30)]
    [InlineData(100)]
    [InlineData(1500)]
    public unsafe void The_distance_of_codes_of_one_bit_follows_the_angle(int dimension)
    {
        var random = new Random(dimension);
        float[] vector = Random(random, dimension), opposite = Array.ConvertAll(vector, x => -x);
        var bits = new BinaryVectors(new float[dimension]);
        bits.Set(0, vector);
        bits.Set(3, opposite);
        bits.Set(1, Array.ConvertAll(vector, x => 4 * x));
        var code = new ulong[bits.Words];
        bits.Encode(vector, code);
        fixed (ulong* words = code)
        {
            Assert.Equal(0, bits.Distance(words, 0));
            Assert.Equal(0, bits.Distance(words, 1));
            Assert.Equal(64 * bits.Words, bits.Distance(words, 3));
        }
    }

    private static (VectorIndex Index, float[][] Vectors) Linked(int seed, int count)
    {
        var vectors = Clustered(seed, count);
        return (Index(vectors), vectors);
    }

    private static VectorIndex Index(float[][] vectors, bool link = true)
    {
        var index = new VectorIndex(Dimension, exact: false);
        for (int i = 0; i < vectors.Length; i++)
            index.Add(vectors[i], i + 1);
        if (link)
            index.Link(new ReaderWriterLockSlim());
        return index;
    }

    private static double Recall(VectorIndex index, float[][] vectors, Func<int, bool> accepts, SlotSet? accepted, float shift = 0)
    {
        double sum = 0;
        var queries = Array.ConvertAll(Clustered(seed: 99, count: 50), query => Unit(query, shift));
        foreach (var query in queries)
        {
            var expected = Scan(vectors, query, accepts);
            var found = Found(index, query, accepted);
            Assert.Equal(expected.Count, found.Count);
            Assert.All(found, slot => Assert.True(accepts(slot)));
            sum += (double)found.Intersect(expected).Count() / expected.Count;
        }

        return sum / queries.Length;
    }

    private static List<int> Found(VectorIndex index, float[] query, SlotSet? accepted)
        => [.. index.Search(query, 10, accepted).OrderByDescending(entry => entry.Score).Take(10).Select(entry => entry.Slot)];

    private static List<int> Scan(float[][] vectors, float[] query, Func<int, bool> accepts)
        => [.. Enumerable.Range(0, vectors.Length).Where(accepts)
            .OrderByDescending(slot => TensorPrimitives.Dot<float>(query, vectors[slot])).Take(10)];

    private static float[][] Clustered(int seed, int count)
    {
        // The centres are the same for all seeds.
        var random = new Random(0);
        var centres = Enumerable.Range(0, 40).Select(_ => Random(random, Dimension)).ToArray();
        random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            var vector = Random(random, Dimension);
            TensorPrimitives.Add(vector, centres[random.Next(centres.Length)], vector);
            return VectorMath.Normalize(vector);
        })];
    }

    private static float[] Unit(float[] vector, float shift)
    {
        vector[0] += shift;
        return VectorMath.Normalize(vector);
    }

    private static float[] Random(Random random, int dimension, bool whole = false)
        => [.. Enumerable.Range(0, dimension).Select(_ => whole ? random.Next(-3, 4) : (float)(random.NextDouble() * 2 - 1))];
}
