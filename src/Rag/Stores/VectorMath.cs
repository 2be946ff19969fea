using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kotonoha.Rag.Stores;

/// <summary>The few vector operations that search needs, in the widest registers there are.</summary>
internal static class VectorMath
{
    /// <summary>The dot product of two vectors of the same length.</summary>
    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        if (x.Length != y.Length)
            throw new ArgumentException($"The vectors have {x.Length} and {y.Length} dimensions.");
        ref float a = ref MemoryMarshal.GetReference(x);
        ref float b = ref MemoryMarshal.GetReference(y);
        nuint i = 0, length = (nuint)x.Length;
        float sum = 0;
        if (Vector512.IsHardwareAccelerated && length >= 32)
        {
            Vector512<float> s0 = default, s1 = default;
            for (; i + 32 <= length; i += 32)
            {
                s0 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref a, i), Vector512.LoadUnsafe(ref b, i), s0);
                s1 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref a, i + 16), Vector512.LoadUnsafe(ref b, i + 16), s1);
            }

            sum = Vector512.Sum(s0 + s1);
        }
        else if (Vector256.IsHardwareAccelerated && length >= 16)
        {
            Vector256<float> s0 = default, s1 = default;
            for (; i + 16 <= length; i += 16)
            {
                s0 += Vector256.LoadUnsafe(ref a, i) * Vector256.LoadUnsafe(ref b, i);
                s1 += Vector256.LoadUnsafe(ref a, i + 8) * Vector256.LoadUnsafe(ref b, i + 8);
            }

            sum = Vector256.Sum(s0 + s1);
        }
        else
        {
            Vector128<float> s0 = default;
            for (; i + 4 <= length; i += 4)
                s0 += Vector128.LoadUnsafe(ref a, i) * Vector128.LoadUnsafe(ref b, i);
            sum = Vector128.Sum(s0);
        }

        for (; i < length; i++)
            sum += Unsafe.Add(ref a, i) * Unsafe.Add(ref b, i);
        return sum;
    }

    /// <summary>Adds <paramref name="factor"/> times <paramref name="x"/> to <paramref name="sum"/>.</summary>
    public static void AddScaled(ReadOnlySpan<float> x, float factor, Span<float> sum)
    {
        if (x.Length != sum.Length)
            throw new ArgumentException($"The vectors have {x.Length} and {sum.Length} dimensions.");
        ref float a = ref MemoryMarshal.GetReference(x);
        ref float s = ref MemoryMarshal.GetReference(sum);
        nuint i = 0, length = (nuint)x.Length;
        if (Vector512.IsHardwareAccelerated)
            for (var f = Vector512.Create(factor); i + 16 <= length; i += 16)
                (Vector512.LoadUnsafe(ref s, i) + Vector512.LoadUnsafe(ref a, i) * f).StoreUnsafe(ref s, i);
        for (var f = Vector128.Create(factor); i + 4 <= length; i += 4)
            (Vector128.LoadUnsafe(ref s, i) + Vector128.LoadUnsafe(ref a, i) * f).StoreUnsafe(ref s, i);
        for (; i < length; i++)
            Unsafe.Add(ref s, i) += Unsafe.Add(ref a, i) * factor;
    }

    /// <summary>The cosine of the angle between two vectors, in double precision; 0 where one of them is 0.</summary>
    public static double Cosine(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        if (x.Length != y.Length)
            throw new ArgumentException($"The vectors have {x.Length} and {y.Length} dimensions.");
        double xy = 0, xx = 0, yy = 0;
        for (int i = 0; i < x.Length; i++)
            (xy, xx, yy) = (xy + (double)x[i] * y[i], xx + (double)x[i] * x[i], yy + (double)y[i] * y[i]);
        return xx == 0 || yy == 0 ? 0 : xy / Math.Sqrt(xx * yy);
    }

    /// <summary>A copy of length 1; a vector of length 0 stays as it is.</summary>
    public static float[] Normalize(ReadOnlySpan<float> vector)
    {
        double squares = 0;
        foreach (float value in vector)
            squares += (double)value * value;
        var result = vector.ToArray();
        if (squares == 0)
            return result;
        double scale = 1 / Math.Sqrt(squares);
        for (int i = 0; i < result.Length; i++)
            result[i] = (float)(result[i] * scale);
        return result;
    }
}
