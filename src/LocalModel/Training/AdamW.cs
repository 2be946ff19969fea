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

    /// <summary>The factors of step t = 1, 2, …</summary>
    internal AdamWFactors Factors(long t, double learningRate, double weightDecay, float gradientScale)
        => new(
            gradientScale,
            (float)(1 - Beta1),
            (float)Beta2,
            (float)(1 - Beta2),
            (float)(1 / Math.Sqrt(1 - Math.Pow(Beta2, t))),
            (float)Epsilon,
            (float)(learningRate / (1 - Math.Pow(Beta1, t))),
            (float)(1 - learningRate * weightDecay));

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

/// <summary>The AdamW optimiser: Adam with decoupled weight decay. Gradients and moments are the training session's.</summary>
/// <remarks>
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), in the order of operations of torch.optim.AdamW.
/// </remarks>
/// <param name="session">What holds the parameters, their gradients and their moments.</param>
/// <param name="options">The settings.</param>
internal sealed class AdamW(TrainingSession session, AdamWOptions options)
{
    private const string FirstMomentPrefix = "exp_avg.";
    private const string SecondMomentPrefix = "exp_avg_sq.";
    private const string StepPrefix = "step.";

    /// <summary>The number of steps taken.</summary>
    public long StepCount { get; private set; }

    /// <summary>Changes the weights by one step.</summary>
    /// <param name="learningRate">The learning rate of this step.</param>
    /// <param name="gradientScale">What every gradient is multiplied by first: the factor of gradient clipping.</param>
    public void Step(double learningRate, float gradientScale = 1)
    {
        StepCount++;
        session.Update(
            options.Factors(StepCount, learningRate, options.WeightDecay, gradientScale),
            options.Factors(StepCount, learningRate, 0, gradientScale));
    }

    /// <summary>Adds moments and step under PyTorch's names: <c>exp_avg.NAME</c>, <c>exp_avg_sq.NAME</c>, <c>step.NAME</c>.</summary>
    internal void Save(SafetensorsWriter writer)
    {
        foreach (var parameter in session.Parameters)
        {
            writer.Add(FirstMomentPrefix + parameter.Name, parameter, () => Moment(parameter, Moments.First));
            writer.Add(SecondMomentPrefix + parameter.Name, parameter, () => Moment(parameter, Moments.Second));
            writer.Add(StepPrefix + parameter.Name, new float[] { StepCount }, 1);
        }
    }

    /// <summary>Restores what <see cref="Save"/> wrote.</summary>
    /// <exception cref="SafetensorsException">A moment is missing or of another size.</exception>
    internal void Load(SafetensorsFile file)
    {
        long? steps = null;
        Span<float> step = stackalloc float[1];
        foreach (var parameter in session.Parameters)
        {
            Load(file, FirstMomentPrefix + parameter.Name, parameter, Moments.First);
            Load(file, SecondMomentPrefix + parameter.Name, parameter, Moments.Second);
            RequireCount(file, StepPrefix + parameter.Name, 1);
            file.Read(StepPrefix + parameter.Name, step);
            if (step[0] < 0 || step[0] != MathF.Truncate(step[0]) || (steps is not null && steps != (long)step[0]))
                throw new SafetensorsException(file.Path, null,
                    $"'{StepPrefix}{parameter.Name}' is no step count, or another one than that of the other parameters.");
            steps = (long)step[0];
        }

        StepCount = steps ?? 0;
    }

    private float[] Moment(Parameter parameter, Moments moment)
    {
        var values = new float[parameter.Length];
        session.ReadMoment(parameter, moment, values);
        return values;
    }

    private void Load(SafetensorsFile file, string name, Parameter parameter, Moments moment)
    {
        RequireCount(file, name, parameter.Length);
        var values = new float[parameter.Length];
        file.Read(name, values);
        session.WriteMoment(parameter, moment, values);
    }

    private static void RequireCount(SafetensorsFile file, string name, int count)
    {
        if (file[name].Count != count)
            throw new SafetensorsException(file.Path, null,
                $"tensor '{name}' has {file[name].Count} elements, the model has {count}.");
    }
}
