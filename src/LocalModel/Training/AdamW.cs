using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>The AdamW optimiser: Adam with decoupled weight decay. It owns the moments; the weights stay the model's.</summary>
/// <remarks>Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), in the order of operations of torch.optim.AdamW.</remarks>
public sealed unsafe class AdamW : IDisposable
{
    private const string FirstMomentPrefix = "exp_avg.";
    private const string SecondMomentPrefix = "exp_avg_sq.";
    private const string StepPrefix = "step.";
    private readonly Parameter[] parameters;
    private readonly AdamWOptions options;
    private readonly Gradients moment1;
    private readonly Gradients moment2;

    /// <summary>Creates an optimiser with moments of zero.</summary>
    /// <param name="parameters">The weights to train.</param>
    /// <param name="options">The settings.</param>
    public AdamW(IReadOnlyList<Parameter> parameters, AdamWOptions options)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        this.parameters = [.. parameters];
        this.options = options;

        // Moments have the layout of gradients.
        moment1 = new Gradients(this.parameters);
        moment2 = new Gradients(this.parameters);
    }

    /// <summary>The number of steps taken.</summary>
    public long StepCount { get; private set; }

    /// <summary>Changes the weights by one step; allocates nothing.</summary>
    /// <param name="backend">What computes.</param>
    /// <param name="gradients">The gradients of the same parameters.</param>
    /// <param name="learningRate">The learning rate of this step.</param>
    /// <param name="gradientScale">What every gradient is multiplied by first: the factor of gradient clipping.</param>
    public void Step(Backend backend, Gradients gradients, double learningRate, float gradientScale = 1)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(gradients);
        StepCount++;
        foreach (var parameter in parameters)
        {
            double decay = parameter.Shape.Length >= 2 ? options.WeightDecay : 0;
            var factors = AdamWFactors.Of(options, StepCount, learningRate, decay, gradientScale);
            var gradient = gradients.Pointer(parameter);
            if (gradient is null)
                throw new ArgumentException($"'{parameter.Name}' has no gradient.", nameof(gradients));
            backend.AdamW(parameter, gradient, moment1.Pointer(parameter), moment2.Pointer(parameter), in factors);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        moment1.Dispose();
        moment2.Dispose();
    }

    /// <summary>Adds moments and step under PyTorch's names: <c>exp_avg.NAME</c>, <c>exp_avg_sq.NAME</c>, <c>step.NAME</c>.</summary>
    internal void Save(SafetensorsWriter writer)
    {
        foreach (var parameter in parameters)
        {
            writer.Add(FirstMomentPrefix + parameter.Name, parameter, () => moment1[parameter]);
            writer.Add(SecondMomentPrefix + parameter.Name, parameter, () => moment2[parameter]);
            writer.Add(StepPrefix + parameter.Name, new float[] { StepCount }, 1);
        }
    }

    /// <summary>Restores what <see cref="Save"/> wrote.</summary>
    /// <exception cref="SafetensorsException">A moment is missing or of another size.</exception>
    internal void Load(SafetensorsFile file)
    {
        long? steps = null;
        Span<float> step = stackalloc float[1];
        foreach (var parameter in parameters)
        {
            Load(file, FirstMomentPrefix + parameter.Name, moment1[parameter]);
            Load(file, SecondMomentPrefix + parameter.Name, moment2[parameter]);
            Load(file, StepPrefix + parameter.Name, step);
            if (step[0] < 0 || step[0] != MathF.Truncate(step[0]) || (steps is not null && steps != (long)step[0]))
                throw new SafetensorsException(file.Path, null, $"'{StepPrefix}{parameter.Name}' is no step count, or another one than that of the other parameters.");
            steps = (long)step[0];
        }

        StepCount = steps ?? 0;
    }

    private static void Load(SafetensorsFile file, string name, Span<float> destination)
    {
        if (file[name].Count != destination.Length)
            throw new SafetensorsException(file.Path, null, $"tensor '{name}' has {file[name].Count} elements, the model has {destination.Length}.");
        file.Read(name, destination);
    }
}
