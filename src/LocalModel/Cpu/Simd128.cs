using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>Vectors of 128 bits.</summary>
internal readonly unsafe struct Simd128 : ISimd<Vector128<float>>
{
    public static int Count => Vector128<float>.Count;

    public static int PanelVectors => 2;

    public static string Name => "128-bit vectors";

    public static Vector128<float> Zero => Vector128<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Create(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* address) => Vector128.Load(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> value, float* address) => value.Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Divide(Vector128<float> a, Vector128<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Fma(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Max(Vector128<float> a, Vector128<float> b) => Vector128.MaxNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Min(Vector128<float> a, Vector128<float> b) => Vector128.MinNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Abs(Vector128<float> a) => Vector128.Abs(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Round(Vector128<float> a) => Vector128.Round(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> PowerOfTwo(Vector128<float> n)
        => Vector128.ShiftLeft(Vector128.ConvertToInt32Native(n) + Vector128.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> IfLess(Vector128<float> a, Vector128<float> b, Vector128<float> yes, Vector128<float> no)
        => Vector128.ConditionalSelect(Vector128.LessThan(a, b), yes, no);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> CopySign(Vector128<float> a, Vector128<float> b) => Vector128.CopySign(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> a)
    {
        return (a[0] + a[2]) + (a[1] + a[3]);
    }

    public static float Largest(Vector128<float> a)
    {
        float largest = a[0];
        for (int i = 1; i < Count; i++)
            largest = MathF.Max(largest, a[i]);
        return largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Kept(ulong key, uint counter, uint threshold)
    {
        var x = (Vector128.Create(counter) + Vector128<uint>.Indices) ^ Vector128.Create((uint)key);
        x = Hash(Hash(x) + Vector128.Create((uint)(key >> 32)));
        return Vector128.ConditionalSelect(Vector128.LessThan(x, Vector128.Create(threshold)).AsSingle(), Zero, Vector128<float>.One);
    }

    public static void Transpose(float* source, nint sourceStride, float* target, nint targetStride)
    {
        for (int c = 0; c < Count; c++)
            for (int r = 0; r < Count; r++)
                target[c * targetStride + r] = source[r * sourceStride + c];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Hash(Vector128<uint> x)
    {
        x = (x ^ (x >>> 16)) * Vector128.Create(0x7feb352du);
        x = (x ^ (x >>> 15)) * Vector128.Create(0x846ca68bu);
        return x ^ (x >>> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> FromBytes(byte* address)
    {
        var words = Vector128.WidenLower(Vector128.CreateScalar(Unsafe.ReadUnaligned<uint>(address)).AsByte());
        return Vector128.ConvertToSingle(Vector128.WidenLower(words).AsInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> FromBFloats(Vector128<float> pairs, bool upper)
        => (upper ? pairs.AsUInt32() & Vector128.Create(0xffff0000u) : pairs.AsUInt32() << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> FromHalves(Vector128<float> pairs, bool upper)
    {
        var bits = upper ? pairs.AsUInt32() >>> 16 : pairs.AsUInt32() & Vector128.Create(0xffffu);
        var sign = (bits & Vector128.Create(0x8000u)) << 16;
        var magnitude = (bits & Vector128.Create(0x7fffu)) << 13;

        // A new exponent by an addition; a subnormal half as the difference of two normal numbers; infinity and NaN keep the largest
        // exponent.
        var normal = magnitude + Vector128.Create(112u << 23);
        var small = ((magnitude + Vector128.Create(113u << 23)).AsSingle() - Vector128.Create(113u << 23).AsSingle()).AsUInt32();
        var infinite = magnitude + Vector128.Create(224u << 23);
        var value = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(1u << 23)), small, normal);
        value = Vector128.ConditionalSelect(Vector128.GreaterThanOrEqual(magnitude, Vector128.Create(31u << 23)), infinite, value);
        return (value | sign).AsSingle();
    }
}
