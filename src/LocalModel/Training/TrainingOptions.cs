using Kotonoha.Foundation;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training;

/// <summary>How a model is trained. <see cref="Steps"/> is the dial; the rest has defaults that suit a small GPT.</summary>
public sealed record TrainingOptions
{
    private const int LongestWarmup = 100;

    /// <summary>The number of steps of the whole run, those before a resume included.</summary>
    public int Steps { get; init; } = 2000;

    /// <summary>Windows of text in a micro-batch.</summary>
    public int BatchSize { get; init; } = 12;

    /// <summary>Tokens in a window; null for the model's context length.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Micro-batches in a step: their gradients are accumulated, which trains with large batches in little memory.</summary>
    public int MicroBatches { get; init; } = 1;

    /// <summary>
    /// Whether the tensors inside each layer are computed once more when they are differentiated instead of kept (activation
    /// checkpointing, arXiv:1604.06174): memory for another forward pass, the same weights to the last bit. On the processor, of all
    /// models but T5.
    /// </summary>
    public bool RecomputeActivations { get; init; }

    /// <summary>How the losses of micro-batches are weighted.</summary>
    public GradientAccumulation Accumulation { get; init; }

    /// <summary>The highest learning rate of the default schedule.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>
    /// The learning rate of every step; null for a warm-up over a twentieth of the steps (at most 100), then a cosine down to a tenth of
    /// <see cref="LearningRate"/> at the last step.
    /// </summary>
    public LearningRateSchedule? Schedule { get; init; }

    /// <summary>The norm over all gradients above which they are scaled down to it; null for no clipping.</summary>
    public double? MaxGradientNorm { get; init; } = 1.0;

    /// <summary>Which norm <see cref="MaxGradientNorm"/> bounds, and progress reports.</summary>
    public GradientNorm GradientNorm { get; init; }

    /// <summary>The share of each target that is spread over all tokens, from 0 to below 1.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>The optimiser and its settings.</summary>
    public OptimizerOptions Optimizer { get; init; } = new AdamWOptions();

    /// <summary>Which weights are trained, and how fast; null for all that the task names, at one rate.</summary>
    public TrainingScope? Scope { get; init; }

    /// <summary>
    /// How slowly the running average of the weights forgets, below 1 (0.999 over thousands of steps); null for no average. The average is
    /// what is measured, saved and left in the model at the end; training goes on from the weights themselves.
    /// </summary>
    public double? AverageDecay { get; init; }

    /// <summary>What the order of the data and dropout depend on. The same seed, data and steps give the same weights.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Where the model is trained; null for <see cref="Devices.Device.Cpu"/>. A run may go on on another device.</summary>
    public Device? Device { get; init; }

    /// <summary>The threads of the processor that compute; 0 for one per core. The result does not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>Steps between measurements of the held-out loss; 0 for none. It is measured after the last step too.</summary>
    public int EvaluateEvery { get; init; }

    /// <summary>What a language model writes each time it is measured; null for nothing. Other models ignore it.</summary>
    public TrainingSample? Sample { get; init; }

    /// <summary>Where and how often the run is saved; null for not at all.</summary>
    public TrainingCheckpoints? Checkpoints { get; init; }

    internal LearningRateSchedule EffectiveSchedule
        => Schedule ?? LearningRateSchedule.WarmupCosine(LearningRate, LearningRate / 10, Math.Min(LongestWarmup, Steps / 20), Steps);

