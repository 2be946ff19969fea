using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>Vectors of 256 bits.</summary>
internal readonly unsafe struct Simd256 : ISimd<Vector256<float>>
{
    public static int Count => Vector256<float>.Count;

    public static int PanelVectors => 2;

    public static string Name => "256-bit vectors";

    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Create(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* address) => Vector256.Load(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, float* address) => value.Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Divide(Vector256<float> a, Vector256<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fma(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Max(Vector256<float> a, Vector256<float> b) => Vector256.MaxNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Min(Vector256<float> a, Vector256<float> b) => Vector256.MinNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Abs(Vector256<float> a) => Vector256.Abs(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Round(Vector256<float> a) => Vector256.Round(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> PowerOfTwo(Vector256<float> n)
        => Vector256.ShiftLeft(Vector256.ConvertToInt32Native(n) + Vector256.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> IfLess(Vector256<float> a, Vector256<float> b, Vector256<float> yes, Vector256<float> no)
        => Vector256.ConditionalSelect(Vector256.LessThan(a, b), yes, no);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> CopySign(Vector256<float> a, Vector256<float> b) => Vector256.CopySign(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> a)
    {
        return Simd128.Sum(a.GetLower() + a.GetUpper());
    }

    public static float Largest(Vector256<float> a)
    {
        float largest = a[0];
        for (int i = 1; i < Count; i++)
            largest = MathF.Max(largest, a[i]);
        return largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Kept(ulong key, uint counter, uint threshold)
    {
        var x = (Vector256.Create(counter) + Vector256<uint>.Indices) ^ Vector256.Create((uint)key);
        x = Hash(Hash(x) + Vector256.Create((uint)(key >> 32)));
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256.Create(threshold)).AsSingle(), Zero, Vector256<float>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* source, nint sourceStride, float* target, nint targetStride)
    {
        if (!Avx.IsSupported)
        {
            for (int c = 0; c < Count; c++)
                for (int r = 0; r < Count; r++)
                    target[c * targetStride + r] = source[r * sourceStride + c];
            return;
        }

        // Pairs of rows, then fours, within each half of a vector; then the halves change places.
        var (a0, a1, a2, a3) = Four(source, sourceStride);
        var (b0, b1, b2, b3) = Four(source + 4 * sourceStride, sourceStride);
        Avx.Permute2x128(a0, b0, 0x20).Store(target);
        Avx.Permute2x128(a1, b1, 0x20).Store(target + targetStride);
        Avx.Permute2x128(a2, b2, 0x20).Store(target + 2 * targetStride);
        Avx.Permute2x128(a3, b3, 0x20).Store(target + 3 * targetStride);
        Avx.Permute2x128(a0, b0, 0x31).Store(target + 4 * targetStride);
        Avx.Permute2x128(a1, b1, 0x31).Store(target + 5 * targetStride);
        Avx.Permute2x128(a2, b2, 0x31).Store(target + 6 * targetStride);
        Avx.Permute2x128(a3, b3, 0x31).Store(target + 7 * targetStride);
    }

    // Columns c and c + 4 of four rows, in the lower and the upper half of vector c.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Four(float* rows, nint stride)
    {
        var r0 = Vector256.Load(rows);
        var r1 = Vector256.Load(rows + stride);
        var r2 = Vector256.Load(rows + 2 * stride);
        var r3 = Vector256.Load(rows + 3 * stride);
        var low01 = Avx.UnpackLow(r0, r1).AsDouble();
        var high01 = Avx.UnpackHigh(r0, r1).AsDouble();
        var low23 = Avx.UnpackLow(r2, r3).AsDouble();
        var high23 = Avx.UnpackHigh(r2, r3).AsDouble();
        return (Avx.UnpackLow(low01, low23).AsSingle(), Avx.UnpackHigh(low01, low23).AsSingle(), Avx.UnpackLow(high01, high23).AsSingle(),
            Avx.UnpackHigh(high01, high23).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Hash(Vector256<uint> x)
    {
        x = (x ^ (x >>> 16)) * Vector256.Create(0x7feb352du);
        x = (x ^ (x >>> 15)) * Vector256.Create(0x846ca68bu);
        return x ^ (x >>> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromBytes(byte* address)
    {
        if (Avx2.IsSupported)
            return Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(address));
        return FromBytesOneByOne(address);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromBFloats(Vector256<float> pairs, bool upper)
        => (upper ? pairs.AsUInt32() & Vector256.Create(0xffff0000u) : pairs.AsUInt32() << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromHalves(Vector256<float> pairs, bool upper)
    {
        var bits = upper ? pairs.AsUInt32() >>> 16 : pairs.AsUInt32() & Vector256.Create(0xffffu);
        var sign = (bits & Vector256.Create(0x8000u)) << 16;
        var magnitude = (bits & Vector256.Create(0x7fffu)) << 13;

        // A new exponent by an addition; a subnormal half as the difference of two normal numbers; infinity and NaN keep the largest
        // exponent.
        var normal = magnitude + Vector256.Create(112u << 23);
        var small = ((magnitude + Vector256.Create(113u << 23)).AsSingle() - Vector256.Create(113u << 23).AsSingle()).AsUInt32();
        var infinite = magnitude + Vector256.Create(224u << 23);
        var value = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(1u << 23)), small, normal);
        value = Vector256.ConditionalSelect(Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(31u << 23)), infinite, value);
        return (value | sign).AsSingle();
    }

    private static Vector256<float> FromBytesOneByOne(byte* address)
    {
        float* values = stackalloc float[Count];
        for (int i = 0; i < Count; i++)
            values[i] = address[i];
        return Vector256.Load(values);
    }
}
