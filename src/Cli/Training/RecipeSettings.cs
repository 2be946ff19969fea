using System.Globalization;
using Kotonoha.Foundation.IO;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Kotonoha.Cli.Training;

/// <summary>What <c>kotonoha train RECIPE</c> asks for; flags and the YAML file that a run writes beside its result have the same
/// names.</summary>
internal sealed record RecipeSettings
{
    /// <summary>The name of the file that a run writes into its folder.</summary>
    public const string FileName = "train.yaml";

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

    public int? Context { get; init; }

    public double? LearningRate { get; init; }

    /// <summary><c>adamw</c>, <c>muon</c>, <c>lion</c>, <c>sgd</c>.</summary>
    public string Optimizer { get; init; } = "adamw";

    /// <summary><c>cosine</c>, <c>wsd</c>, <c>constant</c>, <c>inverse-sqrt</c>.</summary>
    public string Schedule { get; init; } = "cosine";

    public int? LastLayers { get; init; }

    public double LayerDecay { get; init; } = 1;

    /// <summary>The rank of an adapter that is trained in place of the weights; null for the weights.</summary>
    public int? Lora { get; init; }

    public bool Dora { get; init; }

    public bool Rslora { get; init; }

    public double? AverageDecay { get; init; }

    /// <summary>Whether what lies inside layers is computed twice instead of kept.</summary>
    public bool Recompute { get; init; }

    /// <summary>The layers of a new model; width, heads and learning rate follow from it.</summary>
    public int Depth { get; init; } = 4;

    public int Vocabulary { get; init; } = 4096;

    /// <summary>The way of learning preferences: <c>dpo</c>, <c>ipo</c>, <c>kto</c>, <c>orpo</c>, <c>simpo</c>, <c>cpo</c>.</summary>
    public string Method { get; init; } = "dpo";

    public double Beta { get; init; } = 0.1;

    public ulong Seed { get; init; } = 1;

    /// <summary>Steps between measurements, checkpoints and samples; null for a quarter of the run.</summary>
    public int? EvaluateEvery { get; init; }

    /// <summary>What a language model continues each time it is measured; null for the beginning of the data, empty for nothing.</summary>
    public string? SamplePrompt { get; init; }

    /// <summary>Whether conversations and completions that are too long are cut instead of left out.</summary>
    public bool CutLong { get; init; }

    /// <summary>Whether a line of data that cannot be read is left out (and named) instead of ending the run.</summary>
    public bool SkipBadLines { get; init; }

    private static ISerializer Writer { get; } = new SerializerBuilder().WithNamingConvention(HyphenatedNamingConvention.Instance)
        .ConfigureDefaultValuesHandling(DefaultValuesHandling.OmitNull | DefaultValuesHandling.OmitEmptyCollections).Build();

    /// <summary>Reads a file that a run wrote, or a person.</summary>
    /// <exception cref="UsageException">The file is missing, is no YAML, or has a key that is not a setting.</exception>
    public static RecipeSettings Read(string file)
    {
        if (!File.Exists(file))
            throw new UsageException($"--config '{file}': there is no such file");
        try
        {
            return new DeserializerBuilder().WithNamingConvention(HyphenatedNamingConvention.Instance).Build()
                .Deserialize<RecipeSettings>(File.ReadAllText(file));
        }
        catch (YamlException exception)
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture,
                $"--config '{file}', line {exception.Start.Line}: {exception.InnerException?.Message ?? exception.Message}"));
        }
    }

    /// <summary>Writes the settings into a run's folder.</summary>
    public void Write()
    {
        Directory.CreateDirectory(Out);
        AtomicFile.WriteText(Path.Combine(Out, FileName), Writer.Serialize(this));
    }
}
