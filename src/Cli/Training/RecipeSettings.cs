using System.Globalization;
using Kotonoha.Foundation.IO;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Kotonoha.Cli.Training;

/// <summary>What <c>kotonoha train RECIPE</c> asks for; flags and the YAML file that a run writes beside its result have the same
/// names. What is null was not given.</summary>
internal sealed record RecipeSettings
{
    /// <summary>The name of the file that a run writes into its folder.</summary>
    public const string FileName = "train.yaml";

    /// <summary>What a new model has where nothing else is said.</summary>
    public const int DefaultDepth = 4, DefaultVocabulary = 4096;

    private const string RecipeKey = "recipe";

    public string Recipe { get; init; } = "";

    /// <summary>The data: a file or a folder, by the recipe.</summary>
    public string Data { get; init; } = "";

    /// <summary>What is measured on; empty for a tenth of the data.</summary>
    public string HeldOut { get; init; } = "";

    /// <summary>The folder of checkpoints, log and chart.</summary>
    public string Out { get; init; } = "";

    /// <summary>The model to go on from; empty for a small new one, where the recipe can begin with one.</summary>
    public string Model { get; init; } = "";

    /// <summary>A second model: the teacher, or the reward model.</summary>
    public string Teacher { get; init; } = "";

    public int Steps { get; init; } = 1000;

    public int Batch { get; init; } = 8;

    /// <summary>Batches whose gradients are added up in a step.</summary>
    public int? Accumulate { get; init; }

    public int? Context { get; init; }

    public double? LearningRate { get; init; }

    /// <summary>Steps in which the learning rate rises; null for a twentieth of the run, at most 100.</summary>
    public int? Warmup { get; init; }

    /// <summary><c>adamw</c>, <c>muon</c>, <c>lion</c>, <c>sgd</c>.</summary>
    public string Optimizer { get; init; } = "adamw";

    /// <summary><c>cosine</c>, <c>wsd</c>, <c>constant</c>, <c>inverse-sqrt</c>.</summary>
    public string Schedule { get; init; } = "cosine";

    public double? WeightDecay { get; init; }

    public double? Dropout { get; init; }

    public double? LabelSmoothing { get; init; }

    public int? LastLayers { get; init; }

    public double? LayerDecay { get; init; }

    /// <summary>The rank of an adapter that is trained in place of the weights; null for the weights.</summary>
    public int? Lora { get; init; }

    public double? LoraAlpha { get; init; }

    /// <summary>The ends of the names of the layers that get an adapter, with commas between; null for all but the head.</summary>
    public string? LoraTargets { get; init; }

    [YamlMember(DefaultValuesHandling = DefaultValuesHandling.OmitDefaults)]
    public bool Dora { get; init; }

    [YamlMember(DefaultValuesHandling = DefaultValuesHandling.OmitDefaults)]
    public bool Rslora { get; init; }

    public double? AverageDecay { get; init; }

    /// <summary>Whether what lies inside layers is computed twice instead of kept.</summary>
    [YamlMember(DefaultValuesHandling = DefaultValuesHandling.OmitDefaults)]
    public bool Recompute { get; init; }

    /// <summary>The layers of a new model; width, heads and learning rate follow from it.</summary>
    public int? Depth { get; init; }

    public int? Vocabulary { get; init; }

    /// <summary>The way of learning preferences: <c>dpo</c>, <c>ipo</c>, <c>kto</c>, <c>orpo</c>, <c>simpo</c>, <c>cpo</c>.</summary>
    public string? Method { get; init; }

    public double? Beta { get; init; }

    /// <summary>The completions of each prompt that GRPO and PPO sample.</summary>
    public int? Group { get; init; }

    /// <summary>What logits are divided by: of sampled completions, or of both models in distillation.</summary>
    public double? Temperature { get; init; }

    /// <summary>The most tokens of a sampled completion.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>The teacher's share in distillation.</summary>
    public double? Alpha { get; init; }

    public ulong Seed { get; init; } = 1;

    /// <summary>Steps between measurements, checkpoints and samples; null for a quarter of the run.</summary>
    public int? EvaluateEvery { get; init; }

    /// <summary>What a language model continues each time it is measured; null for the beginning of the data, empty for nothing.</summary>
    public string? SamplePrompt { get; init; }

