using System.CommandLine;
using System.Globalization;

namespace Kotonoha.Cli.Training;

/// <summary>A setting of recipes: an option of the command line, and a key of <c>train.yaml</c>.</summary>
internal abstract class RecipeOption
{
    private static readonly string[] NewModels =
        ["text", "distill", "chat", "completions", "masked", "classify", "tag", "answers", "embed", "translation"];

    private static readonly string[] Gpts = ["text", "distill", "chat", "completions", "preferences", "grpo", "ppo"];
    private static readonly string[] Sampling = ["grpo", "ppo"];
    private static readonly string[] Smoothed = ["text", "chat", "completions", "translation", "preferences"];

    /// <summary>All settings, in the order of the help: what is learned, the model, the steps, the recipe's own, measuring.</summary>
    public static IReadOnlyList<RecipeOption> All { get; } =
    [
        Text("data", "PATH", "What is learned: a file or a folder.", null, (s, v) => s with { Data = v }),
        Text("held-out", "FILE", "What is measured on (default: the last tenth of --data).", null, (s, v) => s with { HeldOut = v }),
        Text("out", "DIR", "The folder for checkpoints, log and chart.", null, (s, v) => s with { Out = v }),
        Flag("skip-bad-lines", "Leave out lines of data that cannot be read.", null, (s, v) => s with { SkipBadLines = v }),
        Flag("cut-long", "Cut texts that are longer than --context instead of leaving them out.", ["chat", "completions"],
            (s, v) => s with { CutLong = v }),

        Text("model", "DIR", "The model to go on from (default: a small new one).", null, (s, v) => s with { Model = v }),
        Text("teacher", "DIR", "The model that teaches, or the reward model.", ["distill", "ppo"], (s, v) => s with { Teacher = v }),
        Whole("depth", "N", "The layers of a new model; the rest follows (default 4).", NewModels, (s, v) => s with { Depth = v }),
        Whole("vocabulary", "N", "The tokens of a new tokenizer (default 4096).", [.. NewModels.Where(r => r != "distill")],
            (s, v) => s with { Vocabulary = v }),
        Number("dropout", "P", "The dropout of a new model, or of an adapter (--lora).", [.. NewModels.Union(Gpts)],
            (s, v) => s with { Dropout = v }),
        Whole("lora", "RANK", "Train an adapter of this rank in place of the weights.", Gpts, (s, v) => s with { Lora = v }),
        Number("lora-alpha", "A", "With --lora: what the adapter adds is multiplied by A / RANK (default: twice the rank).", Gpts,
            (s, v) => s with { LoraAlpha = v }),
        Text("lora-targets", "NAMES", "With --lora: the ends of the layers' names, with commas between (default: all but the head).", Gpts,
            (s, v) => s with { LoraTargets = v }),
        Flag("dora", "With --lora: train lengths apart from directions.", Gpts, (s, v) => s with { Dora = v }),
        Flag("rslora", "With --lora: scale by the root of the rank.", Gpts, (s, v) => s with { Rslora = v }),
        Whole("last-layers", "N", "Train the last layers alone.", null, (s, v) => s with { LastLayers = v }),

        Whole("steps", "N", "Training steps (default 1000).", null, (s, v) => s with { Steps = v }),
        Whole("batch", "N", "Texts in a step (default 8).", null, (s, v) => s with { Batch = v }),
        Whole("accumulate", "N", "Batches whose gradients make a step (default 1).",
            [.. RecipeRunner.Recipes.Keys.Where(r => !Sampling.Contains(r))], (s, v) => s with { Accumulate = v }),
        Whole("context", "N", "The longest text in tokens (default: the model's context; for chat at most 2048, and 512 for a new model).",
            [.. RecipeRunner.Recipes.Keys.Where(r => !Sampling.Contains(r))], (s, v) => s with { Context = v }),
        Number("learning-rate", "R", "The highest learning rate.", null, (s, v) => s with { LearningRate = v }),
        Whole("warmup", "N", "Steps in which the learning rate rises (default: a twentieth of the run, at most 100).", null,
            (s, v) => s with { Warmup = v }),
        Text("schedule", "NAME", "cosine (default), wsd, constant or inverse-sqrt.", null, (s, v) => s with { Schedule = v }),
        Text("optimizer", "NAME", "adamw (default), muon, lion or sgd.", null, (s, v) => s with { Optimizer = v }),
        Number("weight-decay", "D", "The decay of matrices (default 0.1; 0 for sgd and for adapters by adamw).", null,
            (s, v) => s with { WeightDecay = v }),
        Number("label-smoothing", "E", "The share of each target that is spread over all tokens; of preferences, the share of pairs taken "
            + "for labelled the wrong way round.", Smoothed, (s, v) => s with { LabelSmoothing = v }),
        Number("layer-decay", "D", "The learning rate of each layer's predecessor, as a share.", null,
            (s, v) => s with { LayerDecay = v }),
        Number("average-decay", "D", "Keep a running average of the weights.", null, (s, v) => s with { AverageDecay = v }),
        Flag("recompute", "Compute what lies inside layers twice instead of keeping it: less memory, more time, the same result.", null,
            (s, v) => s with { Recompute = v }),
        Setting<ulong>("seed", "N", "What all random numbers come from (default 1).", null, "a whole number from 0 on",
            text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong v) ? v : null,
            (s, v) => s with { Seed = v }),

