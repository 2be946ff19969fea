using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>The settings of the AdamW optimiser; the defaults are nanoGPT's.</summary>
public sealed record AdamWOptions
{
    /// <summary>How slowly the mean of the gradients forgets.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>How slowly the mean of the squared gradients forgets.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>What is added to the denominator.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>The decoupled weight decay of tensors of two and more dimensions (embeddings too); the others have none.</summary>
    public double WeightDecay { get; init; } = 0.1;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Beta1);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(Beta1, 1.0);
        ArgumentOutOfRangeException.ThrowIfNegative(Beta2);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(Beta2, 1.0);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Epsilon);
        ArgumentOutOfRangeException.ThrowIfNegative(WeightDecay);
    }
}

/// <summary>The AdamW optimiser: Adam with decoupled weight decay. It owns the moments; the weights stay the model's.</summary>
/// <remarks>
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), in the order of operations of torch.optim.AdamW.
/// </remarks>
internal sealed unsafe class AdamW : IDisposable
{
    private const string FirstMomentPrefix = "exp_avg.";
    private const string SecondMomentPrefix = "exp_avg_sq.";
    private const string StepPrefix = "step.";
    private readonly Parameter[] _parameters;
    private readonly AdamWOptions _options;
    private readonly Gradients _moment1;
    private readonly Gradients _moment2;

    /// <summary>Creates an optimiser with moments of zero.</summary>
    /// <param name="parameters">The weights to train.</param>
    /// <param name="options">The settings.</param>
    public AdamW(IReadOnlyList<Parameter> parameters, AdamWOptions options)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _parameters = [.. parameters];
        _options = options;

        // Moments have the layout of gradients.
        _moment1 = new Gradients(_parameters);
        _moment2 = new Gradients(_parameters);
    }

    /// <summary>The number of steps taken.</summary>
    public long StepCount { get; private set; }

    /// <summary>Changes the weights by one step; allocates nothing.</summary>
    /// <param name="backend">The device that runs the operations.</param>
    /// <param name="gradients">The gradients of the same parameters.</param>
    /// <param name="learningRate">The learning rate of this step.</param>
    /// <param name="gradientScale">What every gradient is multiplied by first: the factor of gradient clipping.</param>
    public void Step(Backend backend, Gradients gradients, double learningRate, float gradientScale = 1)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(gradients);
        StepCount++;
        foreach (var parameter in _parameters)
        {
            double decay = parameter.Shape.Length >= 2 ? _options.WeightDecay : 0;
            var factors = AdamWFactors.Of(_options, StepCount, learningRate, decay, gradientScale);
            var gradient = gradients.Pointer(parameter);
            if (gradient is null)
                throw new ArgumentException($"'{parameter.Name}' has no gradient.", nameof(gradients));
            backend.AdamW(parameter, gradient, _moment1.Pointer(parameter), _moment2.Pointer(parameter), in factors);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _moment1.Dispose();
        _moment2.Dispose();
    }

    /// <summary>Adds moments and step under PyTorch's names: <c>exp_avg.NAME</c>, <c>exp_avg_sq.NAME</c>, <c>step.NAME</c>.</summary>
    internal void Save(SafetensorsWriter writer)
    {
        foreach (var parameter in _parameters)
        {
            writer.Add(FirstMomentPrefix + parameter.Name, parameter, () => _moment1[parameter]);
            writer.Add(SecondMomentPrefix + parameter.Name, parameter, () => _moment2[parameter]);
            writer.Add(StepPrefix + parameter.Name, new float[] { StepCount }, 1);
        }
    }

    /// <summary>Restores what <see cref="Save"/> wrote.</summary>
    /// <exception cref="SafetensorsException">A moment is missing or of another size.</exception>
    internal void Load(SafetensorsFile file)
    {
        long? steps = null;
        Span<float> step = stackalloc float[1];
        foreach (var parameter in _parameters)
        {
            Load(file, FirstMomentPrefix + parameter.Name, _moment1[parameter]);
            Load(file, SecondMomentPrefix + parameter.Name, _moment2[parameter]);
            Load(file, StepPrefix + parameter.Name, step);
            if (step[0] < 0 || step[0] != MathF.Truncate(step[0]) || (steps is not null && steps != (long)step[0]))
                throw new SafetensorsException(file.Path, null,
                    $"'{StepPrefix}{parameter.Name}' is no step count, or another one than that of the other parameters.");
            steps = (long)step[0];
        }

        StepCount = steps ?? 0;
    }

    private static void Load(SafetensorsFile file, string name, Span<float> destination)
    {
        if (file[name].Count != destination.Length)
            throw new SafetensorsException(file.Path, null,
                $"tensor '{name}' has {file[name].Count} elements, the model has {destination.Length}.");
        file.Read(name, destination);
    }
}

/// <summary>The numbers of one AdamW step that are the same for every element of a tensor.</summary>
/// <param name="GradientScale">What every gradient is multiplied by first (gradient clipping).</param>
/// <param name="OneMinusBeta1">1 − β1.</param>
/// <param name="Beta2">β2.</param>
/// <param name="OneMinusBeta2">1 − β2.</param>
/// <param name="InverseSquareRootCorrection2">1 / sqrt(1 − β2^t).</param>
/// <param name="Epsilon">ε.</param>
/// <param name="StepSize">Learning rate / (1 − β1^t).</param>
/// <param name="Decay">1 − learning rate · weight decay.</param>
internal readonly record struct AdamWFactors(
    float GradientScale, float OneMinusBeta1, float Beta2, float OneMinusBeta2, float InverseSquareRootCorrection2, float Epsilon,
    float StepSize, float Decay)
{
    /// <summary>The factors of step t = 1, 2, …</summary>
    public static AdamWFactors Of(AdamWOptions options, long t, double learningRate, double weightDecay, float gradientScale)
        => new(
            gradientScale,
            (float)(1 - options.Beta1),
            (float)options.Beta2,
            (float)(1 - options.Beta2),
            (float)(1 / Math.Sqrt(1 - Math.Pow(options.Beta2, t))),
            (float)options.Epsilon,
            (float)(learningRate / (1 - Math.Pow(options.Beta1, t))),
            (float)(1 - learningRate * weightDecay));
}

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
