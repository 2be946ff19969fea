using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// The element-wise update of AdamW. Every element is computed by the same operations whatever the vector width and wherever a range is
/// cut, so the result does not depend on the number of threads.
/// </summary>
/// <remarks>
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), in the order of operations of torch.optim.AdamW.
/// </remarks>
internal static class AdamWKernel
{
    // Below these a value changes nothing (epsilon is far larger), but its square or its slow decay would be a denormal number, and
    // arithmetic on those is many times slower on some processors.
    private const float TinyGradient = 1e-17f;
    private const float TinyMoment = 1e-30f;

    /// <summary>Updates weights and moments in place.</summary>
    public static void Update(
        Span<float> weights, ReadOnlySpan<float> gradients, Span<float> moment1, Span<float> moment2, in AdamWFactors f)
    {
        int n = weights.Length;
        ArgumentOutOfRangeException.ThrowIfNotEqual(gradients.Length, n);
        ArgumentOutOfRangeException.ThrowIfNotEqual(moment1.Length, n);
        ArgumentOutOfRangeException.ThrowIfNotEqual(moment2.Length, n);
        int i = 0;
        ref float w = ref MemoryMarshal.GetReference(weights);
        ref float g = ref MemoryMarshal.GetReference(gradients);
        ref float m = ref MemoryMarshal.GetReference(moment1);
        ref float v = ref MemoryMarshal.GetReference(moment2);
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i <= n - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                var gradient = Vector512.LoadUnsafe(ref g, (nuint)i) * f.GradientScale;
                gradient =
                    Vector512.ConditionalSelect(Vector512.LessThan(Vector512.Abs(gradient), Vector512.Create(TinyGradient)),
                        Vector512<float>.Zero, gradient);
                var first = Vector512.LoadUnsafe(ref m, (nuint)i);
                first = Vector512.FusedMultiplyAdd(gradient - first, Vector512.Create(f.OneMinusBeta1), first);
                first = Vector512.ConditionalSelect(Vector512.LessThan(Vector512.Abs(first), Vector512.Create(TinyMoment)),
                    Vector512<float>.Zero, first);
                var second =
                    Vector512.FusedMultiplyAdd(gradient * gradient, Vector512.Create(f.OneMinusBeta2),
                        Vector512.LoadUnsafe(ref v, (nuint)i) * f.Beta2);
                second = Vector512.ConditionalSelect(Vector512.LessThan(second, Vector512.Create(TinyMoment)), Vector512<float>.Zero,
                    second);
                var denominator =
                    Vector512.FusedMultiplyAdd(Vector512.Sqrt(second), Vector512.Create(f.InverseSquareRootCorrection2),
                        Vector512.Create(f.Epsilon));
                var weight = Vector512.LoadUnsafe(ref w, (nuint)i) * f.Decay - first * f.StepSize / denominator;
                first.StoreUnsafe(ref m, (nuint)i);
                second.StoreUnsafe(ref v, (nuint)i);
                weight.StoreUnsafe(ref w, (nuint)i);
            }
        }

        if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= n - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                var gradient = Vector256.LoadUnsafe(ref g, (nuint)i) * f.GradientScale;
                gradient =
                    Vector256.ConditionalSelect(Vector256.LessThan(Vector256.Abs(gradient), Vector256.Create(TinyGradient)),
                        Vector256<float>.Zero, gradient);
                var first = Vector256.LoadUnsafe(ref m, (nuint)i);
                first = Vector256.FusedMultiplyAdd(gradient - first, Vector256.Create(f.OneMinusBeta1), first);
                first = Vector256.ConditionalSelect(Vector256.LessThan(Vector256.Abs(first), Vector256.Create(TinyMoment)),
                    Vector256<float>.Zero, first);
                var second =
                    Vector256.FusedMultiplyAdd(gradient * gradient, Vector256.Create(f.OneMinusBeta2),
                        Vector256.LoadUnsafe(ref v, (nuint)i) * f.Beta2);
                second = Vector256.ConditionalSelect(Vector256.LessThan(second, Vector256.Create(TinyMoment)), Vector256<float>.Zero,
                    second);
                var denominator =
                    Vector256.FusedMultiplyAdd(Vector256.Sqrt(second), Vector256.Create(f.InverseSquareRootCorrection2),
                        Vector256.Create(f.Epsilon));
                var weight = Vector256.LoadUnsafe(ref w, (nuint)i) * f.Decay - first * f.StepSize / denominator;
                first.StoreUnsafe(ref m, (nuint)i);
                second.StoreUnsafe(ref v, (nuint)i);
                weight.StoreUnsafe(ref w, (nuint)i);
            }
        }

        for (; i < n; i++)
            UpdateOne(ref Unsafe.Add(ref w, i), Unsafe.Add(ref g, i), ref Unsafe.Add(ref m, i), ref Unsafe.Add(ref v, i), in f);
    }

    /// <summary>The same for one element: the tail of a range, and the plain reference that the vector code is tested against.</summary>
    public static void UpdateOne(ref float weight, float gradient, ref float moment1, ref float moment2, in AdamWFactors f)
    {
        gradient *= f.GradientScale;
        if (MathF.Abs(gradient) < TinyGradient)
            gradient = 0;
        float first = MathF.FusedMultiplyAdd(gradient - moment1, f.OneMinusBeta1, moment1);
        if (MathF.Abs(first) < TinyMoment)
            first = 0;
        float second = MathF.FusedMultiplyAdd(gradient * gradient, f.OneMinusBeta2, moment2 * f.Beta2);
        if (second < TinyMoment)
            second = 0;
        float denominator = MathF.FusedMultiplyAdd(MathF.Sqrt(second), f.InverseSquareRootCorrection2, f.Epsilon);
        float decayed = weight * f.Decay;
        weight = decayed - first * f.StepSize / denominator;
        moment1 = first;
        moment2 = second;
    }
}
