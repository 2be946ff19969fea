namespace Kotonoha.LocalModel.Training;

/// <summary>The learning rate of every step of a training run; steps count from 0.</summary>
public abstract record LearningRateSchedule
{
    /// <summary>The learning rate of a step.</summary>
    /// <param name="step">The step, from 0.</param>
    public abstract double At(long step);

    /// <summary>The same rate at every step.</summary>
    /// <param name="rate">The rate.</param>
    public static LearningRateSchedule Constant(double rate) => new ConstantSchedule(rate);

    /// <summary>A linear warm-up, then half a cosine from the peak to the minimum, then the minimum (nanoGPT's <c>get_lr</c>).</summary>
    /// <param name="peak">The highest rate.</param>
    /// <param name="minimum">The last rate.</param>
    /// <param name="warmupSteps">Steps of the warm-up.</param>
    /// <param name="totalSteps">The step from which on the rate is the minimum.</param>
    public static LearningRateSchedule WarmupCosine(double peak, double minimum, long warmupSteps, long totalSteps)
        => new WarmupCosineSchedule(peak, minimum, warmupSteps, totalSteps);

    /// <summary>A linear warm-up, a plateau, then a decay to the minimum (warm-up, stable, decay).</summary>
    /// <param name="peak">The rate of the plateau.</param>
    /// <param name="minimum">The last rate.</param>
    /// <param name="warmupSteps">Steps of the warm-up.</param>
    /// <param name="decayStart">The first step of the decay.</param>
    /// <param name="totalSteps">The step from which on the rate is the minimum.</param>
    /// <param name="decay">The curve of the decay.</param>
    public static LearningRateSchedule WarmupStableDecay(
        double peak, double minimum, long warmupSteps, long decayStart, long totalSteps, DecayCurve decay = DecayCurve.Linear)
        => new WarmupStableDecaySchedule(peak, minimum, warmupSteps, decayStart, totalSteps, decay);

    /// <summary>
    /// A linear warm-up, then a fall with the inverse square root of the step (Noam's schedule, arXiv:1706.03762).
    /// </summary>
    /// <param name="peak">The highest rate, reached in the last step of the warm-up.</param>
    /// <param name="warmupSteps">Steps of the warm-up.</param>
    public static LearningRateSchedule InverseSquareRoot(double peak, long warmupSteps)
        => new InverseSquareRootSchedule(peak, Math.Max(1, warmupSteps));

    private static double Warmup(double peak, long step, long warmupSteps) => peak * (step + 1) / (warmupSteps + 1);

    private sealed record InverseSquareRootSchedule(double Peak, long WarmupSteps) : LearningRateSchedule
    {
        public override double At(long step)
            => Peak * Math.Min((step + 1.0) / WarmupSteps, Math.Sqrt(WarmupSteps / (step + 1.0)));
    }

    private sealed record ConstantSchedule(double Rate) : LearningRateSchedule
    {
        public override double At(long step) => Rate;
    }

    private sealed record WarmupCosineSchedule(double Peak, double Minimum, long WarmupSteps, long TotalSteps) : LearningRateSchedule
    {
        public override double At(long step)
        {
            if (step < WarmupSteps)
                return Warmup(Peak, step, WarmupSteps);
            if (step >= TotalSteps)
                return Minimum;
            double progress = (double)(step - WarmupSteps) / (TotalSteps - WarmupSteps);
            return Minimum + 0.5 * (1 + Math.Cos(Math.PI * progress)) * (Peak - Minimum);
        }
    }

    private sealed record WarmupStableDecaySchedule(
        double Peak, double Minimum, long WarmupSteps, long DecayStart, long TotalSteps, DecayCurve Decay) : LearningRateSchedule
    {
        public override double At(long step)
        {
            if (step < WarmupSteps)
                return Warmup(Peak, step, WarmupSteps);
            if (step < DecayStart)
                return Peak;
            double progress = step >= TotalSteps ? 1 : (double)(step - DecayStart) / (TotalSteps - DecayStart);
            return Minimum + (Peak - Minimum) * (1 - (Decay == DecayCurve.OneMinusSquareRoot ? Math.Sqrt(progress) : progress));
        }
    }
}

/// <summary>
/// The schedules of transformers' trainer, to go on with a run that was begun there: the warm-up begins at 0, and the cosine comes up again
/// past the last step.
/// </summary>
/// <param name="Curve">What follows the warm-up.</param>
/// <param name="Peak">The highest rate.</param>
/// <param name="WarmupSteps">Steps of the warm-up.</param>
/// <param name="TotalSteps">The steps of the run.</param>
public sealed record TransformersLearningRate(TransformersSchedule Curve, double Peak, long WarmupSteps, long TotalSteps)
    : LearningRateSchedule
{
    /// <summary>The lowest rate, for <see cref="TransformersSchedule.Cosine"/> and <see cref="TransformersSchedule.Polynomial"/>.</summary>
    public double Minimum { get; init; }

    /// <summary>The exponent of <see cref="TransformersSchedule.Polynomial"/>.</summary>
    public double Power { get; init; } = 1;

    /// <summary>The cycles of <see cref="TransformersSchedule.CosineWithRestarts"/>.</summary>
    public int Cycles { get; init; } = 1;

    /// <inheritdoc/>
    public override double At(long step)
    {
        if (step < WarmupSteps)
            return Peak * step / WarmupSteps;
        double progress = (double)(step - WarmupSteps) / Math.Max(1, TotalSteps - WarmupSteps);
        return Curve switch
        {
            TransformersSchedule.Linear => Peak * Math.Max(0, 1 - progress),
            TransformersSchedule.Cosine => Minimum + (Peak - Minimum) * Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * progress))),
            TransformersSchedule.CosineWithRestarts => progress >= 1
                ? 0
                : Peak * Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * (Cycles * progress % 1)))),
            TransformersSchedule.Polynomial => progress >= 1 ? Minimum : Minimum + (Peak - Minimum) * Math.Pow(1 - progress, Power),
            TransformersSchedule.InverseSquareRoot => Peak / Math.Sqrt(Math.Max(1, step) / Math.Max(1.0, WarmupSteps)),
            _ => Peak,
        };
    }
}

/// <summary>What follows the warm-up in transformers' schedules.</summary>
public enum TransformersSchedule
{
    /// <summary>The highest rate.</summary>
    Constant,

    /// <summary>A line down to 0.</summary>
    Linear,

    /// <summary>Half a cosine.</summary>
    Cosine,

    /// <summary>Half cosines one after another.</summary>
    CosineWithRestarts,

    /// <summary>A power of what is left of the run.</summary>
    Polynomial,

    /// <summary>The inverse square root of the step; the time scale is the warm-up.</summary>
    InverseSquareRoot,
}

/// <summary>How a learning rate falls from the plateau to the minimum.</summary>
public enum DecayCurve
{
    /// <summary>Along a line.</summary>
    Linear,

    /// <summary>As one minus the square root of the progress: fast at first.</summary>
    OneMinusSquareRoot,
}
