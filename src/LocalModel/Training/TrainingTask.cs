using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Layers;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// What a run teaches a model: which weights are trained, how a micro-batch is drawn, what its loss is, how the result is measured and
/// saved. <see cref="Trainer"/> does the rest for all of them: steps, clipping, schedule, checkpoints, resume. The recipes of
/// <c>Training/Recipes</c> are the tasks there are.
/// </summary>
/// <remarks>What is drawn must depend on seed, step and micro-batch alone, so that a resumed run goes on exactly.</remarks>
public abstract class TrainingTask : IDisposable
{
    private Func<Pass, Tensor>? _lossFunction;

    private protected TrainingTask()
    {
    }

    /// <summary>The recipe's name, as the command line has it.</summary>
    public abstract string Name { get; }

    /// <summary>The weights that are trained; others stay as they are.</summary>
    internal abstract IReadOnlyList<Parameter> Trained { get; }

    /// <summary>A hash of what is trained on, by which a resumed run recognises its data.</summary>
    internal abstract ulong Fingerprint { get; }

    /// <summary>The size of what is trained on: tokens, pairs, texts.</summary>
    internal abstract long Size { get; }

    /// <summary>The recipe's own settings that change the run, by which a resumed run is recognised.</summary>
    internal virtual IEnumerable<(string Name, string Value)> RunSettings => [];

    /// <summary>How many steps are taken on what the model itself wrote before it writes anew; 1 where it writes nothing.</summary>
    internal virtual int StepsBetweenRollouts => 1;

    /// <summary><see cref="Loss"/> as a delegate, made once.</summary>
    internal Func<Pass, Tensor> LossFunction => _lossFunction ??= Loss;

    /// <summary>The longest sequence of a batch.</summary>
    internal virtual int ContextLength(TrainingOptions options) => options.ContextLength ?? 1;

    /// <summary>Checks the options against model and data, and prepares for drawing.</summary>
    /// <exception cref="TrainingException">The data do not fit the model or the options.</exception>
    internal abstract void Prepare(TrainingOptions options);

    /// <summary>Told before each step, when the weights are those that it starts from: where data come from the model itself.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="session">What trains; its evaluation pass may be used.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal virtual void BeginStep(long step, TrainingSession session, CancellationToken cancellationToken)
    {
    }

    /// <summary>Brings up to date what depends on weights that a step has changed: before measuring, and at the end.</summary>
    /// <param name="session">What trains.</param>
    internal virtual void Settle(TrainingSession session)
    {
    }

    /// <summary>Draws a micro-batch, which <see cref="Loss"/> is then taken on.</summary>
    internal abstract DrawnBatch Draw(long step, int microBatch);

    /// <summary>The mean loss of the micro-batch drawn last: (1, 1).</summary>
    internal abstract Tensor Loss(Pass pass);

    /// <summary>Measures on what is held out; the loss, or what stands for it, comes first. Empty where nothing is held out.</summary>
    internal abstract IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken);

    /// <summary>What the last step showed besides its loss (rewards, divergence); most often empty.</summary>
    internal virtual IReadOnlyList<Measurement> StepMeasurements => [];

    /// <summary>Writes the model into a checkpoint's folder.</summary>
    internal abstract void Save(string folder, CheckpointParts parts);

    /// <summary>Takes the weights of a checkpoint that <see cref="Save"/> wrote.</summary>
    /// <exception cref="CheckpointException">The checkpoint is of another model.</exception>
    internal abstract void Load(string folder);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the task made itself; model and data belong to the caller.</summary>
    /// <param name="disposing">Whether it is called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>The size of a micro-batch.</summary>
/// <param name="Tokens">The tokens that the model runs on.</param>
/// <param name="Counted">The places on which a loss is taken: what the micro-batch weighs in a step.</param>
internal readonly record struct DrawnBatch(int Tokens, int Counted);

/// <summary>A named figure of a run.</summary>
/// <param name="Name">What was measured: <c>loss</c>, <c>accuracy</c>, <c>reward</c>, …</param>
/// <param name="Value">The figure.</param>
public readonly record struct Measurement(string Name, double Value);

/// <summary>A recipe over a language model: which of its weights are trained, and how it is saved.</summary>
public abstract class CausalTask : TrainingTask
{
    private readonly IReadOnlyList<(Linear Layer, TrainedAdapter Adapter)> _adapters;
    private long? _scoredVersion;

    /// <param name="model">The model; an adapter that was attached to be trained is trained in its place.</param>
    private protected CausalTask(CausalModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        (Model, _adapters) = (model, Lora.Of(model));
    }

    /// <summary>The model.</summary>
    public CausalModel Model { get; }

    /// <inheritdoc/>
    internal override IReadOnlyList<Parameter> Trained => _adapters.Count > 0 ? [.. _adapters.SelectMany(a => a.Adapter.Parameters)]
        : Model.Parameters;

    /// <inheritdoc/>
    internal override IEnumerable<(string Name, string Value)> RunSettings => _adapters is [{ Adapter: var adapter }, ..]
        ?
        [
            ("adapter", $"{(adapter.Magnitude is null ? "LoRA" : "DoRA")} of rank {TrainingState.Text(adapter.Down.Shape[0])} in "
                + $"{TrainingState.Text(_adapters.Count)} layers, alpha {TrainingState.Text(adapter.Scaling.Alpha)}"
                + $"{(adapter.Scaling.RankStabilized ? ", rank-stabilised" : "")}, dropout {TrainingState.Text(adapter.Scaling.Dropout)}"),
        ]
        : [("adapter", "none")];

    /// <inheritdoc/>
    internal override int ContextLength(TrainingOptions options) => options.ContextLength ?? Model.ContextLength;

    /// <inheritdoc/>
    internal override void BeginStep(long step, TrainingSession session, CancellationToken cancellationToken) => Settle(session);

    /// <inheritdoc/>
    internal override void Settle(TrainingSession session)
    {
        // DoRA's lengths of outputs.
        if (_adapters is not [{ Adapter.Magnitude: not null }, ..])
            return;
        session.Download();
        Lora.Refresh(Model, session.Evaluation);
    }

    /// <summary>
    /// Scores by the model as it is, the reference of what it learns: before a checkpoint is loaded, so that a resumed run has the same
    /// one, and once while the weights are the same.
    /// </summary>
    /// <param name="options">The device and its threads.</param>
    /// <param name="score">Keeps the scores; the session has the weights.</param>
    private protected void ScoreReference(TrainingOptions options, Action<InferenceSession> score)
    {
        long version = Trained.Sum(p => (long)p.Version);
        if (version == _scoredVersion)
            return;
        using var session = (options.Device ?? Devices.Device.Cpu).CreateInferenceSession(options.Threads);
        session.Load(Model.Parameters);
        Lora.Refresh(Model, session);
        score(session);
        _scoredVersion = Trained.Sum(p => (long)p.Version);
    }

    /// <inheritdoc/>
    internal override void Save(string folder, CheckpointParts parts)
    {
        if (_adapters.Count > 0)
            Model.SaveLora(folder);
        else
            ModelCheckpoint.Write(Model, folder, parts);
    }

    /// <inheritdoc/>
    internal override void Load(string folder)
    {
        if (_adapters.Count > 0)
            LoraAdapter.Open(folder).LoadInto(Model);
        else
            ModelCheckpoint.LoadInto(Model, folder);
    }
}