    /// <summary>What changes the run besides data, seed and batches; the number of steps may be raised.</summary>
    internal IEnumerable<(string Name, string Value)> Settings
    {
        get
        {
            yield return ("optimizer", Optimizer.Described);
            yield return ("learning rate", TrainingState.Text(LearningRate));
            yield return ("schedule", Schedule?.GetType().Name ?? "default");
            yield return ("clipping", MaxGradientNorm is { } norm ? $"{GradientNorm} {TrainingState.Text(norm)}" : "none");
            yield return ("accumulation", Accumulation.ToString());
            yield return ("label smoothing", TrainingState.Text(LabelSmoothing));
            yield return ("layers trained", Scope?.LastLayers is { } last ? $"the last {TrainingState.Text(last)}" : "all");
            yield return ("layer decay", TrainingState.Text(Scope?.LayerDecay ?? 1));
            yield return ("average decay", AverageDecay is { } decay ? TrainingState.Text(decay) : "none");
        }
    }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Steps);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(BatchSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MicroBatches);
        if (ContextLength is { } length)
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length, nameof(ContextLength));
        if (!(LearningRate is > 0 and < double.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(LearningRate), LearningRate, "LearningRate must be above 0 and finite.");
        if (MaxGradientNorm is { } norm)
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(norm, nameof(MaxGradientNorm));
        if (!(LabelSmoothing is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(LabelSmoothing), LabelSmoothing,
                "LabelSmoothing must be at least 0 and less than 1.");
        ArgumentOutOfRangeException.ThrowIfNegative(Threads);
        ArgumentOutOfRangeException.ThrowIfNegative(EvaluateEvery);
        if (Checkpoints is not null)
            ArgumentOutOfRangeException.ThrowIfNegative(Checkpoints.Every, nameof(Checkpoints));
        ArgumentNullException.ThrowIfNull(Optimizer);
        Optimizer.Validate();
        Scope?.Validate();
        if (AverageDecay is { } decay && !(decay is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(AverageDecay), decay, "AverageDecay must be at least 0 and less than 1.");
    }
}

/// <summary>A norm over all gradients.</summary>
public enum GradientNorm
{
    /// <summary>The root of the sum of squares.</summary>
    Euclidean,

    /// <summary>The sum of absolute values.</summary>
    Sum,

    /// <summary>The largest absolute value.</summary>
    Maximum,
}

/// <summary>How the losses of the micro-batches of a step become its objective.</summary>
public enum GradientAccumulation
{
    /// <summary>The mean of the micro-batches' mean losses (nanoGPT).</summary>
    MeanOfMeans,

    /// <summary>The mean over all counted labels of the step, whichever micro-batch they are in.</summary>
    TokenWeighted,
}

/// <summary>The progress of a training run; reported after every step.</summary>
/// <param name="Step">Steps done, those before a resume included.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="Loss">The objective of the last step in nats per token.</param>
/// <param name="GradientNorm">The L2 norm of the last step's gradients before clipping.</param>
/// <param name="LearningRate">The learning rate of the last step.</param>
/// <param name="TokensPerSecond">Tokens trained on per second, since this run began.</param>
/// <param name="TimeLeft">The expected time to the last step.</param>
/// <param name="ValidationLoss">The held-out loss in nats per token, where it was measured after this step.</param>
public readonly record struct TrainingProgress(
    long Step, long Steps, double Loss, double GradientNorm, double LearningRate, double TokensPerSecond, TimeSpan TimeLeft,
    double? ValidationLoss)
{
    /// <summary>What the recipe measured besides: of the step, and on what is held out where that was due.</summary>
    public IReadOnlyList<Measurement> Measurements { get; init; } = [];

    /// <summary>What the model wrote where <see cref="TrainingOptions.Sample"/> was due: prompt and continuation; null elsewhere.</summary>
    public string? Sample { get; init; }
}

/// <summary>A short text by the model that is being trained; a function of weights, seed and step.</summary>
/// <param name="Tokenizer">The model's tokenizer.</param>
/// <param name="Prompt">What is continued; not empty.</param>
public sealed record TrainingSample(Tokenizer Tokenizer, string Prompt)
{
    /// <summary>The prompt as the model reads it, where that is not its plain text (a rendered conversation); null for the
    /// text.</summary>
    public IReadOnlyList<int>? PromptIds { get; init; }

    /// <summary>The most tokens that are written.</summary>
    public int MaxTokens { get; init; } = 60;

    /// <summary>What logits are divided by; 0 takes the most likely token each time.</summary>
    public double Temperature { get; init; } = 0.7;

    /// <summary>The token that ends the text; null for none.</summary>
    public int? EndId { get; init; }

    internal string Write(CausalModel model, InferenceSession session, ulong seed, long step, CancellationToken cancellationToken)
    {
        int most = Math.Max(1, model.ContextLength / 2);
        int[] prompt = PromptIds is { } given ? [.. given.TakeLast(most)] : [.. Tokenizer.Encode(Prompt).Take(most)];
        if (prompt.Length == 0)
            return "";
        var options = new RolloutOptions(Math.Min(MaxTokens, model.ContextLength - prompt.Length), Temperature, EndId);
        int[] ids = Rollouts.Sample(model, session, [prompt], 1, options, seed, step, cancellationToken)[0].Ids;
        return PromptIds is null
            ? Tokenizer.Decode(ids, skipSpecialTokens: true)
            : Prompt + Tokenizer.Decode(ids[prompt.Length..], skipSpecialTokens: true);
    }
}

/// <summary>The result of a training run.</summary>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="ResumedFrom">The step that it went on from; 0 for a fresh run.</param>
/// <param name="Loss">The objective of the last step in nats per token; null where the run was complete before.</param>
/// <param name="ValidationLoss">The held-out loss in nats per token, where it was measured.</param>
/// <param name="TokensPerSecond">Tokens trained on per second.</param>
/// <param name="Duration">The time that it took.</param>
/// <param name="Checkpoint">The folder of the last checkpoint, where one was saved.</param>
public sealed record TrainingResult(
    long Steps, long ResumedFrom, double? Loss, double? ValidationLoss, double TokensPerSecond, TimeSpan Duration, string? Checkpoint)
{
    /// <summary>What was measured on what is held out after the last step; empty where nothing was.</summary>
    public IReadOnlyList<Measurement> Measurements { get; init; } = [];
}

/// <summary>A training run that cannot go on: its loss is not a number any more, or its data do not fit the model.</summary>
/// <param name="message">What failed, at which step, and what to do.</param>
public sealed class TrainingException(string message) : KotonohaException(message);
