using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// One optimisation step after another: forward and backward of each micro-batch, clipping, AdamW. In steady state a step allocates nothing
/// on the managed heap.
/// </summary>
internal sealed class TrainingEngine
{
    private readonly CausalModel _model;
    private readonly TrainingOptions _options;
    private long _step;

    /// <summary>Creates an engine.</summary>
    /// <param name="model">The model; the session trains its parameters.</param>
    /// <param name="session">The device's part; the caller disposes it.</param>
    /// <param name="options">How the model is trained.</param>
    public TrainingEngine(CausalModel model, TrainingSession session, TrainingOptions options)
    {
        _model = model;
        Session = session;
        _options = options;
        Optimizer = new AdamW(session, options.Optimizer);
    }

    public TrainingSession Session { get; }

    public AdamW Optimizer { get; }

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

    /// <summary>The targets on which a loss is taken.</summary>
    public static int Counted(ReadOnlySpan<int> targets) => targets.Length - targets.Count(CrossEntropyOptions.DefaultIgnoreIndex);

    /// <summary>Starts a step: the gradients are zero.</summary>
    public void Begin(long step)
    {
        _step = step;
        Session.ZeroGradients();
    }

    /// <summary>Adds the gradients of a micro-batch.</summary>
    /// <param name="microBatch">Its number within the step.</param>
    /// <param name="batch">The inputs.</param>
    /// <param name="targets">For each input the token after it, or −100 where no loss is taken.</param>
    /// <param name="weight">What its mean loss counts in the objective.</param>
    /// <returns>The mean loss over its counted targets.</returns>
    public double Accumulate(int microBatch, Batch batch, ReadOnlySpan<int> targets, double weight)
    {
        double value;
        try
        {
            value = Loss(microBatch, batch, targets, weight);
        }
        catch (Exception exception) when (Session.Explain(exception) is { } typed)
        {
            throw typed;
        }

        return double.IsFinite(value) ? value : throw Diverged("loss", value);
    }

    /// <summary>Clips the gradients and changes the weights.</summary>
    /// <returns>The L2 norm of the gradients before clipping.</returns>
    public double Update(double learningRate)
    {
        double norm = Session.GradientNorm();
        if (!double.IsFinite(norm))
            throw Diverged("gradient norm", norm);

        // As torch.nn.utils.clip_grad_norm_.
        double scale = _options.MaxGradientNorm is { } limit ? Math.Min(1, limit / (norm + 1e-6)) : 1;
        Optimizer.Step(learningRate, (float)scale);
        return norm;
    }

    private double Loss(int microBatch, Batch batch, ReadOnlySpan<int> targets, double weight)
    {
        var pass = Session.Begin(_step, microBatch);
        var logits = _model.Logits(pass, _model.Forward(pass, batch));
        var loss = pass.CrossEntropy(logits, targets, new CrossEntropyOptions { LabelSmoothing = (float)_options.LabelSmoothing });

        // A GPU is given all its work before the host waits for a number.
        Session.Backward(loss, (float)weight);
        return pass.ReadScalar(loss);
    }

    private TrainingException Diverged(string what, double value)
        => new(FormattableString.Invariant($"The {what} of step {_step + 1} is {value}: the training has diverged. ")
            + "Lower the learning rate or clip the gradients; the last checkpoint is untouched.");
}
