using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// The order in which examples are drawn: each comes once an epoch, shuffled by seed and epoch alone, so that any draw can be repeated.
/// </summary>
/// <param name="count">The examples.</param>
/// <param name="seed">The run's seed.</param>
internal sealed class ExampleOrder(int count, ulong seed)
{
    private const ulong Purpose = 0x4558414D504C4553;
    private readonly int[] _order = new int[count];
    private long _epoch = -1;

    /// <summary>The example of a draw.</summary>
    /// <param name="draw">The draw since the run began, from 0.</param>
    public int this[long draw]
    {
        get
        {
            long epoch = draw / count;
            if (epoch != _epoch)
                Shuffle(epoch);
            return _order[draw % count];
        }
    }

    private void Shuffle(long epoch)
    {
        for (int i = 0; i < count; i++)
            _order[i] = i;
        for (int i = count - 1; i > 0; i--)
        {
            int other = (int)Math.BigMul(CounterRandom.Key(seed ^ Purpose, (ulong)epoch, (ulong)i), (ulong)(i + 1), out _);
            (_order[i], _order[other]) = (_order[other], _order[i]);
        }

        _epoch = epoch;
    }
}

/// <summary>A hash of what a run is trained on.</summary>
internal struct DataHash
{
    private ulong _hash;

    /// <summary>The hash so far.</summary>
    public readonly ulong Value => _hash;

    /// <summary>Takes in numbers.</summary>
    public void Add(ReadOnlySpan<int> values)
        => _hash = CounterRandom.Key(_hash, (ulong)values.Length, Fnv(MemoryMarshal.AsBytes(values)));

    /// <summary>Takes in a text.</summary>
    public void Add(string text) => _hash = CounterRandom.Key(_hash, (ulong)text.Length, Fnv(MemoryMarshal.AsBytes(text.AsSpan())));

    private static ulong Fnv(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in bytes)
            hash = (hash ^ b) * 1099511628211;
        return hash;
    }
}
