using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// The settings of the AdamW optimiser, Adam with decoupled weight decay (Loshchilov and Hutter 2019); the defaults are nanoGPT's. It is
/// the one that devices compute themselves.
/// </summary>
public sealed record AdamWOptions : OptimizerOptions
{
    /// <summary>Creates the defaults.</summary>
    public AdamWOptions() => WeightDecay = 0.1;

    /// <summary>How slowly the mean of the gradients forgets.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>How slowly the mean of the squared gradients forgets.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>What is added to the denominator.</summary>
    public double Epsilon { get; init; } = 1e-8;

    internal override Optimizer Create(TrainingSession session, IReadOnlyList<float>? rates) => new AdamW(session, this, rates);

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

    /// <summary>The rule as the host computes it, beside another optimiser.</summary>
    internal HostRule HostRule() => (in HostStep s) =>
    {
        double correction1 = 1 - Math.Pow(Beta1, s.Step), correction2 = Math.Sqrt(1 - Math.Pow(Beta2, s.Step));
        float beta1 = (float)Beta1, beta2 = (float)Beta2, decay = (float)(1 - s.Rate * s.WeightDecay), size = (float)(s.Rate / correction1);
        float[] first = s.States[0], second = s.States[1];
        for (int i = 0; i < s.Weights.Length; i++)
        {
            float g = s.Gradient[i];
            first[i] = beta1 * first[i] + (1 - beta1) * g;
            second[i] = beta2 * second[i] + (1 - beta2) * g * g;
            s.Weights[i] = s.Weights[i] * decay - size * first[i] / (MathF.Sqrt(second[i]) / (float)correction2 + (float)Epsilon);
        }
    };

    internal override void Validate()
    {
        base.Validate();
        RequireShare(Beta1, nameof(Beta1));
        RequireShare(Beta2, nameof(Beta2));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Epsilon);
    }
}

/// <summary>The AdamW optimiser on the device. Gradients and moments are the training session's.</summary>
/// <remarks>In the order of operations of torch.optim.AdamW.</remarks>
/// <param name="session">What holds the parameters, their gradients and their moments.</param>
/// <param name="options">The settings.</param>
/// <param name="rates">A factor of the learning rate for each parameter, or null.</param>
internal sealed class AdamW(TrainingSession session, AdamWOptions options, IReadOnlyList<float>? rates = null) : Optimizer(session)
{
    private const string FirstMomentPrefix = "exp_avg.";
    private const string SecondMomentPrefix = "exp_avg_sq.";

    public override void Step(double learningRate, float gradientScale = 1)
    {
        StepCount++;
        if (rates is null)
            Session.Update(
                options.Factors(StepCount, learningRate, options.WeightDecay, gradientScale),
                options.Factors(StepCount, learningRate, 0, gradientScale));
        else
            for (int i = 0; i < rates.Count; i++)
                Session.Update(i, options.Factors(
                    StepCount, learningRate * rates[i], Session.Parameters[i].Shape.Length >= 2 ? options.WeightDecay : 0, gradientScale));
    }

    public override void Save(SafetensorsWriter writer)
    {
        foreach (var parameter in Session.Parameters)
        {
            writer.Add(FirstMomentPrefix + parameter.Name, parameter, () => Moment(parameter, Moments.First));
            writer.Add(SecondMomentPrefix + parameter.Name, parameter, () => Moment(parameter, Moments.Second));
        }

        base.Save(writer);
    }

    public override void Load(SafetensorsFile file)
    {
        base.Load(file);
        foreach (var parameter in Session.Parameters)
        {
            Session.WriteMoment(parameter, Moments.First, Read(file, FirstMomentPrefix + parameter.Name, parameter.Length));
            Session.WriteMoment(parameter, Moments.Second, Read(file, SecondMomentPrefix + parameter.Name, parameter.Length));
        }
    }

    private float[] Moment(Parameter parameter, Moments moment)
    {
        var values = new float[parameter.Length];
        Session.ReadMoment(parameter, moment, values);
        return values;
    }
}
