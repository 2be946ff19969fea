using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>Raises stored elements to float32: the plain definition of every format, which faster kernels are held against.</summary>
/// <remarks>Source of the layouts: ggml, <c>dequantize_row_*</c> in <c>ggml-quants.c</c>.</remarks>
internal static class Dequantizer
{
    private static ReadOnlySpan<sbyte> UnevenSteps => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    // Of 4-bit floating-point numbers, doubled.
    private static ReadOnlySpan<sbyte> Float4Steps => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    private static ReadOnlySpan<byte> PowersOfThree => [1, 3, 9, 27, 81];

    /// <summary>Raises whole blocks.</summary>
    /// <param name="type">The format.</param>
    /// <param name="source">The blocks.</param>
    /// <param name="target">Receives exactly their elements.</param>
    public static void Run(DataType type, ReadOnlySpan<byte> source, Span<float> target)
    {
        switch (type)
        {
            case DataType.Float32 when BitConverter.IsLittleEndian:
                source[..(target.Length * sizeof(float))].CopyTo(MemoryMarshal.AsBytes(target));
                return;
            case DataType.Float32:
                for (int i = 0; i < target.Length; i++)
                    target[i] = BinaryPrimitives.ReadSingleLittleEndian(source[(4 * i)..]);
                return;
            case DataType.Float16:
                for (int i = 0; i < target.Length; i++)
                    target[i] = Half(source, 2 * i);
                return;
            case DataType.BFloat16:
                for (int i = 0; i < target.Length; i++)
                    target[i] = BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(source[(2 * i)..]) << 16);
                return;
            case DataType.Float64:
                for (int i = 0; i < target.Length; i++)
                    target[i] = (float)BinaryPrimitives.ReadDoubleLittleEndian(source[(8 * i)..]);
                return;
            case DataType.Int8:
                for (int i = 0; i < target.Length; i++)
                    target[i] = (sbyte)source[i];
                return;
            case DataType.Int16:
                for (int i = 0; i < target.Length; i++)
                    target[i] = BinaryPrimitives.ReadInt16LittleEndian(source[(2 * i)..]);
                return;
            case DataType.Int32:
                for (int i = 0; i < target.Length; i++)
                    target[i] = BinaryPrimitives.ReadInt32LittleEndian(source[(4 * i)..]);
                return;
            case DataType.Int64:
                for (int i = 0; i < target.Length; i++)
                    target[i] = BinaryPrimitives.ReadInt64LittleEndian(source[(8 * i)..]);
                return;
        }

