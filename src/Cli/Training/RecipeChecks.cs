using System.Globalization;

namespace Kotonoha.Cli.Training;

/// <summary>What is wrong with the settings of a recipe, before anything is read or written.</summary>
internal static class RecipeChecks
{
    private const double MostSmoothedPairs = 0.5;
    private static readonly string[] Optimizers = ["adamw", "muon", "lion", "sgd"];
    private static readonly string[] Schedules = ["cosine", "wsd", "constant", "inverse-sqrt"];
    private static readonly string[] Methods = ["dpo", "ipo", "kto", "orpo", "simpo", "cpo"];
    private static readonly string[] SmoothedMethods = ["dpo", "simpo", "cpo"];

    /// <summary>Checks what can be told without data and models.</summary>
    /// <exception cref="UsageException">A setting is missing, out of its range, or would be ignored; it is named.</exception>
    public static void Check(RecipeSettings settings)
    {
        var recipe = settings.Recipe;
        if (!RecipeRunner.Recipes.ContainsKey(recipe))
            throw new UsageException($"there is no recipe '{recipe}'; there are {string.Join(", ", RecipeRunner.Recipes.Keys)}");
        if (settings.Out.Length == 0)
            throw new UsageException($"train {recipe} needs --out, the folder for the result");
        if (settings.Data.Length == 0)
            throw new UsageException($"train {recipe} needs --data");
        if (!File.Exists(settings.Data) && !Directory.Exists(settings.Data))
            throw new UsageException($"--data '{settings.Data}': there is no such file or folder");
        if (settings.HeldOut.Length > 0 && !File.Exists(settings.HeldOut) && !Directory.Exists(settings.HeldOut))
            throw new UsageException($"--held-out '{settings.HeldOut}': there is no such file or folder");
        if (recipe is "preferences" or "reward" or "grpo" or "ppo" && settings.Model.Length == 0)
            throw new UsageException($"train {recipe} needs --model, the model to go on from");
        if (recipe is "distill" or "ppo" && settings.Teacher.Length == 0)
            throw new UsageException($"train {recipe} needs --teacher");
        CheckRanges(settings);
        CheckTogether(settings);
    }

    private static void CheckRanges(RecipeSettings settings)
    {
        Within<int>("steps", settings.Steps, v => v >= 1, "at least 1");
        Within<int>("batch", settings.Batch, v => v >= 1, "at least 1");
        Within("accumulate", settings.Accumulate, v => v >= 1, "at least 1");
        Within("depth", settings.Depth, v => v >= 1, "at least 1");
        Within("vocabulary", settings.Vocabulary, v => v >= 1, "at least 1");
        Within("context", settings.Context, v => v >= 2, "at least 2");
        Within("lora", settings.Lora, v => v >= 1, "at least 1");
        Within("last-layers", settings.LastLayers, v => v >= 1, "at least 1");
        Within("evaluate-every", settings.EvaluateEvery, v => v >= 1, "at least 1");
        Within("warmup", settings.Warmup, v => v >= 0 && v < settings.Steps, "from 0 to below --steps");
        Within("max-tokens", settings.MaxTokens, v => v >= 1, "at least 1");
        int least = settings.Recipe == "grpo" ? 2 : 1;
        Within("group", settings.Group, v => v >= least,
            least == 2 ? "at least 2: the completions of a prompt are compared with each other" : "at least 1");
        Within("learning-rate", settings.LearningRate, v => v > 0 && double.IsFinite(v), "a number above 0");
        Within("weight-decay", settings.WeightDecay, v => v >= 0 && double.IsFinite(v), "a number from 0 on");
        Within("lora-alpha", settings.LoraAlpha, v => v > 0 && double.IsFinite(v), "a number above 0");
        Within("beta", settings.Beta, v => v > 0 && double.IsFinite(v), "a number above 0");
        Within("temperature", settings.Temperature, v => v > 0 && double.IsFinite(v), "a number above 0");
        Within("alpha", settings.Alpha, v => v is >= 0 and <= 1, "from 0 to 1");
        Within("dropout", settings.Dropout, v => v is >= 0 and < 1, "from 0 to below 1");
        Within("average-decay", settings.AverageDecay, v => v is >= 0 and < 1, "from 0 to below 1");
        Within("layer-decay", settings.LayerDecay, v => v is > 0 and <= 1, "above 0, at most 1");
        double most = settings.Recipe == "preferences" ? MostSmoothedPairs : 1;
        Within("label-smoothing", settings.LabelSmoothing, v => v >= 0 && v < most,
            string.Create(CultureInfo.InvariantCulture, $"from 0 to below {most}"));
        OneOf("optimizer", settings.Optimizer, Optimizers);
        OneOf("schedule", settings.Schedule, Schedules);
        OneOf("method", settings.Method, Methods);
    }

    // An option is honoured, or refused.
    private static void CheckTogether(RecipeSettings settings)
    {
        var recipe = settings.Recipe;
        if (settings.Lora is not null && settings.Model.Length == 0)
            throw new UsageException($"train {recipe}: --lora needs --model, the model that the adapter is for");
        if (settings.Lora is null)
            foreach (var (name, given) in (ReadOnlySpan<(string, bool)>)[("dora", settings.Dora), ("rslora", settings.Rslora),
                ("lora-alpha", settings.LoraAlpha is not null), ("lora-targets", settings.LoraTargets is not null)])
                if (given)
                    throw new UsageException($"--{name} goes with --lora, the rank of the adapter");
        if (settings.Lora is not null && settings.LastLayers is not null)
            throw new UsageException("--lora and --last-layers exclude each other: an adapter leaves all layers as they are; "
                + "--lora-targets says which get one");
        if (settings.Model.Length > 0)
            foreach (var (name, given) in (ReadOnlySpan<(string, bool)>)[("depth", settings.Depth is not null),
                ("vocabulary", settings.Vocabulary is not null), ("dropout", settings.Dropout is not null && settings.Lora is null)])
                if (given)
                    throw new UsageException($"--{name} is for a new model, and --model goes on from one"
                        + (name == "dropout" ? "; with --lora it is the adapter's" : ""));
        if (recipe == "preferences" && settings.LabelSmoothing is not null && !SmoothedMethods.Contains(settings.Method ?? "dpo"))
            throw new UsageException($"--label-smoothing is for the methods {string.Join(", ", SmoothedMethods)}, not for "
                + $"'{settings.Method}'");
    }

    private static void Within<T>(string name, T? value, Func<T, bool> isWithin, string range)
        where T : struct
    {
        if (value is { } given && !isWithin(given))
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--{name} {given}: {range}"));
    }

    private static void OneOf(string name, string? value, string[] known)
    {
        if (value is not null && !known.Contains(value))
            throw new UsageException($"--{name} '{value}': there are {string.Join(", ", known)}");
    }
}
