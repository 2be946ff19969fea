using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// Sixteen rows of blocks of 32 elements straight into a panel, with 512-bit vectors: what generating one token after another spends its
/// time on. Gives what <see cref="BlockUnpacker"/> and a transposition give, to the bit.
/// </summary>
internal static unsafe class PanelPacker
{
    public const int Rows = 16;

    /// <summary>Whether there is a fast way for a format on this machine.</summary>
    public static bool Knows(DataType format)
        => Avx512F.IsSupported && format is (DataType.Q4_0 or DataType.Q4_1 or DataType.Q5_0 or DataType.Q5_1 or DataType.Q8_0);

    /// <summary>Packs a part of sixteen rows.</summary>
    /// <param name="format">The format.</param>
    /// <param name="rows">The addresses of the rows' first blocks.</param>
    /// <param name="blocks">The blocks of each row.</param>
    /// <param name="panel">Receives 512 bytes a block: four neighbours of each row after another.</param>
    /// <param name="scales">Receives a scale a block and row.</param>
    /// <param name="minimums">Receives a minimum a block and row.</param>
    /// <param name="ahead">How far behind each row's first byte that lies which will be wanted next.</param>
    public static void Run(DataType format, byte** rows, int blocks, byte* panel, float* scales, float* minimums, long ahead)
    {
        int blockBytes = format.BlockBytes();
        switch (format)
        {
            case DataType.Q4_0:
                Heads(rows, blocks, blockBytes, ahead, scales, minimums, -8);
                Nibbles(rows, blocks, blockBytes, 2, -1, panel);
                break;
            case DataType.Q5_0:
                Heads(rows, blocks, blockBytes, ahead, scales, minimums, -16);
                Nibbles(rows, blocks, blockBytes, 6, 2, panel);
                break;
            case DataType.Q4_1:
                Heads(rows, blocks, blockBytes, ahead, scales, minimums);
                Nibbles(rows, blocks, blockBytes, 4, -1, panel);
                break;
            case DataType.Q5_1:
                Heads(rows, blocks, blockBytes, ahead, scales, minimums);
                Nibbles(rows, blocks, blockBytes, 8, 4, panel);
                break;
            default:
                Heads(rows, blocks, blockBytes, ahead, scales, minimums, -128);
                Bytes(rows, blocks, blockBytes, panel);
                break;
        }
    }

    // Scales alone; minimum = scale · offset.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Heads(byte** rows, int blocks, int blockBytes, long ahead, float* scales, float* minimums, float offset)
    {
        for (int row = 0; row < Rows; row++)
        {
            byte* source = rows[row];
            for (int block = 0; block < blocks; block++, source += blockBytes)
            {
                Sse.Prefetch0(source + ahead);
                ((uint*)scales)[block * Rows + row] = *(ushort*)source;
            }
        }

        for (int i = 0; i < blocks * Rows; i += Rows)
        {
            var scale = Simd512.FromHalves(Vector512.Load(scales + i), upper: false);
            scale.Store(scales + i);
            (scale * Vector512.Create(offset)).Store(minimums + i);
        }
    }

