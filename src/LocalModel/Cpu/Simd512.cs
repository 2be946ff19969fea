using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>Vectors of 512 bits.</summary>
internal readonly unsafe struct Simd512 : ISimd<Vector512<float>>
{
    public static int Count => Vector512<float>.Count;

    public static int PanelVectors => 4;

    public static string Name => "512-bit vectors";

    public static Vector512<float> Zero => Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Create(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* address) => Vector512.Load(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* address) => value.Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Divide(Vector512<float> a, Vector512<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fma(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Max(Vector512<float> a, Vector512<float> b) => Vector512.MaxNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Min(Vector512<float> a, Vector512<float> b) => Vector512.MinNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Abs(Vector512<float> a) => Vector512.Abs(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Round(Vector512<float> a) => Vector512.Round(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> PowerOfTwo(Vector512<float> n)
        => Vector512.ShiftLeft(Vector512.ConvertToInt32Native(n) + Vector512.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> IfLess(Vector512<float> a, Vector512<float> b, Vector512<float> yes, Vector512<float> no)
        => Vector512.ConditionalSelect(Vector512.LessThan(a, b), yes, no);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> CopySign(Vector512<float> a, Vector512<float> b) => Vector512.CopySign(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> a)
    {
        return Simd256.Sum(a.GetLower() + a.GetUpper());
    }

    public static float Largest(Vector512<float> a)
    {
        float largest = a[0];
        for (int i = 1; i < Count; i++)
            largest = MathF.Max(largest, a[i]);
        return largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Kept(ulong key, uint counter, uint threshold)
    {
        var x = (Vector512.Create(counter) + Vector512<uint>.Indices) ^ Vector512.Create((uint)key);
        x = Hash(Hash(x) + Vector512.Create((uint)(key >> 32)));
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(threshold)).AsSingle(), Zero, Vector512<float>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* source, nint sourceStride, float* target, nint targetStride)
    {
        if (!Avx512F.IsSupported)
        {
            for (int c = 0; c < Count; c++)
                for (int r = 0; r < Count; r++)
                    target[c * targetStride + r] = source[r * sourceStride + c];
            return;
        }

        // Four rows that are four apart, gathered a quarter at a time, then a 4 x 4 transposition within each quarter.
        for (int quarter = 0; quarter < 4; quarter++)
        {
            float* column = source + quarter * 4;
            var a = Gather(column, sourceStride, 0);
            var b = Gather(column, sourceStride, 1);
            var c = Gather(column, sourceStride, 2);
            var d = Gather(column, sourceStride, 3);
            var ab = Avx512F.UnpackLow(a, b).AsDouble();
            var cd = Avx512F.UnpackLow(c, d).AsDouble();
            var abHigh = Avx512F.UnpackHigh(a, b).AsDouble();
            var cdHigh = Avx512F.UnpackHigh(c, d).AsDouble();
            float* row = target + quarter * 4 * targetStride;
            Avx512F.UnpackLow(ab, cd).AsSingle().Store(row);
            Avx512F.UnpackHigh(ab, cd).AsSingle().Store(row + targetStride);
            Avx512F.UnpackLow(abHigh, cdHigh).AsSingle().Store(row + 2 * targetStride);
            Avx512F.UnpackHigh(abHigh, cdHigh).AsSingle().Store(row + 3 * targetStride);
        }
    }

    // Columns 0..3 of the rows first, first + 4, first + 8, first + 12, one row a quarter.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Gather(float* source, nint stride, int first)
    {
        float* row = source + first * stride;
        var low = Vector256.Create(Vector128.Load(row), Vector128.Load(row + 4 * stride));
        var high = Vector256.Create(Vector128.Load(row + 8 * stride), Vector128.Load(row + 12 * stride));
        return Vector512.Create(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Hash(Vector512<uint> x)
    {
        x = (x ^ (x >>> 16)) * Vector512.Create(0x7feb352du);
        x = (x ^ (x >>> 15)) * Vector512.Create(0x846ca68bu);
        return x ^ (x >>> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FromBytes(byte* address)
    {
        if (Avx512F.IsSupported)
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(address)));
        return FromBytesOneByOne(address);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FromBFloats(Vector512<float> pairs, bool upper)
        => (upper ? pairs.AsUInt32() & Vector512.Create(0xffff0000u) : pairs.AsUInt32() << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FromHalves(Vector512<float> pairs, bool upper)
    {
        var bits = upper ? pairs.AsUInt32() >>> 16 : pairs.AsUInt32() & Vector512.Create(0xffffu);
        var sign = (bits & Vector512.Create(0x8000u)) << 16;
        var magnitude = (bits & Vector512.Create(0x7fffu)) << 13;

        // A new exponent by an addition; a subnormal half as the difference of two normal numbers; infinity and NaN keep the largest
        // exponent.
        var normal = magnitude + Vector512.Create(112u << 23);
        var small = ((magnitude + Vector512.Create(113u << 23)).AsSingle() - Vector512.Create(113u << 23).AsSingle()).AsUInt32();
        var infinite = magnitude + Vector512.Create(224u << 23);
        var value = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(1u << 23)), small, normal);
        value = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(31u << 23)), infinite, value);
        return (value | sign).AsSingle();
    }

    private static Vector512<float> FromBytesOneByOne(byte* address)
    {
        float* values = stackalloc float[Count];
        for (int i = 0; i < Count; i++)
            values[i] = address[i];
        return Vector512.Load(values);
    }
}
