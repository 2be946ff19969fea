using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>Raises parts of stored rows to float32 with vectors; the same numbers as <see cref="Dequantizer"/>, up to the last bit of formats with a minimum.</summary>
internal static unsafe class StoredRows<S, V>
    where S : struct, ISimd<V>
    where V : struct
{
    private const int SmallestGroup = 16;

    /// <summary>The scratch that <see cref="Read"/> needs for so many elements, in floats.</summary>
    public static int Scratch(int elements) => elements / sizeof(float) + 2 * (elements / SmallestGroup) + S.Count;

    /// <summary>One element of a row of float16 or bfloat16.</summary>
    public static float Element(DataType format, byte* row, int index)
        => format == DataType.BFloat16 ? BitConverter.UInt32BitsToSingle((uint)*(ushort*)(row + 2 * index) << 16) : BlockUnpacker.Half(row + 2 * index);

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