        int elements = type.BlockElements(), bytes = type.BlockBytes();
        for (int block = 0; block < target.Length / elements; block++)
            Block(type, source.Slice(block * bytes, bytes), target.Slice(block * elements, elements));
    }

    /// <summary>The sub-scale and sub-minimum of 32 elements of a Q4_K or Q5_K block, 6 bits each.</summary>
    public static (int Scale, int Minimum) SixBitPair(ReadOnlySpan<byte> packed, int index) => index < 4
        ? (packed[index] & 63, packed[index + 4] & 63)
        : ((packed[index + 4] & 15) | (packed[index - 4] >> 6 << 4), (packed[index + 4] >> 4) | (packed[index] >> 6 << 4));

    /// <summary>The sub-scale of 16 elements of a Q3_K block: 6 bits, less 32.</summary>
    public static int SixBitScale(ReadOnlySpan<byte> packed, int index)
    {
        int low = index < 8 ? packed[index] & 15 : packed[index - 8] >> 4;
        int high = (packed[8 + index % 4] >> (2 * (index / 4))) & 3;
        return (low | (high << 4)) - 32;
    }

    private static float Half(ReadOnlySpan<byte> source, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(source[at..]);

    private static void Block(DataType type, ReadOnlySpan<byte> b, Span<float> y)
    {
        switch (type)
        {
            case DataType.Q4_0:
                {
                    float d = Half(b, 0);
                    for (int j = 0; j < 16; j++)
                    {
                        y[j] = ((b[2 + j] & 15) - 8) * d;
                        y[j + 16] = ((b[2 + j] >> 4) - 8) * d;
                    }

                    return;
                }

            case DataType.Q4_1:
                {
                    float d = Half(b, 0), m = Half(b, 2);
                    for (int j = 0; j < 16; j++)
                    {
                        y[j] = (b[4 + j] & 15) * d + m;
                        y[j + 16] = (b[4 + j] >> 4) * d + m;
                    }

                    return;
                }

            case DataType.Q5_0:
                {
                    float d = Half(b, 0);
                    uint high = BinaryPrimitives.ReadUInt32LittleEndian(b[2..]);
                    for (int j = 0; j < 16; j++)
                    {
                        y[j] = ((b[6 + j] & 15) + (int)((high >> j) & 1) * 16 - 16) * d;
                        y[j + 16] = ((b[6 + j] >> 4) + (int)((high >> (j + 16)) & 1) * 16 - 16) * d;
                    }

                    return;
                }

            case DataType.Q5_1:
                {
                    float d = Half(b, 0), m = Half(b, 2);
                    uint high = BinaryPrimitives.ReadUInt32LittleEndian(b[4..]);
                    for (int j = 0; j < 16; j++)
                    {
                        y[j] = ((b[8 + j] & 15) + (int)((high >> j) & 1) * 16) * d + m;
                        y[j + 16] = ((b[8 + j] >> 4) + (int)((high >> (j + 16)) & 1) * 16) * d + m;
                    }

                    return;
                }

            case DataType.Q8_0:
                {
                    float d = Half(b, 0);
                    for (int j = 0; j < 32; j++)
                        y[j] = (sbyte)b[2 + j] * d;
                    return;
                }

            case DataType.Q2_K:
                {
                    float d = Half(b, 80), minimum = Half(b, 82);
                    for (int i = 0; i < 256; i++)
                    {
                        // 128 elements in 32 bytes: four layers of 2 bits.
                        int half = i / 128, layer = i / 32 % 4, scale = b[i / 16];
                        y[i] = d * (scale & 15) * ((b[16 + half * 32 + i % 32] >> (2 * layer)) & 3) - minimum * (scale >> 4);
                    }

                    return;
                }

            case DataType.Q3_K:
                {
                    float d = Half(b, 108);
                    for (int i = 0; i < 256; i++)
                    {
                        int half = i / 128, layer = i / 32 % 4;
                        int q = ((b[32 + half * 32 + i % 32] >> (2 * layer)) & 3) + ((b[i % 32] >> (i / 32)) & 1) * 4 - 4;
                        y[i] = d * SixBitScale(b[96..], i / 16) * q;
                    }

                    return;
                }

            case DataType.Q4_K:
            case DataType.Q5_K:
                {
                    float d = Half(b, 0), minimum = Half(b, 2);
                    int quants = type == DataType.Q4_K ? 16 : 48;
                    for (int i = 0; i < 8; i++)
                    {
                        var (scale, least) = SixBitPair(b[4..], i);
                        float step = d * scale, start = minimum * least;
                        for (int j = 0; j < 32; j++)
                        {
                            int q = (b[quants + i / 2 * 32 + j] >> (4 * (i % 2))) & 15;
                            if (type == DataType.Q5_K)
                                q += ((b[16 + j] >> i) & 1) * 16;
                            y[i * 32 + j] = step * q - start;
                        }
                    }

                    return;
                }

            case DataType.Q6_K:
                {
                    float d = Half(b, 208);
                    for (int i = 0; i < 256; i++)
                    {
                        int half = i / 128, layer = i / 32 % 4, j = i % 32;
                        int low = (b[half * 64 + layer % 2 * 32 + j] >> (4 * (layer / 2))) & 15;
                        int high = (b[128 + half * 32 + j] >> (2 * layer)) & 3;
                        y[i] = d * (sbyte)b[192 + i / 16] * ((low | (high << 4)) - 32);
                    }

                    return;
                }

            case DataType.IQ4_NL:
                {
                    float d = Half(b, 0);
                    for (int j = 0; j < 16; j++)
                    {
                        y[j] = UnevenSteps[b[2 + j] & 15] * d;
                        y[j + 16] = UnevenSteps[b[2 + j] >> 4] * d;
                    }

                    return;
                }

            case DataType.IQ4_XS:
                {
                    float d = Half(b, 0);
                    int high = BinaryPrimitives.ReadUInt16LittleEndian(b[2..]);
                    for (int i = 0; i < 8; i++)
                    {
                        int scale = ((b[4 + i / 2] >> (4 * (i % 2))) & 15) | (((high >> (2 * i)) & 3) << 4);
                        float step = d * (scale - 32);
                        for (int j = 0; j < 16; j++)
                        {
                            y[i * 32 + j] = step * UnevenSteps[b[8 + i * 16 + j] & 15];
                            y[i * 32 + j + 16] = step * UnevenSteps[b[8 + i * 16 + j] >> 4];
                        }
                    }

                    return;
                }

            case DataType.TQ1_0:
                {
                    // Five digits of base three to a byte: 32 bytes, 16 bytes, then 4 bytes of four digits.
                    float d = Half(b, 52);
                    int next = 0;
                    foreach (var (first, count, digits) in (ReadOnlySpan<(int, int, int)>)[(0, 32, 5), (32, 16, 5), (48, 4, 4)])
                        for (int digit = 0; digit < digits; digit++)
                            for (int j = 0; j < count; j++)
                            {
                                byte shifted = unchecked((byte)(b[first + j] * PowersOfThree[digit]));
                                y[next++] = ((shifted * 3 >> 8) - 1) * d;
                            }

                    return;
                }

            case DataType.TQ2_0:
                {
                    float d = Half(b, 64);
                    for (int i = 0; i < 256; i++)
                        y[i] = (((b[i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4))) & 3) - 1) * d;
                    return;
                }

            case DataType.MXFP4:
                {
                    float d = MathF.ScaleB(1, b[0] - 128);
                    for (int j = 0; j < 16; j++)
                    {
                        y[j] = Float4Steps[b[1 + j] & 15] * d;
                        y[j + 16] = Float4Steps[b[1 + j] >> 4] * d;
                    }

                    return;
                }

            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "This format has no blocks.");
        }
    }
}
