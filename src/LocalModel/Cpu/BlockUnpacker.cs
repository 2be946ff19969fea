using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// Takes quantised rows apart: element = quant · scale + minimum, where quants are unsigned bytes and every <see cref="GroupSize"/>
/// elements share scale and minimum. Signed formats get the minimum −offset · scale. One fused multiply-add then gives the bits of
/// <see cref="Dequantizer"/>, or the nearest beside them.
/// </summary>
internal static unsafe class BlockUnpacker
{
    private static ReadOnlySpan<byte> UnevenSteps => [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];

    private static ReadOnlySpan<byte> Float4Steps => [12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0];

    /// <summary>The elements that share a scale.</summary>
    public static int GroupSize(DataType type) => type is DataType.Q2_K or DataType.Q3_K or DataType.Q6_K ? 16 : 32;

    /// <summary>Unpacks a part of a row.</summary>
    /// <param name="type">The format.</param>
    /// <param name="source">Whole blocks.</param>
    /// <param name="elements">Their elements.</param>
    /// <param name="quants">Receives as many bytes.</param>
    /// <param name="scales">Receives a scale a group, <paramref name="stride"/> apart.</param>
    /// <param name="minimums">Receives a minimum a group, as far apart.</param>
    /// <param name="stride">The distance of the scales of two groups.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(DataType type, byte* source, int elements, byte* quants, float* scales, float* minimums, int stride)
    {
        int blockElements = type.BlockElements(), blockBytes = type.BlockBytes(), groups = blockElements / GroupSize(type);
        for (int done = 0; done < elements; done += blockElements)
        {
            switch (type)
            {
                case DataType.Q4_0:
                    Nibbles(source + 2, quants);
                    Set(scales, minimums, Half(source), -8);
                    break;
                case DataType.Q4_1:
                    Nibbles(source + 4, quants);
                    *scales = Half(source);
                    *minimums = Half(source + 2);
                    break;
                case DataType.Q5_0:
                    Nibbles(source + 6, quants);
                    AddFifthBits(source + 2, quants);
                    Set(scales, minimums, Half(source), -16);
                    break;
                case DataType.Q5_1:
                    Nibbles(source + 8, quants);
                    AddFifthBits(source + 4, quants);
                    *scales = Half(source);
                    *minimums = Half(source + 2);
                    break;
                case DataType.Q8_0:
                    (Vector256.Load(source + 2) ^ Vector256.Create((byte)0x80)).Store(quants);
                    Set(scales, minimums, Half(source), -128);
                    break;
                case DataType.Q2_K:
                    Q2(source, quants, scales, minimums, stride);
                    break;
                case DataType.Q3_K:
                    Q3(source, quants, scales, minimums, stride);
                    break;
                case DataType.Q4_K:
                case DataType.Q5_K:
                    Q4Or5(type, source, quants, scales, minimums, stride);
                    break;
                case DataType.Q6_K:
                    Q6(source, quants, scales, minimums, stride);
                    break;
                case DataType.IQ4_NL:
                    LookUp(source + 2, UnevenSteps, quants);
                    Set(scales, minimums, Half(source), -128);
                    break;
                case DataType.IQ4_XS:
                    Iq4(source, quants, scales, minimums, stride);
                    break;
                case DataType.MXFP4:
                    LookUp(source + 1, Float4Steps, quants);
                    Set(scales, minimums, MathF.ScaleB(1, source[0] - 128), -12);
                    break;
                case DataType.TQ1_0:
                case DataType.TQ2_0:
                    Ternary(type, source, quants, scales, minimums, stride);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(type), type, "This format has no blocks.");
            }

            source += blockBytes;
            quants += blockElements;
            scales += groups * stride;
            minimums += groups * stride;
        }
    }

    /// <summary>A stored half as a single, exact; also of subnormal halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(byte* address)
    {
        uint bits = Unsafe.ReadUnaligned<ushort>(address);
        if (!BitConverter.IsLittleEndian)
            bits = BinaryPrimitives.ReverseEndianness((ushort)bits);
        uint magnitude = bits & 0x7fff;
        float value = magnitude >= 0x7c00
            ? BitConverter.UInt32BitsToSingle((magnitude << 13) | 0x7f800000)
            : BitConverter.UInt32BitsToSingle(magnitude << 13) * 5.192296858534828e33f; // 2^112
        return BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) | ((bits & 0x8000) << 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Set(float* scale, float* minimum, float value, float offset)
    {
        *scale = value;
        *minimum = value * offset;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Nibbles(byte* packed, byte* quants)
    {
        var both = Vector128.Load(packed);
        (both & Vector128.Create((byte)15)).Store(quants);
        ((both.AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)15)).Store(quants + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LookUp(byte* packed, ReadOnlySpan<byte> steps, byte* quants)
    {
        var both = Vector128.Load(packed);
        var table = Vector128.Create(steps);
        Vector128.Shuffle(table, both & Vector128.Create((byte)15)).Store(quants);
        Vector128.Shuffle(table, (both.AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)15)).Store(quants + 16);
    }

    // Bit j of 32 becomes 16 in byte j.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddFifthBits(byte* bits, byte* quants)
    {
        var spread = Vector128.CreateScalar(Unsafe.ReadUnaligned<uint>(bits)).AsByte();
        var one = Vector128.Create((byte)1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        var low = Vector128.Shuffle(spread, Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        var high = Vector128.Shuffle(spread, Vector128.Create((byte)2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
        var sixteen = Vector128.Create((byte)16);
        (Vector128.Load(quants) | (Vector128.Equals(low & one, one) & sixteen)).Store(quants);
        (Vector128.Load(quants + 16) | (Vector128.Equals(high & one, one) & sixteen)).Store(quants + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Bits(Vector256<byte> packed, int shift, byte mask)
        => (packed.AsUInt16() >>> shift).AsByte() & Vector256.Create(mask);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Q2(byte* b, byte* quants, float* scales, float* minimums, int stride)
    {
        float d = Half(b + 80), minimum = Half(b + 82);
        for (int i = 0; i < 16; i++)
        {
            scales[i * stride] = d * (b[i] & 15);
            minimums[i * stride] = -(minimum * (b[i] >> 4));
        }

        for (int half = 0; half < 2; half++)
        {
            var packed = Vector256.Load(b + 16 + half * 32);
            for (int layer = 0; layer < 4; layer++)
                Bits(packed, 2 * layer, 3).Store(quants + half * 128 + layer * 32);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Q3(byte* b, byte* quants, float* scales, float* minimums, int stride)
    {
        float d = Half(b + 108);
        var packedScales = new ReadOnlySpan<byte>(b + 96, 12);
        for (int i = 0; i < 16; i++)
            Set(scales + i * stride, minimums + i * stride, d * Dequantizer.SixBitScale(packedScales, i), -4);
        var high = Vector256.Load(b);
        for (int half = 0; half < 2; half++)
        {
            var packed = Vector256.Load(b + 32 + half * 32);
            for (int layer = 0; layer < 4; layer++)
            {
                var third = Bits(high, half * 4 + layer, 1);
                (Bits(packed, 2 * layer, 3) + third + third + third + third).Store(quants + half * 128 + layer * 32);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Q4Or5(DataType type, byte* b, byte* quants, float* scales, float* minimums, int stride)
    {
        float d = Half(b), minimum = Half(b + 2);
        var packedScales = new ReadOnlySpan<byte>(b + 4, 12);
        byte* packed = b + (type == DataType.Q4_K ? 16 : 48);
        for (int i = 0; i < 8; i++)
        {
            var (scale, least) = Dequantizer.SixBitPair(packedScales, i);
            scales[i * stride] = d * scale;
            minimums[i * stride] = -(minimum * least);
            var q = Bits(Vector256.Load(packed + i / 2 * 32), 4 * (i % 2), 15);
            if (type == DataType.Q5_K)
                q |= (Bits(Vector256.Load(b + 16), i, 1).AsUInt16() << 4).AsByte();
            q.Store(quants + i * 32);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Q6(byte* b, byte* quants, float* scales, float* minimums, int stride)
    {
        float d = Half(b + 208);
        for (int i = 0; i < 16; i++)
            Set(scales + i * stride, minimums + i * stride, d * (sbyte)b[192 + i], -32);
        for (int half = 0; half < 2; half++)
            for (int layer = 0; layer < 4; layer++)
            {
                var low = Bits(Vector256.Load(b + half * 64 + layer % 2 * 32), 4 * (layer / 2), 15);
                var high = Bits(Vector256.Load(b + 128 + half * 32), 2 * layer, 3);
                (low | (high.AsUInt16() << 4).AsByte()).Store(quants + half * 128 + layer * 32);
            }
    }

    private static void Iq4(byte* b, byte* quants, float* scales, float* minimums, int stride)
    {
        float d = Half(b);
        int high = b[2] | (b[3] << 8);
        for (int i = 0; i < 8; i++)
        {
            int scale = ((b[4 + i / 2] >> (4 * (i % 2))) & 15) | (((high >> (2 * i)) & 3) << 4);
            Set(scales + i * stride, minimums + i * stride, d * (scale - 32), -128);
            LookUp(b + 8 + i * 16, UnevenSteps, quants + i * 32);
        }
    }

    private static void Ternary(DataType type, byte* b, byte* quants, float* scales, float* minimums, int stride)
    {
        float d = Half(b + (type == DataType.TQ1_0 ? 52 : 64));
        for (int i = 0; i < 8; i++)
            Set(scales + i * stride, minimums + i * stride, d, -1);
        if (type == DataType.TQ2_0)
        {
            for (int i = 0; i < 256; i++)
                quants[i] = (byte)((b[i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4))) & 3);
            return;
        }

        foreach (var (first, count, digits) in (ReadOnlySpan<(int, int, int)>)[(0, 32, 5), (32, 16, 5), (48, 4, 4)])
            for (int digit = 0, power = 1; digit < digits; digit++, power *= 3)
                for (int j = 0; j < count; j++)
                    *quants++ = (byte)(unchecked((byte)(b[first + j] * power)) * 3 >> 8);
    }
}
