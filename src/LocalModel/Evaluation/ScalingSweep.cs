using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>The sizes and amounts of data of a sweep. All models have three layers and heads of 16, and read bytes.</summary>
public sealed record ScalingSweepOptions
{
    /// <summary>The widths of the models; multiples of 16.</summary>
    public IReadOnlyList<int> Widths { get; init; } = [16, 32, 48, 64, 96];

    /// <summary>The steps of the runs; each model is trained anew for each.</summary>
    public IReadOnlyList<int> Steps { get; init; } = [200, 400, 800, 1600];

    /// <summary>The width of the run that takes no part in the fit.</summary>
    public int HeldOutWidth { get; init; } = 128;

    /// <summary>The steps of that run.</summary>
    public int HeldOutSteps { get; init; } = 2400;

    /// <summary>Windows in a step.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Bytes in a window.</summary>
    public int ContextLength { get; init; } = 64;

    /// <summary>What weights and windows are drawn from.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The threads of the processor; 0 for one per core.</summary>
    public int Threads { get; init; }

    /// <summary>Where the models are trained; null for <see cref="Device.Cpu"/>.</summary>
    public Device? Device { get; init; }

    /// <summary>The width and steps of all runs, the held-out one last.</summary>
    public IEnumerable<(int Width, int Steps)> Plan
        => Widths.SelectMany(width => Steps.Select(steps => (width, steps))).Append((HeldOutWidth, HeldOutSteps));

    /// <summary>Checks the numbers.</summary>
    /// <exception cref="ArgumentException">A number is out of range, or there are too few runs for a fit.</exception>
    public void Validate()
    {
        if (Plan.Any(run => run.Width < HeadWidth || run.Width % HeadWidth != 0 || run.Steps < 1))
            throw new ArgumentException($"Widths are multiples of {HeadWidth}, steps at least 1.");
        if (Widths.Distinct().Count() < 2 || Steps.Distinct().Count() < 2 || Widths.Count * Steps.Count < ScalingLaw.LeastRuns)
            throw new ArgumentException(
                $"A fit needs two widths, two numbers of steps, and {ScalingLaw.LeastRuns} runs: there are {Widths.Count * Steps.Count}.");
        if (BatchSize < 1 || ContextLength < 2)
            throw new ArgumentException("A step has at least one window of at least two bytes.");
    }

    internal const int HeadWidth = 16;
}

/// <summary>Trains GPTs of several sizes on several amounts of a text: what a scaling law is fitted to.</summary>
public static class ScalingSweep
{
    private const int Layers = 3, Bytes = 256;

    /// <summary>One run: a fresh model, its learning rate by <see cref="DepthDial.LearningRate"/>, cosine to the end.</summary>
    /// <param name="data">Bytes (<see cref="TokenDataset.FromBytes"/>), a part of them held out.</param>
    /// <param name="width">The model's width.</param>
    /// <param name="steps">The run's steps.</param>
    /// <param name="options">What all runs share.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Parameters without the tables of tokens and positions, as the papers count them; tokens; the held-out loss.</returns>
    /// <exception cref="TrainingException">The text is too short.</exception>
    public static async Task<ScalingRun> RunAsync(
        TokenDataset data, int width, int steps, ScalingSweepOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        using var model = Gpt2.Create(
            new Gpt2Config
            {
                VocabularySize = Bytes,
                ContextLength = options.ContextLength,
                Width = width,
                Layers = Layers,
                Heads = width / ScalingSweepOptions.HeadWidth,
            },
            options.Seed);
        var result = await new Trainer(model, new TrainingOptions
        {
            Steps = steps,
            BatchSize = options.BatchSize,
            LearningRate = DepthDial.LearningRate(width),
            EvaluateEvery = steps,
            Seed = options.Seed,
            Threads = options.Threads,
            Device = options.Device,
        }).RunAsync(data, cancellationToken: cancellationToken).ConfigureAwait(false);
        long tables = ((long)Bytes + options.ContextLength) * width;
        double tokens = (double)steps * options.BatchSize * options.ContextLength;
        return new ScalingRun(model.ParameterCount - tables, tokens, result.ValidationLoss
            ?? throw new TrainingException("The text is too short: nothing of it is held out."));
    }
}

/// <summary>A law that was fitted to runs, and how well it predicts one that took no part.</summary>
public sealed class ScalingStudy
{
    private readonly IReadOnlyList<ScalingLaw> _resampled;

    private ScalingStudy(IReadOnlyList<ScalingRun> runs, ScalingRun heldOut)
    {
        (Runs, HeldOut) = (runs, heldOut);
        Law = ScalingLaw.Fit(runs);
        _resampled = Law.Bootstrap(runs);
    }

    /// <summary>The runs that the law was fitted to.</summary>
    public IReadOnlyList<ScalingRun> Runs { get; }

    /// <summary>The run that took no part.</summary>
    public ScalingRun HeldOut { get; }

    /// <summary>The law.</summary>
    public ScalingLaw Law { get; }

    /// <summary>The loss of the held-out run by the law.</summary>
    public double Prediction => Law.Predict(HeldOut.Parameters, HeldOut.Tokens);

    /// <summary>How far the prediction lies above the measured loss, as a share of it.</summary>
    public double Error => Prediction / HeldOut.Loss - 1;

    /// <summary>Fits a law.</summary>
    /// <param name="runs">The runs to fit, as <see cref="ScalingLaw.Fit"/> has it.</param>
    /// <param name="heldOut">A run that takes no part.</param>
    /// <exception cref="ArgumentException">There are too few runs.</exception>
    public static ScalingStudy Of(IReadOnlyList<ScalingRun> runs, ScalingRun heldOut) => new(runs, heldOut);

    /// <summary>The 95% interval of a predicted loss, by resampling the runs.</summary>
    /// <param name="parameters">N.</param>
    /// <param name="tokens">D.</param>
    public Interval Predicted(double parameters, double tokens)
        => Statistics.PercentileInterval([.. _resampled.Select(law => law.Predict(parameters, tokens))]);
}