        Text("method", "NAME", "dpo (default), ipo, kto, orpo, simpo, cpo.", ["preferences"], (s, v) => s with { Method = v }),
        Number("beta", "B", "How closely the model is held to what it was (default 0.1).", ["preferences"], (s, v) => s with { Beta = v }),
        Whole("group", "N", "The completions of each prompt (default 8).", Sampling, (s, v) => s with { Group = v }),
        Whole("max-tokens", "N", "The most tokens of a completion (default 64, at most half of the context).", Sampling,
            (s, v) => s with { MaxTokens = v }),
        Number("temperature", "T", "What logits are divided by: of completions (default 1), of both models (distill: default 2).",
            [.. Sampling, "distill"], (s, v) => s with { Temperature = v }),
        Number("alpha", "A", "The teacher's share in the loss (default 0.5).", ["distill"], (s, v) => s with { Alpha = v }),

        Whole("evaluate-every", "N", "Steps between measurements, checkpoints and samples (default: a quarter of the run).", null,
            (s, v) => s with { EvaluateEvery = v }),
        Text("sample-prompt", "TEXT", "What the model continues each time it is measured (default: the beginning of the data).", Gpts,
            (s, v) => s with { SamplePrompt = v }),
    ];

    /// <summary>Its name in YAML; on the command line it has two dashes before it.</summary>
    public required string Key { get; init; }

    /// <summary>The recipes that have it; null for all.</summary>
    public required IReadOnlyList<string>? Recipes { get; init; }

    /// <summary>The option of the command line.</summary>
    public required Option Option { get; init; }

    /// <summary>Whether a recipe has it.</summary>
    public bool IsFor(string recipe) => Recipes?.Contains(recipe) ?? true;

    /// <summary>Takes over what the command line says; nothing where it says nothing.</summary>
    public abstract RecipeSettings Apply(ParseResult parsed, RecipeSettings settings);

    /// <summary>Takes over a value of a YAML file.</summary>
    /// <exception cref="FormatException">It is no such value.</exception>
    public abstract RecipeSettings Apply(string text, RecipeSettings settings);

    private static RecipeOption Text(
        string key, string help, string description, string[]? recipes, Func<RecipeSettings, string, RecipeSettings> set)
        => new Reference
        {
            Key = key,
            Recipes = recipes,
            Option = new Option<string?>("--" + key) { Description = description, HelpName = help },
            Set = set,
        };

    private static RecipeOption Whole(
        string key, string help, string description, string[]? recipes, Func<RecipeSettings, int, RecipeSettings> set)
        => Setting<int>(key, help, description, recipes, "a whole number",
            text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int v) ? v : null, set);

    private static RecipeOption Number(
        string key, string help, string description, string[]? recipes, Func<RecipeSettings, double, RecipeSettings> set)
        => Setting<double>(key, help, description, recipes, "a number",
            text => double.TryParse(text.TrimStart('.'), CultureInfo.InvariantCulture, out double v) && !double.IsFinite(v) ? v
                : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out v) ? v : null, set);

    private static RecipeOption Flag(
        string key, string description, string[]? recipes, Func<RecipeSettings, bool, RecipeSettings> set)
        => new Value<bool>
        {
            Key = key,
            Recipes = recipes,
            Option = new Option<bool>("--" + key) { Description = description },
            Kind = "true or false",
            Parse = text => bool.TryParse(text, out bool v) ? v : null,
            Set = set,
        };

    private static RecipeOption Setting<T>(
        string key, string help, string description, string[]? recipes, string kind, Func<string, T?> parse,
        Func<RecipeSettings, T, RecipeSettings> set)
        where T : struct
        => new Value<T>
        {
            Key = key,
            Recipes = recipes,
            Option = new Option<T?>("--" + key) { Description = description, HelpName = help },
            Kind = kind,
            Parse = parse,
            Set = set,
        };

    private sealed class Reference : RecipeOption
    {
        public required Func<RecipeSettings, string, RecipeSettings> Set { get; init; }

        public override RecipeSettings Apply(ParseResult parsed, RecipeSettings settings)
            => parsed.GetValue((Option<string?>)Option) is { } value ? Set(settings, value) : settings;

        public override RecipeSettings Apply(string text, RecipeSettings settings) => Set(settings, text);
    }

    private sealed class Value<T> : RecipeOption
        where T : struct
    {
        public required string Kind { get; init; }

        public required Func<string, T?> Parse { get; init; }

        public required Func<RecipeSettings, T, RecipeSettings> Set { get; init; }

        public override RecipeSettings Apply(ParseResult parsed, RecipeSettings settings) => parsed.GetResult(Option) switch
        {
            null or { Implicit: true } => settings,
            _ when Option is Option<T> flag => Set(settings, parsed.GetValue(flag)),
            _ => parsed.GetValue((Option<T?>)Option) is { } value ? Set(settings, value) : settings,
        };

        public override RecipeSettings Apply(string text, RecipeSettings settings)
            => Parse(text) is { } value ? Set(settings, value) : throw new FormatException($"it should be {Kind}");
    }
}
