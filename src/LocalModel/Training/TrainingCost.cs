using System.Diagnostics;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Training;

/// <summary>What a run will cost, from one step that was measured.</summary>
/// <param name="TrainedWeights">The weights that are trained.</param>
/// <param name="TokensInStep">The tokens that a step runs on.</param>
/// <param name="Steps">The steps of the run.</param>
/// <param name="SecondsInStep">
/// The time that a step took here, with the completions that GRPO and PPO sample for it; what is measured on held-out data is not in it.
/// </param>
public sealed record TrainingCost(long TrainedWeights, long TokensInStep, long Steps, double SecondsInStep)
{
    private const int FlopsForEachWeightAndToken = 6, BytesForEachTrainedWeight = 16;

    /// <summary>All tokens of the run.</summary>
    public long Tokens => TokensInStep * Steps;

    /// <summary>
    /// The floating-point operations of the run, 6 for each weight and token (arXiv:2001.08361): two forward, four backward. Attention over
    /// long contexts comes on top.
    /// </summary>
    public double Flops => (double)FlopsForEachWeightAndToken * TrainedWeights * Tokens;

    /// <summary>The bytes of weights, gradients and the optimiser's two moments; activations come on top.</summary>
    public long StateBytes => BytesForEachTrainedWeight * TrainedWeights;

    /// <summary>The time of all steps; measurements and checkpoints come on top.</summary>
    public TimeSpan Duration => TimeSpan.FromSeconds(SecondsInStep * Steps);

    /// <summary>Takes one step's time without changing a weight.</summary>
    /// <param name="task">What is learned.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="TrainingException">The data do not fit the model or the options.</exception>
    public static Task<TrainingCost> MeasureAsync(
        TrainingTask task, TrainingOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return Task.Run(() => Measure(task, options, cancellationToken), cancellationToken);
    }

    private static TrainingCost Measure(TrainingTask task, TrainingOptions options, CancellationToken cancellationToken)
    {
        task.Prepare(options);
        var trained = options.Scope?.Select(task.Trained) ?? task.Trained;
        using var session = (options.Device ?? Device.Cpu).CreateTrainingSession(
            trained, options.Seed, options.Threads, options.RecomputeActivations);
        var engine = new TrainingEngine(session, options);

        // The first round pays for memory and code that is compiled.
        double begun = 0, seconds = 0;
        long tokens = 0;
        for (int round = 0; round < 2; round++)
        {
            // A step of its own each time: a task that samples would otherwise learn once more from what it has.
            long step = (long)round * task.StepsBetweenRollouts;
            var clock = Stopwatch.StartNew();
            task.BeginStep(step, session, cancellationToken);
            begun = clock.Elapsed.TotalSeconds / task.StepsBetweenRollouts;
            clock.Restart();
            engine.Begin(step);
            tokens = task.Draw(step, 0).Tokens;
            engine.Accumulate(0, task, 1);
            seconds = clock.Elapsed.TotalSeconds;
            cancellationToken.ThrowIfCancellationRequested();
        }

        return new TrainingCost(trained.Sum(p => (long)p.Length), tokens * options.MicroBatches, options.Steps,
            begun + seconds * options.MicroBatches);
    }
}

/// <summary>
/// One dial for a GPT that is trained from scratch, as nanochat has it: the layers; width, heads, context and learning rate follow.
/// </summary>
public static class DepthDial
{
    private const int WidthOfLayer = 64, ContextOfLayer = 64;

    /// <summary>The settings of a GPT-2 of a depth.</summary>
    /// <param name="depth">The layers.</param>
    /// <param name="vocabularySize">The number of token ids.</param>
    /// <param name="contextLength">The positions; null for 64 a layer, at most 1024.</param>
    public static Gpt2Config Model(int depth, int vocabularySize, int? contextLength = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(depth);
        return new Gpt2Config
        {
            VocabularySize = vocabularySize,
            ContextLength = contextLength ?? Math.Min(1024, ContextOfLayer * depth),
            Layers = depth,
            Width = WidthOfLayer * depth,
            Heads = Math.Max(1, depth),
        };
    }

    /// <summary>AdamW's highest learning rate for a width: 2e-3 at 128, falling with its root.</summary>
    public static double LearningRate(int width) => 2e-3 * Math.Sqrt(128.0 / width);
}
