using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// Vectors as one bit a dimension: on which side of the centre they lie along each axis, after a rotation at random that makes all axes
/// count alike (random signs and Hadamard transforms; Ailon and Chazelle 2009). The number of bits that differ orders vectors well enough
/// to find candidates whose scores are then computed from the full vectors.
/// </summary>
internal sealed unsafe class BinaryVectors
{
    private const int BitsOfWord = 64;
    private const int Rounds = 2;
    private const int MaxOnStack = 1024;

    private readonly float[] _centre;
    private readonly float[][] _signs;
    private readonly PagedRows<ulong> _rows;
    private readonly int _bits;

    /// <summary>Creates an empty set of vectors.</summary>
    /// <param name="centre">About the mean of the vectors, as wide as they are.</param>
    public BinaryVectors(float[] centre)
    {
        _centre = centre;
        _bits = Math.Max(BitsOfWord, (int)BitOperations.RoundUpToPowerOf2((uint)centre.Length));
        _rows = new PagedRows<ulong>(_bits / BitsOfWord);
        var random = new Random(0);
        _signs = [.. Enumerable.Range(0, Rounds)
            .Select(_ => Enumerable.Range(0, _bits).Select(_ => random.Next(2) == 0 ? 1f : -1f).ToArray())];
    }

    /// <summary>The words of a code.</summary>
    public int Words => _rows.Width;

    public void Set(int row, ReadOnlySpan<float> vector)
    {
        _rows.Reserve(row + 1);
        Encode(vector, _rows.Row(row));
    }

    /// <summary>Writes a vector's code.</summary>
    public void Encode(ReadOnlySpan<float> vector, Span<ulong> code)
    {
        Span<float> rotated = _bits <= MaxOnStack ? stackalloc float[_bits] : new float[_bits];
        rotated.Clear();
        TensorPrimitives.Subtract(vector, _centre, rotated);
        foreach (var signs in _signs)
        {
            TensorPrimitives.Multiply(rotated, signs, rotated);
            Hadamard(rotated);
        }

        code.Clear();
        for (int i = 0; i < rotated.Length; i++)
            if (rotated[i] > 0)
                code[i / BitsOfWord] |= 1UL << i;
    }

    /// <summary>How many bits of a row differ from a code's (the Hamming distance).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Distance(ulong* code, int row)
    {
        ulong* other = _rows.At(row);
        int differing = 0;
        for (int i = 0; i < _rows.Width; i++)
            differing += BitOperations.PopCount(code[i] ^ other[i]);
        return differing;
    }

    // Without a factor: only signs are taken of what comes of it.
    private static void Hadamard(Span<float> x)
    {
        for (int half = 1; half < x.Length; half *= 2)
            for (int start = 0; start < x.Length; start += 2 * half)
                for (int i = start; i < start + half; i++)
                    (x[i], x[i + half]) = (x[i] + x[i + half], x[i] - x[i + half]);
    }
}