    // Scales and minimums side by side.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Heads(byte** rows, int blocks, int blockBytes, long ahead, float* scales, float* minimums)
    {
        for (int row = 0; row < Rows; row++)
        {
            byte* source = rows[row];
            for (int block = 0; block < blocks; block++, source += blockBytes)
            {
                Sse.Prefetch0(source + ahead);
                ((uint*)scales)[block * Rows + row] = *(uint*)source;
            }
        }

        for (int i = 0; i < blocks * Rows; i += Rows)
        {
            var both = Vector512.Load(scales + i);
            Simd512.FromHalves(both, upper: false).Store(scales + i);
            Simd512.FromHalves(both, upper: true).Store(minimums + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Nibbles(byte** rows, int blocks, int blockBytes, int quants, int fifthBits, byte* panel)
    {
        var low = Vector512.Create((byte)15).AsUInt32();
        uint* gathered = stackalloc uint[Rows];
        for (int block = 0; block < blocks; block++, panel += 512)
        {
            long at = (long)block * blockBytes;
            Words(rows, at + quants, out var w0, out var w1, out var w2, out var w3);
            var q0 = w0 & low;
            var q1 = w1 & low;
            var q2 = w2 & low;
            var q3 = w3 & low;
            var q4 = (w0 >>> 4) & low;
            var q5 = (w1 >>> 4) & low;
            var q6 = (w2 >>> 4) & low;
            var q7 = (w3 >>> 4) & low;
            if (fifthBits >= 0)
            {
                // Bits 4 i … 4 i + 3 belong to word i.
                for (int row = 0; row < Rows; row++)
                    gathered[row] = Unsafe.ReadUnaligned<uint>(rows[row] + at + fifthBits);
                var bits = Vector512.Load(gathered);
                q0 |= Fifth(bits);
                q1 |= Fifth(bits >>> 4);
                q2 |= Fifth(bits >>> 8);
                q3 |= Fifth(bits >>> 12);
                q4 |= Fifth(bits >>> 16);
                q5 |= Fifth(bits >>> 20);
                q6 |= Fifth(bits >>> 24);
                q7 |= Fifth(bits >>> 28);
            }

            q0.AsByte().Store(panel);
            q1.AsByte().Store(panel + 64);
            q2.AsByte().Store(panel + 128);
            q3.AsByte().Store(panel + 192);
            q4.AsByte().Store(panel + 256);
            q5.AsByte().Store(panel + 320);
            q6.AsByte().Store(panel + 384);
            q7.AsByte().Store(panel + 448);
        }
    }

    // Bits 0 to 3 of a word become 16 in bytes 0 to 3.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Fifth(Vector512<uint> bits)
        => ((bits & Vector512.Create(1u)) << 4) | ((bits & Vector512.Create(2u)) << 11) | ((bits & Vector512.Create(4u)) << 18)
            | ((bits & Vector512.Create(8u)) << 25);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Bytes(byte** rows, int blocks, int blockBytes, byte* panel)
    {
        var sign = Vector512.Create((byte)0x80).AsUInt32();
        for (int block = 0; block < blocks; block++)
            for (int half = 0; half < 2; half++, panel += 256)
            {
                Words(rows, (long)block * blockBytes + 2 + half * 16, out var w0, out var w1, out var w2, out var w3);
                (w0 ^ sign).AsByte().Store(panel);
                (w1 ^ sign).AsByte().Store(panel + 64);
                (w2 ^ sign).AsByte().Store(panel + 128);
                (w3 ^ sign).AsByte().Store(panel + 192);
            }
    }

    // Sixteen bytes of each row: word i of all rows in w_i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Words(
        byte** rows, long at, out Vector512<uint> w0, out Vector512<uint> w1, out Vector512<uint> w2, out Vector512<uint> w3)
    {
        var a = Four(rows, at);
        var b = Four(rows + 4, at);
        var c = Four(rows + 8, at);
        var d = Four(rows + 12, at);
        var first = Vector512.Create(0u, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
        var second = Vector512.Create(2u, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
        var ab = Avx512F.PermuteVar16x32x2(a, first, b);
        var cd = Avx512F.PermuteVar16x32x2(c, first, d);
        w0 = Avx512F.Shuffle4x128(ab, cd, 0x44);
        w1 = Avx512F.Shuffle4x128(ab, cd, 0xee);
        ab = Avx512F.PermuteVar16x32x2(a, second, b);
        cd = Avx512F.PermuteVar16x32x2(c, second, d);
        w2 = Avx512F.Shuffle4x128(ab, cd, 0x44);
        w3 = Avx512F.Shuffle4x128(ab, cd, 0xee);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Four(byte** rows, long at)
        => Vector512.Create(
            Vector256.Create(Vector128.Load(rows[0] + at), Vector128.Load(rows[1] + at)),
            Vector256.Create(Vector128.Load(rows[2] + at), Vector128.Load(rows[3] + at))).AsUInt32();
}

/// <summary>
/// Raises parts of stored rows to float32 with vectors; the same numbers as <see cref="Dequantizer"/>, up to the last bit of formats with a
/// minimum.
/// </summary>
internal static unsafe class StoredRows<S, V>
    where S : struct, ISimd<V>
    where V : struct
{
    private const int SmallestGroup = 16;

    /// <summary>The scratch that <see cref="Read"/> needs for this many elements, in floats.</summary>
    public static int Scratch(int elements) => elements / sizeof(float) + 2 * (elements / SmallestGroup) + S.Count;

    /// <summary>One element of a row of float16 or bfloat16.</summary>
    public static float Element(DataType format, byte* row, int index)
        => format == DataType.BFloat16
            ? BitConverter.UInt32BitsToSingle((uint)*(ushort*)(row + 2 * index) << 16)
            : BlockUnpacker.Half(row + 2 * index);

    /// <summary>Raises the elements first, first + 1, … of a row; of quantised formats both numbers are whole blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Read(DataType format, byte* row, int first, int count, float* target, float* scratch)
    {
        if (!format.IsQuantized())
        {
            byte* source = row + (long)first * format.BlockBytes();
            if (format == DataType.Float32)
                new ReadOnlySpan<byte>(source, count * sizeof(float)).CopyTo(new Span<byte>(target, count * sizeof(float)));
            else
                for (int i = 0; i < count; i++)
                    target[i] = Element(format, source, i);
            return;
        }

        int group = BlockUnpacker.GroupSize(format), groups = count / group;
        float* minimums = scratch + groups;
        byte* quants = (byte*)(minimums + groups);
        BlockUnpacker.Run(format, row + format.Bytes(first), count, quants, scratch, minimums, 1);
        for (int g = 0; g < groups; g++)
        {
            V scale = S.Create(scratch[g]), minimum = S.Create(minimums[g]);
            for (int i = g * group; i < (g + 1) * group; i += S.Count)
                S.Store(S.Fma(S.FromBytes(quants + i), scale, minimum), target + i);
        }
    }
}
