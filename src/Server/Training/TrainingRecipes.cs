using System.Globalization;
using Kotonoha.Client;
using Kotonoha.Server.Http;

namespace Kotonoha.Server.Training;

/// <summary>The recipes of <c>kotonoha train</c>, and which settings they take.</summary>
internal static class TrainingRecipes
{
    public const string Texts = "texts", Squad = "squad";

    private const int MaxSteps = 100_000_000, MaxBatch = 65_536, MaxContext = 1 << 20, MaxDepth = 256, MaxVocabulary = 1 << 20;
    private const int MaxRank = 4096, MaxPrompt = 4000;

    public static IReadOnlyList<TrainingRecipeInfo> All { get; } =
    [
        new("text", Texts, NeedsModel: false, NeedsTeacher: false, Served: true),
        new("chat", "messages", NeedsModel: false, NeedsTeacher: false, Served: true),
        new("completions", "prompt, completion", NeedsModel: false, NeedsTeacher: false, Served: true),
        new("preferences", "prompt, chosen, rejected", NeedsModel: true, NeedsTeacher: false, Served: true),
        new("reward", "prompt, chosen, rejected", NeedsModel: true, NeedsTeacher: false, Served: false),
        new("grpo", "prompt, answer", NeedsModel: true, NeedsTeacher: false, Served: true),
        new("ppo", "prompt", NeedsModel: true, NeedsTeacher: true, Served: true),
        new("distill", Texts, NeedsModel: false, NeedsTeacher: true, Served: true),
        new("translation", "source, target", NeedsModel: false, NeedsTeacher: false, Served: false),
        new("masked", Texts, NeedsModel: false, NeedsTeacher: false, Served: false),
        new("classify", "text, label", NeedsModel: false, NeedsTeacher: false, Served: false),
        new("tag", "text, spans", NeedsModel: false, NeedsTeacher: false, Served: false),
        new("answers", Squad, NeedsModel: false, NeedsTeacher: false, Served: false),
        new("embed", "anchor, positive", NeedsModel: false, NeedsTeacher: false, Served: true),
    ];

    /// <summary>What a setting may say.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> Choices { get; } = new Dictionary<string, IReadOnlyList<string>>
    {
        ["optimizer"] = ["adamw", "muon", "lion", "sgd"],
        ["schedule"] = ["cosine", "wsd", "constant", "inverse-sqrt"],
        ["method"] = ["dpo", "ipo", "kto", "orpo", "simpo", "cpo"],
    };

    /// <exception cref="ApiException">There is no such recipe.</exception>
    public static TrainingRecipeInfo Find(string name)
        => All.FirstOrDefault(recipe => recipe.Name == name)
            ?? throw ApiException.Invalid("recipe", $"There is no recipe '{name}'; there are "
                + $"{string.Join(", ", All.Select(recipe => recipe.Name))}.");

    /// <summary>Whether a recipe has a setting, by the name that errors give it.</summary>
    public static bool Has(string recipe, string setting) => setting switch
    {
        "depth" => !Find(recipe).NeedsModel,
        "vocabulary" => !Find(recipe).NeedsModel && recipe != "distill",
        "lora" or "samplePrompt"
            => recipe is "text" or "distill" or "chat" or "completions" or "preferences" || Samples(recipe),
        "method" or "beta" => recipe == "preferences",
        "cutLong" => recipe is "chat" or "completions",
        "teacher" => Find(recipe).NeedsTeacher,
        _ => true,
    };

