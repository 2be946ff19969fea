using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// One optimisation step after another: forward and backward of each micro-batch, clipping, the optimiser. With AdamW a step in steady
/// state allocates nothing on the managed heap.
/// </summary>
internal sealed class TrainingEngine
{
    private readonly TrainingOptions _options;
    private long _step;

    /// <summary>Creates an engine.</summary>
    /// <param name="session">The device's part with the trained parameters; the caller disposes it.</param>
    /// <param name="options">How the model is trained.</param>
    public TrainingEngine(TrainingSession session, TrainingOptions options)
    {
        Session = session;
        _options = options;
        Optimizer = options.Optimizer.Create(session, options.Scope?.Rates(session.Parameters));
        Average = options.AverageDecay is { } decay ? new WeightAverage(session, decay) : null;
    }

    public TrainingSession Session { get; }

    public Optimizer Optimizer { get; }

    /// <summary>The running average of the weights, where one is kept.</summary>
    public WeightAverage? Average { get; }

    /// <summary>What the mean loss of a micro-batch counts in the objective of its step.</summary>
    /// <param name="accumulation">The way of weighing.</param>
    /// <param name="counted">The targets of each micro-batch on which a loss is taken.</param>
    /// <param name="microBatch">The micro-batch.</param>
    public static double WeightOf(GradientAccumulation accumulation, ReadOnlySpan<int> counted, int microBatch)
    {
        if (accumulation == GradientAccumulation.MeanOfMeans)
            return 1.0 / counted.Length;
        long all = 0;
        foreach (int count in counted)
            all += count;
        return all == 0 ? 0 : (double)counted[microBatch] / all;
    }

    /// <summary>Starts a step: the gradients are zero.</summary>
    public void Begin(long step)
    {
        _step = step;
        Session.ZeroGradients();
    }

    /// <summary>Adds the gradients of a micro-batch.</summary>
    /// <param name="microBatch">Its number within the step.</param>
    /// <param name="task">What drew it, and knows its loss.</param>
    /// <param name="weight">What its mean loss counts in the objective.</param>
    /// <returns>The mean loss over its counted targets.</returns>
    public double Accumulate(int microBatch, TrainingTask task, double weight) => Accumulate(microBatch, task.LossFunction, weight);

    /// <summary>Adds the gradients of a micro-batch.</summary>
    /// <param name="microBatch">Its number within the step.</param>
    /// <param name="lossOf">Its mean loss: (1, 1).</param>
    /// <param name="weight">What its mean loss counts in the objective.</param>
    /// <returns>The mean loss over its counted targets.</returns>
    public double Accumulate(int microBatch, Func<Pass, Tensor> lossOf, double weight)
    {
        double value;
        try
        {
            var pass = Session.Begin(_step, microBatch);
            var loss = lossOf(pass);

            // A GPU is given all its work before the host waits for a number.
            Session.Backward(loss, (float)weight);
            value = pass.ReadScalar(loss);
        }
        catch (Exception exception) when (Session.Explain(exception) is { } typed)
        {
            throw typed;
        }

        return double.IsFinite(value) ? value : throw Diverged("loss", value);
    }

    /// <summary>Clips the gradients and changes the weights.</summary>
    /// <returns>The norm of the gradients before clipping.</returns>
    public double Update(double learningRate)
    {
        double norm = Norm();
        if (!double.IsFinite(norm))
            throw Diverged("gradient norm", norm);

        // As torch.nn.utils.clip_grad_norm_.
        double scale = _options.MaxGradientNorm is { } limit ? Math.Min(1, limit / (norm + 1e-6)) : 1;
        Optimizer.Step(learningRate, (float)scale);
        Average?.Update();
        return norm;
    }

    /// <summary>Puts the averaged weights in the place of the trained ones, where an average is kept.</summary>
    public void UseAverage() => Average?.Swap(toAverage: true);

    /// <summary>Takes back what <see cref="UseAverage"/> did.</summary>
    public void UseTrained() => Average?.Swap(toAverage: false);

    private double Norm()
    {
        if (_options.GradientNorm == GradientNorm.Euclidean)
            return Session.GradientNorm();
        double norm = 0;
        foreach (var parameter in Session.Parameters)
        {
            var gradient = new float[parameter.Length];
            Session.ReadGradient(parameter, gradient);
            foreach (float g in gradient)
                norm = _options.GradientNorm == GradientNorm.Sum ? norm + Math.Abs(g) : Math.Max(norm, Math.Abs(g));
        }

        return norm;
    }

    private TrainingException Diverged(string what, double value)
    {
        var bad = Session.Parameters.FirstOrDefault(HasBadGradient);
        var where = bad is null ? "" : $" The first weight whose gradient is not a number is '{bad.Name}'.";
        return new TrainingException(FormattableString.Invariant($"The {what} of step {_step + 1} is {value}: the training has diverged.")
            + $"{where} Lower the learning rate or clip the gradients; the last checkpoint is untouched.");
    }

    private bool HasBadGradient(Parameter parameter)
    {
        var gradient = new float[parameter.Length];
        Session.ReadGradient(parameter, gradient);
        return Array.Exists(gradient, g => !float.IsFinite(g));
    }
}

/// <summary>
/// The exponential moving average of the weights (Polyak averaging): e ← d · e + (1 − d) · w after each step, from the first weights on.
/// It is what is measured and saved; training goes on from the weights themselves.
/// </summary>
/// <param name="session">What trains.</param>
/// <param name="decay">d.</param>
internal sealed class WeightAverage(TrainingSession session, double decay)
{
    private readonly Dictionary<Parameter, float[]> _other = session.Parameters.ToDictionary(p => p, p =>
    {
        var values = new float[p.Length];
        p.Read(values);
        return values;
    });

    private bool _inPlace;

    /// <summary>Takes in the weights of a step.</summary>
    public void Update()
    {
        float share = (float)(1 - decay);
        session.OnHost((parameter, weights, _) =>
        {
            var average = _other[parameter];
            for (int i = 0; i < average.Length; i++)
                average[i] += share * (weights[i] - average[i]);
        });
    }

    /// <summary>Exchanges trained and averaged weights, unless that is done already.</summary>
    public void Swap(bool toAverage)
    {
        if (_inPlace == toAverage)
            return;
        _inPlace = toAverage;
        session.OnHost((parameter, weights, _) =>
        {
            var other = _other[parameter];
            for (int i = 0; i < other.Length; i++)
                (other[i], weights[i]) = (weights[i], other[i]);
        });
    }

    /// <summary>The average, or the trained weights while the average is in their place.</summary>
    public float[] Other(Parameter parameter) => _other[parameter];
}
