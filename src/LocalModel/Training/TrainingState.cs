using System.Globalization;
using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training;

/// <summary>
/// What a checkpoint's <c>training/</c> holds besides the optimiser's moments: where the run stands. Random numbers and the order of the
/// data are functions of seed and step, so these two are the random state and the data position.
/// </summary>
internal sealed record TrainingState
{
    public const string Folder = "training";
    private const string StateFile = "state.json";
    private const string OptimizerFile = "optimizer.safetensors";
    private const string AveragePrefix = "average.";
    private const string TrainedFile = "trained.safetensors";

    public required long Step { get; init; }

    public required ulong Seed { get; init; }

    public required ulong DataFingerprint { get; init; }

    public required long DataTokens { get; init; }

    public required int BatchSize { get; init; }

    public required int MicroBatches { get; init; }

    public required int ContextLength { get; init; }

    /// <summary>
    /// The further settings that change the run, by name; null where the checkpoint does not say (a run that went on in PyTorch, or an
    /// older one).
    /// </summary>
    public IReadOnlyDictionary<string, string>? Settings { get; init; }

    public static bool Exists(string checkpoint) => File.Exists(Path.Combine(checkpoint, Folder, StateFile));

    /// <summary>A number as settings are compared by.</summary>
    public static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    public static TrainingState Load(string checkpoint)
    {
        using var fields = JsonFields.Open(Path.Combine(checkpoint, Folder, StateFile));
        var fingerprint = fields.Text("data_fingerprint");
        return new TrainingState
        {
            Step = fields.Int64("step") ?? throw fields.Wrong("step", "is missing"),
            Seed = fields.UInt64("seed") ?? throw fields.Wrong("seed", "is missing"),
            DataFingerprint = ulong.TryParse(fingerprint, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong hash)
                ? hash
                : throw fields.Wrong("data_fingerprint", "should be a hexadecimal number as a text"),
            DataTokens = fields.Int64("data_tokens") ?? throw fields.Wrong("data_tokens", "is missing"),
            BatchSize = fields.RequiredInt32("batch_size", 1),
            MicroBatches = fields.RequiredInt32("micro_batches", 1),
            ContextLength = fields.RequiredInt32("context_length", 1),
            Settings = fields.Object("settings")?.Root.EnumerateObject().ToDictionary(
                setting => setting.Name, setting => setting.Value.ToString(), StringComparer.Ordinal),
        };
    }

    public static void LoadOptimizer(string checkpoint, TrainingEngine engine)
    {
        using var file = SafetensorsFile.Open(Path.Combine(checkpoint, Folder, OptimizerFile));
        engine.Optimizer.Load(file);
        if (engine.Average is not { } average)
            return;

        // The checkpoint's model is the average.
        var trained = SafetensorsFile.Open(Path.Combine(checkpoint, Folder, TrainedFile));
        using (trained)
            foreach (var parameter in engine.Session.Parameters)
                trained.Read(AveragePrefix + parameter.Name, average.Other(parameter));
    }

    /// <summary>Takes the weights that training goes on from, where the checkpoint's model is their average.</summary>
    public static void LoadTrainedWeights(string checkpoint, IReadOnlyList<Parameter> parameters)
    {
        var path = Path.Combine(checkpoint, Folder, TrainedFile);
        if (!File.Exists(path))
            return;
        using var file = SafetensorsFile.Open(path);
        foreach (var parameter in parameters)
            file.Read(parameter.Name, parameter.Values);
    }

    public void Save(string checkpoint, TrainingEngine engine)
    {
        var folder = Directory.CreateDirectory(Path.Combine(checkpoint, Folder)).FullName;
        AtomicFile.Write(Path.Combine(folder, StateFile), stream =>
        {
            using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
            writer.WriteStartObject();
            writer.WriteNumber("step", Step);
            writer.WriteNumber("seed", Seed);
            writer.WriteString("data_fingerprint", DataFingerprint.ToString("x16", CultureInfo.InvariantCulture));
            writer.WriteNumber("data_tokens", DataTokens);
            writer.WriteNumber("batch_size", BatchSize);
            writer.WriteNumber("micro_batches", MicroBatches);
            writer.WriteNumber("context_length", ContextLength);
            if (Settings is not null)
            {
                writer.WriteStartObject("settings");
                foreach (var (name, value) in Settings)
                    writer.WriteString(name, value);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        });
        var moments = new SafetensorsWriter();
        engine.Optimizer.Save(moments);
        moments.Save(Path.Combine(folder, OptimizerFile));
        if (engine.Average is not { } average)
            return;
        var weights = new SafetensorsWriter();
        foreach (var parameter in engine.Session.Parameters)
        {
            weights.Add(parameter.Name, parameter, () => parameter.Values.ToArray());
            weights.Add(AveragePrefix + parameter.Name, parameter, () => average.Other(parameter));
        }

        weights.Save(Path.Combine(folder, TrainedFile));
    }

    /// <summary>
    /// Refuses a checkpoint of another run: with other data, batches or settings the losses would not be those of an undisturbed run.
    /// </summary>
    public void CheckSameRun(string checkpoint, TrainingState current)
    {
        var differences = new List<string>();
        if (DataFingerprint != current.DataFingerprint || DataTokens != current.DataTokens)
            differences.Add("data");
        if (Seed != current.Seed)
            differences.Add($"random numbers (seed {Text(Seed)}, now {Text(current.Seed)})");
        if (BatchSize != current.BatchSize || MicroBatches != current.MicroBatches || ContextLength != current.ContextLength)
            differences.Add($"batch sizes or another context length ({Sizes(this)}, now {Sizes(current)})");
        foreach (var (name, value) in current.Settings ?? new Dictionary<string, string>())
            if (Settings?.GetValueOrDefault(name) is { } before && before != value)
                differences.Add($"{name} ({before}, now {value})");
        if (differences.Count > 0)
            throw new CheckpointException(checkpoint, $"this run was begun with other {string.Join(", ", differences)}, so it cannot go "
                + "on. Use the same, or save into another folder.");

        static string Sizes(TrainingState state)
            => $"{Text(state.MicroBatches)} × {Text(state.BatchSize)} of {Text(state.ContextLength)} tokens";
    }
}

/// <summary>Where and how often a training run is saved.</summary>
/// <param name="Folder">The folder of checkpoints (see <see cref="CheckpointFolder"/>).</param>
public sealed record TrainingCheckpoints(string Folder)
{
    /// <summary>Steps between two saves; 0 for one after the last step alone.</summary>
    public int Every { get; init; } = 500;

    /// <summary>
    /// Whether a run goes on from the newest checkpoint of the folder, if it has one. It must be of the same data, seed, batch sizes,
    /// optimiser, learning rate and recipe; the losses are then exactly those of an undisturbed run. If false, a folder that has
    /// checkpoints is refused.
    /// </summary>
    public bool Resume { get; init; } = true;

    /// <summary>Whether a cancelled run saves its last step before it ends, so that nothing of it is lost.</summary>
    public bool SaveWhenCancelled { get; init; }

    /// <summary>Tokenizer and settings to save beside the model.</summary>
    public CheckpointParts Parts { get; init; } = new();

    /// <summary>Whether the caller holds the folder's lock already (<see cref="CheckpointFolder.Hold"/>).</summary>
    internal bool IsHeld { get; init; }

    /// <summary>Further settings that change the run, by which a resumed run is recognised.</summary>
    internal IReadOnlyList<(string Name, string Value)> Settings { get; init; } = [];
}
