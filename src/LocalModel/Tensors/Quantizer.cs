using System.Buffers.Binary;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>Writes elements of single precision in a stored format; byte for byte what the reference package does.</summary>
/// <remarks>Source: the Python package gguf, <c>quants.py</c> (and ggml, <c>quantize_row_*_ref</c>).</remarks>
internal static class Quantizer
{
    /// <summary>The formats that can be written.</summary>
    public static readonly DataType[] Formats =
        [DataType.Float32, DataType.Float16, DataType.BFloat16, DataType.Q8_0, DataType.Q4_0, DataType.Q4_1, DataType.Q5_0, DataType.Q5_1];

    /// <summary>Writes whole blocks.</summary>
    /// <param name="type">The format.</param>
    /// <param name="source">The elements.</param>
    /// <param name="target">Receives exactly their blocks.</param>
    /// <exception cref="ArgumentOutOfRangeException">The format cannot be written.</exception>
    public static void Run(DataType type, ReadOnlySpan<float> source, Span<byte> target)
    {
        switch (type)
        {
            case DataType.Float32:
                for (int i = 0; i < source.Length; i++)
                    BinaryPrimitives.WriteSingleLittleEndian(target[(4 * i)..], source[i]);
                return;
            case DataType.Float16:
                for (int i = 0; i < source.Length; i++)
                    BinaryPrimitives.WriteHalfLittleEndian(target[(2 * i)..], (Half)source[i]);
                return;
            case DataType.BFloat16:
                for (int i = 0; i < source.Length; i++)
                    BinaryPrimitives.WriteUInt16LittleEndian(target[(2 * i)..], BFloat(source[i]));
                return;
        }

        int elements = type.BlockElements(), bytes = type.BlockBytes();
        for (int block = 0; block < source.Length / elements; block++)
        {
            var x = source.Slice(block * elements, elements);
            var b = target.Slice(block * bytes, bytes);
            switch (type)
            {
                case DataType.Q8_0:
                    Eight(x, b);
                    break;
                case DataType.Q4_0:
                    Signed(x, b, 8, 2);
                    break;
                case DataType.Q5_0:
                    Signed(x, b, 16, 6);
                    break;
                case DataType.Q4_1:
                    WithMinimum(x, b, 15, 4);
                    break;
                case DataType.Q5_1:
                    WithMinimum(x, b, 31, 8);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(type), type,
                        $"Weights can be written as {string.Join(", ", Formats.Select(f => f.Name()))}.");
            }
        }
    }

    // To the nearest, ties to even; NaN stays NaN.
    private static ushort BFloat(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 64) : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    private static void Scale(Span<byte> target, float value) => BinaryPrimitives.WriteHalfLittleEndian(target, (Half)value);

    private static void Eight(ReadOnlySpan<float> x, Span<byte> b)
    {
        float largest = 0;
        foreach (float value in x)
            largest = Math.Max(largest, Math.Abs(value));
        float d = largest / 127, inverse = d == 0 ? 0 : 1 / d;
        Scale(b, d);
        for (int i = 0; i < x.Length; i++)
            b[2 + i] = unchecked((byte)(sbyte)MathF.Round(x[i] * inverse, MidpointRounding.AwayFromZero));
    }

    // The value of the largest magnitude becomes -steps; the product is taken in double precision, as the reference does.
    private static void Signed(ReadOnlySpan<float> x, Span<byte> b, int steps, int quants)
    {
        float extreme = 0;
        foreach (float value in x)
            if (Math.Abs(value) > Math.Abs(extreme))
                extreme = value;
        float d = extreme / -steps, inverse = d == 0 ? 0 : 1 / d;
        Scale(b, d);
        Pack(x, b, quants, steps == 16, value => Clamped(Math.Truncate((double)value * inverse + (steps + 0.5)), 2 * steps - 1));
    }

    private static void WithMinimum(ReadOnlySpan<float> x, Span<byte> b, int steps, int quants)
    {
        float least = x[0], most = x[0];
        foreach (float value in x)
        {
            least = Math.Min(least, value);
            most = Math.Max(most, value);
        }

        float d = (most - least) / steps, inverse = d == 0 ? 0 : 1 / d;
        Scale(b, d);
        Scale(b[2..], least);
        Pack(x, b, quants, steps == 31, value => Clamped(MathF.Truncate((value - least) * inverse + 0.5f), steps));
    }

    private static int Clamped(double value, int most) => double.IsNaN(value) ? 0 : (int)Math.Clamp(value, 0, most);

    // Element i and element i + 16 share a byte; fifth bits lie before, bit by bit.
    private static void Pack(ReadOnlySpan<float> x, Span<byte> b, int quants, bool fiveBits, Func<float, int> quantize)
    {
        uint high = 0;
        for (int i = 0; i < 16; i++)
        {
            int low = quantize(x[i]), up = quantize(x[i + 16]);
            b[quants + i] = (byte)((low & 15) | ((up & 15) << 4));
            high |= (uint)(low >> 4) << i | (uint)(up >> 4) << (i + 16);
        }

        if (fiveBits)
            BinaryPrimitives.WriteUInt32LittleEndian(b[(quants - 4)..], high);
    }
}
