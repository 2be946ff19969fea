namespace Kotonoha.Client;

/// <summary>What a run learns, from what and how; null leaves a value to the recipe.</summary>
/// <param name="Recipe">One of <c>GET /api/training/recipes</c>.</param>
public sealed record TrainingSettings(string Recipe)
{
    /// <summary>The name of an uploaded file; or a <c>collection</c>.</summary>
    public string? Data { get; init; }

    /// <summary>A collection that follows a folder, whose texts (.txt, .md) are learned.</summary>
    public string? Collection { get; init; }

    /// <summary>The uploaded file that is measured on; null for the last tenth of the data.</summary>
    public string? HeldOut { get; init; }

    /// <summary>The model to go on from: one that is served, or a finished run. Null for a small new one.</summary>
    public string? Model { get; init; }

    /// <summary>The model that teaches, or the reward model.</summary>
    public string? Teacher { get; init; }

    /// <summary>Training steps.</summary>
    public int Steps { get; init; } = 1000;

    /// <summary>Texts in a step.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Batches whose gradients make a step.</summary>
    public int? Accumulate { get; init; }

    /// <summary>The longest text in tokens; for <c>grpo</c> and <c>ppo</c> the same as <see cref="MaxTokens"/>.</summary>
    public int? Context { get; init; }

    /// <summary>For <c>grpo</c> and <c>ppo</c>: the most tokens of a completion.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>For <c>grpo</c> and <c>ppo</c>: the completions of each prompt.</summary>
    public int? Group { get; init; }

    /// <summary>What logits are divided by: of completions (<c>grpo</c>, <c>ppo</c>), of both models (<c>distill</c>).</summary>
    public double? Temperature { get; init; }

    /// <summary>For <c>distill</c>: the teacher's share in the loss, from 0 to 1.</summary>
    public double? Alpha { get; init; }

    /// <summary>The highest learning rate.</summary>
    public double? LearningRate { get; init; }

    /// <summary><c>adamw</c>, <c>muon</c>, <c>lion</c> or <c>sgd</c>.</summary>
    public string? Optimizer { get; init; }

    /// <summary><c>cosine</c>, <c>wsd</c>, <c>constant</c> or <c>inverse-sqrt</c>.</summary>
    public string? Schedule { get; init; }

    /// <summary>Steps in which the learning rate rises.</summary>
    public int? Warmup { get; init; }

    /// <summary>The decay of matrices.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>The learning rate of each layer's predecessor, as a share.</summary>
    public double? LayerDecay { get; init; }

    /// <summary>
    /// The share of each target that is spread over all tokens; of preferences, the share of pairs taken for labelled the wrong way round.
    /// </summary>
    public double? LabelSmoothing { get; init; }

    /// <summary>The dropout of a new model, or of an adapter, from 0 to below 1.</summary>
    public double? Dropout { get; init; }

    /// <summary>Train the last layers alone.</summary>
    public int? LastLayers { get; init; }

    /// <summary>Train an adapter of this rank in place of the weights.</summary>
    public int? Lora { get; init; }

    /// <summary>What an adapter adds is multiplied by this over its rank; null for twice the rank.</summary>
    public double? LoraAlpha { get; init; }

    /// <summary>The ends of the names of the layers that get an adapter, with commas between; null for all but the head.</summary>
    public string? LoraTargets { get; init; }

    /// <summary>Train an adapter's lengths apart from its directions.</summary>
    public bool Dora { get; init; }

    /// <summary>Scale an adapter by the root of its rank.</summary>
    public bool Rslora { get; init; }

    /// <summary>The decay of a running average of the weights, below 1.</summary>
    public double? AverageDecay { get; init; }

    /// <summary>The layers of a new model; width, heads and learning rate follow.</summary>
    public int? Depth { get; init; }

    /// <summary>The tokens of a new tokenizer.</summary>
    public int? Vocabulary { get; init; }

    /// <summary>For preferences: <c>dpo</c>, <c>ipo</c>, <c>kto</c>, <c>orpo</c>, <c>simpo</c> or <c>cpo</c>.</summary>
    public string? Method { get; init; }

