using System.Diagnostics;
using System.Globalization;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// Trains a language model to predict the next token. The same data, options and fresh model give the same weights to the bit on machines
/// with the same instruction set, whatever the number of threads.
/// </summary>
/// <remarks>Not thread-safe; nobody else may use the model during a run.</remarks>
public sealed class Trainer
{
    private readonly CausalModel _model;
    private readonly TrainingOptions _options;

    /// <summary>Creates a trainer.</summary>
    /// <param name="model">The model; its weights are changed in place.</param>
    /// <param name="options">How it is trained.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public Trainer(CausalModel model, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (options.ContextLength > model.ContextLength)
            throw new ArgumentOutOfRangeException(nameof(options), options.ContextLength,
                $"ContextLength is larger than the model's {model.ContextLength}.");
        _model = model;
        _options = options;
    }

    private int ContextLength => _options.ContextLength ?? _model.ContextLength;

    /// <summary>Trains on a thread of its own.</summary>
    /// <param name="dataset">The text or the conversations.</param>
    /// <param name="progress">Told after every step, on the training thread.</param>
    /// <param name="cancellationToken">Checked between steps and while the held-out loss is measured.</param>
    /// <exception cref="TrainingException">The loss is not a number any more, or the data do not fit the model.</exception>
    /// <exception cref="CheckpointException">The folder holds a checkpoint of another run, of more steps, or any where nothing is to be
    /// resumed; or another process is saving there.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled; the last checkpoint is whole.</exception>
    public Task<TrainingResult> RunAsync(
        TrainingDataset dataset, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        if (dataset.VocabularySize > _model.VocabularySize)
            throw new TrainingException($"The data have {dataset.VocabularySize} token ids, the model has {_model.VocabularySize}. Train "
                + $"with the tokenizer that belongs to the model.");
        return Task.Factory.StartNew(() => Run(dataset, progress, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    private TrainingResult Run(TrainingDataset dataset, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var (engine, start) = Resume(dataset);
        using var session = engine.Session;
        try
        {
            return Run(engine, start, dataset, progress, cancellationToken);
        }
        finally
        {
            session.Download();
        }
    }

    private TrainingResult Run(
        TrainingEngine engine, long start, TrainingDataset dataset, IProgress<TrainingProgress>? progress,
        CancellationToken cancellationToken)
    {
        var sampler = dataset.Sampler(_options, ContextLength);
        var schedule = _options.EffectiveSchedule;
        if (start > _options.Steps)
            throw new CheckpointException(_options.Checkpoints!.Folder,
                string.Create(CultureInfo.InvariantCulture, $"the run has done {start} steps already, more than the "
                    + $"{_options.Steps} asked for. Raise Steps, or save into another folder."));
        var counted = new int[_options.MicroBatches];
        var clock = Stopwatch.StartNew();
        double? loss = null, validationLoss = null;
        string? checkpoint = null;
        double tokensPerSecond = 0;
        long tokens = 0;
        for (long step = start; step < _options.Steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            engine.Begin(step);
            double objective = 0;
            if (_options.Accumulation == GradientAccumulation.TokenWeighted)
                for (int micro = 0; micro < counted.Length; micro++)
                {
                    sampler.Draw(step, micro);
                    counted[micro] = TrainingEngine.Counted(sampler.Targets);
                }

            for (int micro = 0; micro < _options.MicroBatches; micro++)
            {
                sampler.Draw(step, micro);
                double weight = TrainingEngine.WeightOf(_options.Accumulation, counted, micro);
                objective += weight * engine.Accumulate(micro, sampler.Batch, sampler.Targets, weight);
                tokens += sampler.Targets.Length;
            }

            double rate = schedule.At(step);
            double norm = engine.Update(rate);
            loss = objective;
            long done = step + 1;
            tokensPerSecond = tokens / clock.Elapsed.TotalSeconds;
            bool last = done == _options.Steps;
            validationLoss = _options.EvaluateEvery > 0 && (last || done % _options.EvaluateEvery == 0)
                ? dataset.MeasureValidationLoss(_model, engine.Session.Evaluation, ContextLength, cancellationToken)
                : null;
            if (_options.Checkpoints is { } saving && (last || (saving.Every > 0 && done % saving.Every == 0)))
                checkpoint = Save(engine, dataset, done, saving);
            progress?.Report(
                new TrainingProgress(done, _options.Steps, objective, norm, rate, tokensPerSecond,
                    clock.Elapsed / (done - start) * (_options.Steps - done), validationLoss));
        }

        return new TrainingResult(_options.Steps, start, loss, validationLoss, tokensPerSecond, clock.Elapsed, checkpoint);
    }

    private string Save(TrainingEngine engine, TrainingDataset dataset, long step, TrainingCheckpoints saving)
    {
        engine.Session.Download();
        return new CheckpointFolder(saving.Folder).Save(step, folder =>
        {
            ModelCheckpoint.Write(_model, folder, saving.Parts);
            State(dataset, step).Save(folder, engine.Optimizer);
        });
    }

    // What trains, and the step to go on from.
    private (TrainingEngine Engine, long Step) Resume(TrainingDataset dataset)
    {
        if (_options.Checkpoints is not { } saving || new CheckpointFolder(saving.Folder).LatestStep is not { } newest)
            return (Engine(), 0);
        if (!saving.Resume)
            throw new CheckpointException(saving.Folder, string.Create(CultureInfo.InvariantCulture, $"the folder holds checkpoints "
                + $"already (the newest is of step {newest}), which a new run would replace or collide with. Save into another folder, "
                + $"or resume."));
        return CheckpointFolder.Read(saving.Folder, folder =>
        {
            if (!TrainingState.Exists(folder))
                throw new CheckpointException(folder, "the newest checkpoint holds no state of a training run. Save into another folder.");
            var state = TrainingState.Load(folder);
            state.CheckSameRun(folder, State(dataset, state.Step));
            ModelCheckpoint.LoadInto(_model, folder);

            // A device takes the weights over when its session is made.
            var engine = Engine();
            try
            {
                TrainingState.LoadOptimizer(folder, engine.Optimizer);
            }
            catch
            {
                engine.Session.Dispose();
                throw;
            }

            return (engine, state.Step);
        });
    }

    private TrainingEngine Engine()
        => new(_model, (_options.Device ?? Device.Cpu).CreateTrainingSession(_model.Parameters, _options.Seed, _options.Threads), _options);

    private TrainingState State(TrainingDataset dataset, long step) => new()
    {
        Step = step,
        Seed = _options.Seed,
        DataFingerprint = dataset.Fingerprint,
        DataTokens = dataset.TrainTokens,
        BatchSize = _options.BatchSize,
        MicroBatches = _options.MicroBatches,
        ContextLength = ContextLength,
    };
}
