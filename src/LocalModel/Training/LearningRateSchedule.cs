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

    private static double Warmup(double peak, long step, long warmupSteps) => peak * (step + 1) / (warmupSteps + 1);

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

/// <summary>How a learning rate falls from the plateau to the minimum.</summary>
public enum DecayCurve
{
    /// <summary>Along a line.</summary>
    Linear,

    /// <summary>As one minus the square root of the progress: fast at first.</summary>
    OneMinusSquareRoot,
}
