using System.Diagnostics;
using System.Globalization;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// Runs a <see cref="TrainingTask"/>: steps, gradient clipping, learning rates, measurements, checkpoints, resume. The same data, options
/// and fresh model give the same weights to the bit on machines with the same instruction set, whatever the number of threads.
/// </summary>
/// <remarks>Not thread-safe; nobody else may use the model during a run.</remarks>
public sealed class Trainer
{
    private readonly CausalModel? _model;
    private readonly TrainingOptions _options;

    /// <summary>Creates a trainer of any task.</summary>
    /// <param name="options">How models are trained.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public Trainer(TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
    }

    /// <summary>Creates a trainer that teaches a language model to predict the next token.</summary>
    /// <param name="model">The model; its weights are changed in place.</param>
    /// <param name="options">How it is trained.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public Trainer(CausalModel model, TrainingOptions options)
        : this(options)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (options.ContextLength > model.ContextLength)
            throw new ArgumentOutOfRangeException(nameof(options), options.ContextLength,
                $"ContextLength is larger than the model's {model.ContextLength}.");
        _model = model;
    }

    /// <summary>Trains the model that the trainer was made for, on a thread of its own.</summary>
    /// <param name="dataset">The text or the conversations.</param>
    /// <param name="progress">Told after every step, on the training thread.</param>
    /// <param name="cancellationToken">Checked between steps and while the held-out loss is measured.</param>
    /// <exception cref="TrainingException">The loss is not a number any more, or the data do not fit the model.</exception>
    /// <exception cref="CheckpointException">The folder holds a checkpoint of another run, of more steps, or any where nothing is to be
    /// resumed; or another process is saving there.</exception>
    /// <exception cref="InvalidOperationException">The trainer was made without a model.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled; the last checkpoint is whole.</exception>
    public Task<TrainingResult> RunAsync(
        TrainingDataset dataset, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        var model = _model ?? throw new InvalidOperationException("This trainer was made without a model; give RunAsync a task.");
        return RunAsync(new LanguageModeling(model, dataset), progress, cancellationToken);
    }

    /// <summary>Trains on a thread of its own.</summary>
    /// <param name="task">What is learned. It stays the caller's.</param>
    /// <param name="progress">Told after every step, on the training thread.</param>
    /// <param name="cancellationToken">Checked between steps and while measuring.</param>
    /// <exception cref="TrainingException">The loss is not a number any more, or the data do not fit the model.</exception>
    /// <exception cref="CheckpointException">The folder holds a checkpoint of another run, of more steps, or any where nothing is to be
    /// resumed; or another process is saving there.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled; the last checkpoint is whole, and with
    /// <see cref="TrainingCheckpoints.SaveWhenCancelled"/> it is of the last step.</exception>
    public async Task<TrainingResult> RunAsync(
        TrainingTask task, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        task.Prepare(_options);
        return await Task.Factory.StartNew(() => Run(task, progress, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning,
            TaskScheduler.Default).ConfigureAwait(false);
    }

    /// <summary>Measures a task on what is held out as the model is, without a step: what a run is compared with.</summary>
    /// <param name="task">What would be learned. It stays the caller's.</param>
    /// <param name="cancellationToken">Checked while measuring.</param>
    /// <returns>What <see cref="TrainingResult.Measurements"/> would hold; empty where nothing is held out.</returns>
    /// <exception cref="TrainingException">The data do not fit the model.</exception>
    public async Task<IReadOnlyList<Measurement>> MeasureAsync(TrainingTask task, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        task.Prepare(_options);
        return await Task.Factory.StartNew(
            () =>
            {
                using var session = (_options.Device ?? Device.Cpu).CreateInferenceSession(_options.Threads);
                return task.Measure(session, cancellationToken);
            },
            cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
    }

    /// <summary>
    /// Refuses a folder whose newest checkpoint is of another run or of more steps, before anything is computed or written.
    /// </summary>
    /// <returns>The step to go on from; 0 for a fresh run.</returns>
    /// <exception cref="CheckpointException">It is; the message says what differs.</exception>
    internal long CheckResume(TrainingTask task)
    {
        if (_options.Checkpoints is not { } saving || new CheckpointFolder(saving.Folder).LatestStep is not { } newest)
            return 0;
        if (!saving.Resume)
            throw new CheckpointException(saving.Folder, string.Create(CultureInfo.InvariantCulture, $"the folder holds checkpoints "
                + $"already (the newest is of step {newest}), which a new run would replace or collide with. Save into another folder, "
                + $"or resume."));
        var folder = new CheckpointFolder(saving.Folder).StepPath(newest);
        if (!TrainingState.Exists(folder))
            throw new CheckpointException(folder, "the newest checkpoint holds no state of a training run. Save into another folder.");
        var state = TrainingState.Load(folder);
        state.CheckSameRun(folder, State(task, state.Step));
        return state.Step <= _options.Steps
            ? state.Step
            : throw new CheckpointException(saving.Folder,
                string.Create(CultureInfo.InvariantCulture, $"the run has done {state.Step} steps already, more than the "
                    + $"{_options.Steps} asked for. Raise Steps, or save into another folder."));
    }

    private TrainingResult Run(TrainingTask task, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        using var held = _options.Checkpoints is { IsHeld: false } saving ? new CheckpointFolder(saving.Folder).Hold() : null;
        var (engine, start) = Resume(task);
        using var session = engine.Session;
        try
        {
            var result = Run(engine, start, task, progress, cancellationToken);
            engine.UseAverage();
            task.Settle(session);
            return result;
        }
        finally
        {
            session.Download();
        }
    }

    private TrainingResult Run(
        TrainingEngine engine, long start, TrainingTask task, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var schedule = _options.EffectiveSchedule;
        var counted = new int[_options.MicroBatches];
        var clock = Stopwatch.StartNew();
        double? loss = null;
        IReadOnlyList<Measurement> measured = [];
        string? checkpoint = null, sample;
        double tokensPerSecond = 0;
        long tokens = 0;
        for (long step = start; step < _options.Steps; step++)
        {
            if (cancellationToken.IsCancellationRequested)
            {
                if (step > start && _options.Checkpoints is { SaveWhenCancelled: true } last
                    && new CheckpointFolder(last.Folder).LatestStep is var newest && newest != step)
                    Save(engine, task, step, last);
                cancellationToken.ThrowIfCancellationRequested();
            }

            task.BeginStep(step, engine.Session, cancellationToken);
            engine.Begin(step);
            double objective = 0;
            if (_options.Accumulation == GradientAccumulation.TokenWeighted)
                for (int micro = 0; micro < counted.Length; micro++)
                    counted[micro] = task.Draw(step, micro).Counted;

            for (int micro = 0; micro < _options.MicroBatches; micro++)
            {
                tokens += task.Draw(step, micro).Tokens;
                double weight = TrainingEngine.WeightOf(_options.Accumulation, counted, micro);
                objective += weight * engine.Accumulate(micro, task, weight);
            }

            double rate = schedule.At(step);
            double norm = engine.Update(rate);
            loss = objective;
            long done = step + 1;
            tokensPerSecond = tokens / clock.Elapsed.TotalSeconds;
            bool isLast = done == _options.Steps;
            (measured, sample) = _options.EvaluateEvery > 0 && (isLast || done % _options.EvaluateEvery == 0)
                ? Measure(engine, task, done, cancellationToken)
                : ([], null);
            if (_options.Checkpoints is { } saving && (isLast || (saving.Every > 0 && done % saving.Every == 0)))
                checkpoint = Save(engine, task, done, saving);
            progress?.Report(
                new TrainingProgress(done, _options.Steps, objective, norm, rate, tokensPerSecond,
                    clock.Elapsed / (done - start) * (_options.Steps - done), LossOf(measured))
                {
                    Measurements = measured.Count > 0 ? [.. task.StepMeasurements, .. measured] : task.StepMeasurements,
                    Sample = sample,
                });
        }

        return new TrainingResult(_options.Steps, start, loss, LossOf(measured), tokensPerSecond, clock.Elapsed, checkpoint)
        {
            Measurements = measured,
        };
    }

    private static double? LossOf(IReadOnlyList<Measurement> measured) => measured is [{ Name: "loss" } loss, ..] ? loss.Value : null;

    private (IReadOnlyList<Measurement> Measured, string? Sample) Measure(
        TrainingEngine engine, TrainingTask task, long step, CancellationToken cancellationToken)
    {
        engine.UseAverage();
        task.Settle(engine.Session);
        try
        {
            var session = engine.Session.Evaluation;
            return (task.Measure(session, cancellationToken), _options.Sample is { } sample && task is CausalTask { Model: var model }
                ? sample.Write(model, session, _options.Seed, step, cancellationToken)
                : null);
        }
        finally
        {
            engine.UseTrained();
        }
    }

    private string Save(TrainingEngine engine, TrainingTask task, long step, TrainingCheckpoints saving)
    {
        engine.Session.Download();
        return new CheckpointFolder(saving.Folder).Save(step, folder =>
        {
            engine.UseAverage();
            try
            {
                task.Save(folder, saving.Parts);
            }
            finally
            {
                engine.UseTrained();
            }

            State(task, step).Save(folder, engine);
        });
    }

    // What trains, and the step to go on from.
    private (TrainingEngine Engine, long Step) Resume(TrainingTask task)
    {
        CheckResume(task);
        if (_options.Checkpoints is not { } saving || new CheckpointFolder(saving.Folder).LatestStep is not { } step)
            return (Engine(task), 0);
        var folder = new CheckpointFolder(saving.Folder).StepPath(step);
        task.Load(folder);

        // A device takes the weights over when its session is made.
        TrainingState.LoadTrainedWeights(folder, TrainedOf(task));
        var engine = Engine(task);
        try
        {
            TrainingState.LoadOptimizer(folder, engine);
        }
        catch
        {
            engine.Session.Dispose();
            throw;
        }

        return (engine, step);
    }

    private IReadOnlyList<Parameter> TrainedOf(TrainingTask task)
        => _options.Scope is { } scope ? scope.Select(task.Trained) : task.Trained;

    private TrainingEngine Engine(TrainingTask task)
        => new(
            (_options.Device ?? Device.Cpu).CreateTrainingSession(
                TrainedOf(task), _options.Seed, _options.Threads, _options.RecomputeActivations), _options);

    private TrainingState State(TrainingTask task, long step) => new()
    {
        Step = step,
        Seed = _options.Seed,
        DataFingerprint = task.Fingerprint,
        DataTokens = task.Size,
        BatchSize = _options.BatchSize,
        MicroBatches = _options.MicroBatches,
        ContextLength = task.ContextLength(_options),
        Settings = _options.Settings.Append(("task", task.Name)).Concat(task.RunSettings).Concat(_options.Checkpoints?.Settings ?? [])
            .ToDictionary(setting => setting.Item1, setting => setting.Item2, StringComparer.Ordinal),
    };
}