    /// <summary>For preferences: how closely the model is held.</summary>
    public double? Beta { get; init; }

    /// <summary>What all random numbers come from.</summary>
    public int? Seed { get; init; }

    /// <summary>Steps between measurements, checkpoints and samples.</summary>
    public int? EvaluateEvery { get; init; }

    /// <summary>What a language model continues each time it is measured; null for the beginning of the data.</summary>
    public string? SamplePrompt { get; init; }

    /// <summary>For chat and completions: cut texts that are too long instead of leaving them out.</summary>
    public bool CutLong { get; init; }

    /// <summary>Leave out lines of data that cannot be read.</summary>
    public bool SkipBadLines { get; init; }

    /// <summary>Compute what lies inside layers twice instead of keeping it: less memory, more time, the same result.</summary>
    public bool Recompute { get; init; }
}

/// <summary>A recipe.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Data">What it reads: <c>texts</c>, or the fields of JSON lines, or <c>squad</c>.</param>
/// <param name="NeedsModel">Whether it goes on from a model, and cannot begin with a new one.</param>
/// <param name="NeedsTeacher">Whether it needs a second model.</param>
/// <param name="Served">Whether the result can be served.</param>
public sealed record TrainingRecipeInfo(string Name, string Data, bool NeedsModel, bool NeedsTeacher, bool Served);

/// <summary>A file that was uploaded to be learned from.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its size.</param>
public sealed record TrainingDataInfo(string Name, long Bytes);

/// <summary>What a run costs, by a step that was measured.</summary>
/// <param name="TrainedWeights">The weights that are trained.</param>
/// <param name="TokensInStep">The tokens of a step.</param>
/// <param name="Steps">The steps.</param>
/// <param name="SecondsInStep">The time of a step.</param>
/// <param name="Tokens">All tokens.</param>
/// <param name="Flops">Floating-point operations, 6 for each weight and token.</param>
/// <param name="StateBytes">Memory for weights, gradients and moments; activations come on top.</param>
/// <param name="Duration">The time of all steps.</param>
public sealed record TrainingCostInfo(
    long TrainedWeights, long TokensInStep, long Steps, double SecondsInStep, long Tokens, double Flops, long StateBytes,
    TimeSpan Duration);

/// <summary>A new run.</summary>
/// <param name="Name">Letters, digits, <c>-</c>, <c>_</c> and <c>.</c>, at most 64; also the model's name once it is served.</param>
/// <param name="Settings">What it learns.</param>
public sealed record StartTraining(string Name, TrainingSettings Settings);

/// <summary>How a run stands.</summary>
public enum TrainingRunState
{
    /// <summary>It trains.</summary>
    Running,

    /// <summary>It has been told to stop, and saves.</summary>
    Stopping,

    /// <summary>It has stopped, and can go on.</summary>
    Stopped,

    /// <summary>All steps are done.</summary>
    Finished,

    /// <summary>It has ended with a problem; it goes on from its last checkpoint.</summary>
    Failed,
}

/// <summary>A run.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Settings">What it learns.</param>
/// <param name="State">How it stands.</param>
/// <param name="Problem">Why it failed, or null.</param>
/// <param name="Created">When it was first started.</param>
/// <param name="Step">The steps that are done.</param>
/// <param name="Cost">What was said before it started, or null where it has not come so far.</param>
/// <param name="Served">Whether its result is a model of the server.</param>
public sealed record TrainingRunInfo(
    string Name, TrainingSettings Settings, TrainingRunState State, string? Problem, DateTimeOffset Created, long Step,
    TrainingCostInfo? Cost, bool Served);

/// <summary>A line of a run's log.</summary>
/// <param name="Step">The step, from 1.</param>
/// <param name="Figures"><c>loss</c>, <c>learning_rate</c>, <c>tokens_per_second</c>; <c>held_out_loss</c> and what else the recipe
/// measures, where it was due.</param>
/// <param name="Sample">What the model wrote, where it was due.</param>
public sealed record TrainingPoint(long Step, IReadOnlyDictionary<string, double> Figures, string? Sample);