    /// <summary>Refuses settings that no run could have; names of data and models are looked up elsewhere.</summary>
    /// <exception cref="ApiException">A setting is wrong; it is named.</exception>
    public static void Check(TrainingSettings settings)
    {
        var recipe = Find(settings.Recipe);
        if (settings.Data is null == settings.Collection is null)
            throw ApiException.Invalid("data", "Name either a file of data or a collection.", "missing_required_parameter");
        if (settings.Collection is not null && recipe.Data != Texts)
            throw ApiException.Invalid("collection", $"The recipe '{recipe.Name}' learns from a file ({recipe.Data}), not from documents.");
        if (recipe.NeedsModel && settings.Model is null)
            throw ApiException.Invalid(
                "model", $"The recipe '{recipe.Name}' goes on from a model; name one.", "missing_required_parameter");
        if (recipe.NeedsTeacher && settings.Teacher is null)
            throw ApiException.Invalid(
                "teacher", $"The recipe '{recipe.Name}' needs a second model; name one.", "missing_required_parameter");
        if (settings.Lora is not null && settings.Model is null)
            throw ApiException.Invalid("lora", "An adapter needs a model to go on from.");
        Within("steps", settings.Steps, 1, MaxSteps);
        Within("batch", settings.Batch, 1, MaxBatch);
        Within("context", settings.Context, 2, MaxContext);
        Within("accumulate", settings.Accumulate, 1, MaxBatch);
        Within("maxTokens", settings.MaxTokens, 1, MaxContext);
        Within("group", settings.Group, 1, MaxBatch);
        Within("warmup", settings.Warmup, 0, MaxSteps);
        Within("lastLayers", settings.LastLayers, 1, MaxDepth);
        Within("lora", settings.Lora, 1, MaxRank);
        Within("depth", settings.Depth, 1, MaxDepth);
        Within("vocabulary", settings.Vocabulary, 260, MaxVocabulary);
        Within("seed", settings.Seed, 0, int.MaxValue);
        Within("evaluateEvery", settings.EvaluateEvery, 1, MaxSteps);
        Within("learningRate", settings.LearningRate, double.Epsilon, 10);
        Within("averageDecay", settings.AverageDecay, 0, 1 - 1e-9);
        Within("weightDecay", settings.WeightDecay, 0, 100);
        Within("layerDecay", settings.LayerDecay, double.Epsilon, 1);
        Within("labelSmoothing", settings.LabelSmoothing, 0, 1 - 1e-9);
        Within("dropout", settings.Dropout, 0, 1 - 1e-9);
        Within("loraAlpha", settings.LoraAlpha, double.Epsilon, 1_000_000);
        Within("temperature", settings.Temperature, double.Epsilon, 100);
        Within("alpha", settings.Alpha, 0.0, 1.0);
        Within("beta", settings.Beta, double.Epsilon, 100);
        OneOf("optimizer", settings.Optimizer);
        OneOf("schedule", settings.Schedule);
        OneOf("method", settings.Method);
        if (settings.LoraTargets is { } targets && (targets.Length > MaxPrompt || targets.Any(char.IsControl)))
            throw ApiException.Invalid("loraTargets", "These are no names of layers.");
        if (settings is { Context: not null, MaxTokens: not null } && Samples(recipe.Name))
            throw ApiException.Invalid("context", $"For '{recipe.Name}' this is the same as 'maxTokens'; leave it out.");
        if (settings.SamplePrompt is { Length: > MaxPrompt })
            throw ApiException.Invalid(
                "samplePrompt", $"The prompt has {settings.SamplePrompt.Length} characters; {MaxPrompt} is the limit.");
        if (settings.SamplePrompt?.Contains('\0', StringComparison.Ordinal) ?? false)
            throw ApiException.Invalid("samplePrompt", "The prompt has a control character that no command line takes.");
    }

    /// <summary>The settings as options of the command, but for places of data and models.</summary>
    public static IEnumerable<string> Arguments(TrainingSettings settings)
    {
        foreach (var (name, value) in new (string Name, object? Value)[]
        {
            ("steps", settings.Steps), ("batch", settings.Batch),
            ("accumulate", settings.Accumulate), (Samples(settings.Recipe) ? "max-tokens" : "context", settings.Context),
            ("max-tokens", settings.MaxTokens), ("group", settings.Group), ("temperature", settings.Temperature),
            ("alpha", settings.Alpha), ("learning-rate", settings.LearningRate), ("warmup", settings.Warmup),
            ("optimizer", settings.Optimizer), ("schedule", settings.Schedule), ("weight-decay", settings.WeightDecay),
            ("layer-decay", settings.LayerDecay), ("label-smoothing", settings.LabelSmoothing), ("dropout", settings.Dropout),
            ("last-layers", settings.LastLayers), ("lora", settings.Lora), ("lora-alpha", settings.LoraAlpha),
            ("lora-targets", settings.LoraTargets), ("average-decay", settings.AverageDecay), ("depth", settings.Depth),
            ("vocabulary", settings.Vocabulary), ("method", settings.Method), ("beta", settings.Beta), ("seed", settings.Seed),
            ("evaluate-every", settings.EvaluateEvery), ("sample-prompt", settings.SamplePrompt),
        })
            if (value is not null)
                yield return string.Create(CultureInfo.InvariantCulture, $"--{name}={value}");
        foreach (var (name, isSet) in new[]
        {
            ("cut-long", settings.CutLong), ("skip-bad-lines", settings.SkipBadLines), ("dora", settings.Dora),
            ("rslora", settings.Rslora), ("recompute", settings.Recompute),
        })
            if (isSet)
                yield return $"--{name}";
    }

    // Recipes that learn from completions of their own.
    private static bool Samples(string recipe) => recipe is "grpo" or "ppo";

    private static void Within<T>(string name, T? value, T least, T most)
        where T : struct, IComparable<T>
    {
        if (value is { } given && !(given.CompareTo(least) >= 0 && given.CompareTo(most) <= 0))
            throw ApiException.Invalid(name, FormattableString.Invariant($"'{name}' is {given}; ") + ((object)least, (object)most) switch
            {
                (double.Epsilon, _) => FormattableString.Invariant($"above 0, at most {most}."),
                (_, < 1.0) => "from 0 to below 1.",
                _ => FormattableString.Invariant($"from {least} to {most}."),
            });
    }

    private static void OneOf(string name, string? value)
    {
        if (value is not null && !Choices[name].Contains(value))
            throw ApiException.Invalid(name, $"'{name}' is '{value}'; there are {string.Join(", ", Choices[name])}.");
    }
}