    /// <summary>Whether conversations and completions that are too long are cut instead of left out.</summary>
    [YamlMember(DefaultValuesHandling = DefaultValuesHandling.OmitDefaults)]
    public bool CutLong { get; init; }

    /// <summary>Whether a line of data that cannot be read is left out (and named) instead of ending the run.</summary>
    [YamlMember(DefaultValuesHandling = DefaultValuesHandling.OmitDefaults)]
    public bool SkipBadLines { get; init; }

    private static ISerializer Writer { get; } = new SerializerBuilder().WithNamingConvention(HyphenatedNamingConvention.Instance)
        .ConfigureDefaultValuesHandling(DefaultValuesHandling.OmitNull | DefaultValuesHandling.OmitEmptyCollections).Build();

    /// <summary>Reads a file that a run wrote, or a person.</summary>
    /// <param name="file">The file.</param>
    /// <param name="recipe">The recipe that is asked for; null for the one that the file names.</param>
    /// <exception cref="UsageException">The file is missing or no YAML, or a line of it is no setting of the recipe; file, line and
    /// setting are named.</exception>
    public static RecipeSettings Read(string file, string? recipe)
    {
        if (!File.Exists(file))
            throw new UsageException($"--config '{file}': there is no such file");
        var yaml = new YamlStream();
        try
        {
            using var reader = new StreamReader(file);
            yaml.Load(reader);
        }
        catch (YamlException exception)
        {
            throw Wrong(file, exception.Start.Line, exception.InnerException?.Message ?? exception.Message);
        }

        if (yaml.Documents is not [{ RootNode: YamlMappingNode root }])
            throw new UsageException($"--config '{file}': it should be one list of settings ('name: value' lines), and is "
                + (yaml.Documents.Count == 0 ? "empty" : "something else"));
        var named = root.Children.FirstOrDefault(pair => pair.Key is YamlScalarNode { Value: RecipeKey });
        var asked = (named.Value as YamlScalarNode)?.Value;
        recipe ??= asked ?? throw new UsageException($"--config '{file}': it names no recipe; add 'recipe: NAME', or give the recipe "
            + "(kotonoha train RECIPE --config FILE)");
        if (asked is { Length: > 0 } && asked != recipe)
            throw Wrong(file, named.Key.Start.Line, $"the settings are of the recipe '{asked}', not of '{recipe}'");
        if (!RecipeRunner.Recipes.ContainsKey(recipe))
            throw Wrong(file, named.Key.Start.Line,
                $"there is no recipe '{recipe}'; there are {string.Join(", ", RecipeRunner.Recipes.Keys)}");
        var settings = new RecipeSettings { Recipe = recipe };
        foreach (var (key, value) in root.Children)
        {
            if (key is not YamlScalarNode { Value: { } name } || name == RecipeKey)
                continue;
            var option = RecipeOption.All.FirstOrDefault(o => o.Key == name)
                ?? throw Wrong(file, key.Start.Line, $"there is no setting '{name}'; the options of 'kotonoha train {recipe} --help' are "
                    + "settings too, without the dashes");

            // A switch that is off asks for nothing.
            if (TextOf(value) is not { } text || (text == "false" && !option.IsFor(recipe)))
                continue;
            if (!option.IsFor(recipe))
                throw Wrong(file, key.Start.Line, $"'{name}' is no setting of '{recipe}'; it is for {string.Join(", ", option.Recipes!)}");
            try
            {
                settings = option.Apply(text, settings);
            }
            catch (FormatException exception)
            {
                throw Wrong(file, key.Start.Line, $"'{name}' is '{text}': {exception.Message}");
            }
        }

        return settings;
    }

    /// <summary>Writes the settings into a run's folder.</summary>
    public void Write()
    {
        Directory.CreateDirectory(Out);
        AtomicFile.WriteText(Path.Combine(Out, FileName), Writer.Serialize(this));
    }

    // A list is its parts with commas between; null where nothing stands.
    private static string? TextOf(YamlNode value) => value switch
    {
        YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" } => null,
        YamlScalarNode scalar => scalar.Value,
        YamlSequenceNode list => string.Join(",", list.Children.Select(child => child.ToString())),
        _ => value.ToString(),
    };

    private static UsageException Wrong(string file, long line, string problem)
        => new(string.Create(CultureInfo.InvariantCulture, $"--config '{file}', line {line}: {problem}"));
}
