using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Cli.Commands;

/// <summary>
/// <c>kotonoha export</c>, <c>quantize</c>, <c>import</c> and <c>prune</c>: models for other programs, from them, and smaller ones.
/// </summary>
internal static class ExportCommands
{
    private const string GgufEnding = ".gguf";
    private static readonly DataType[] FolderTypes = [DataType.Float32, DataType.Float16, DataType.BFloat16];

    public static Command Export()
    {
        var model = Model();
        var target = new Argument<string>("TARGET") { Description = "A new folder (Hugging Face layout), or a file that ends in .gguf." };
        var type = Type("How the weights are stored (default: f32).");
        var name = Name();
        var adapter =
            new Option<string?>(
                "--adapter")
            {
                Description =
                    "A LoRA or DoRA adapter that is added to the weights: a folder in PEFT's layout, or OWNER/NAME of a pulled one.",
                HelpName = "DIR"
            };
        var command =
            new Command("export",
                "Write a model for other programs: a folder for transformers and vLLM, or a GGUF file for llama.cpp and Ollama.") { model,
                    target, type, name, adapter };
        command.SetAction((parsed, cancellationToken) =>
        {
            var (from, to) = (parsed.GetRequiredValue(model), parsed.GetRequiredValue(target));
            return IsGguf(to) || parsed.GetValue(name) is null
                ? WriteAsync(from, to, parsed.GetValue(type), parsed.GetValue(name), parsed.GetValue(adapter), cancellationToken)
                : throw new UsageException("--name goes into a GGUF file; a folder has no place for it");
        });
        return command;
    }

    public static Command Quantize()
    {
        var model = Model();
        var target = new Argument<string>("TARGET") { Description = "The file to write; it ends in .gguf." };
        var type = Type("The type of the matrices.");
        type.Required = true;
        var name = Name();
        var command =
            new Command("quantize", "Write a model as a GGUF file of another type, most often a smaller one.") { model, target, type,
                name };
        command.SetAction((parsed, cancellationToken) =>
        {
            var to = parsed.GetRequiredValue(target);
            return IsGguf(to)
                ? WriteAsync(parsed.GetRequiredValue(model), to, parsed.GetValue(type), parsed.GetValue(name), null, cancellationToken)
                : throw new UsageException($"'{to}' does not end in {GgufEnding}; 'kotonoha export' writes folders");
        });
        return command;
    }

    public static Command Import()
    {
        var model = Model();
        var target = new Argument<string>("FOLDER") { Description = "A new folder." };
        var type = Type("How the weights are stored: f32, f16 or bf16 (default: f32).");
        var command = new Command("import", "Turn a GGUF file (or another checkpoint) into a folder in the Hugging Face layout, to train "
            + "it further or to give it to other programs.") { model, target, type };
        command.SetAction((parsed, cancellationToken) =>
        {
            var to = parsed.GetRequiredValue(target);
            return IsGguf(to)
                ? throw new UsageException($"'{to}' ends in {GgufEnding}; 'kotonoha export' writes such files, import makes a folder")
                : WriteAsync(parsed.GetRequiredValue(model), to, parsed.GetValue(type), null, null, cancellationToken);
        });
        return command;
    }

    public static Command Prune()
    {
        var model = Model();
        var target = new Argument<string>("TARGET") { Description = "A new folder (Hugging Face layout)." };
        var weights = new Option<double?>("--weights")
        {
            Description = "The share of each matrix whose smallest weights are set to zero, from 0 to below 1.",
            HelpName = "SHARE",
        };
        var units = new Option<double?>("--units")
        {
            Description = "The share of the units of each feed-forward part that is taken away, from 0 to below 1.",
            HelpName = "SHARE",
        };
        var type = Type("How the weights are stored (default: f32).");
        var command = new Command("prune", "Write a model with fewer weights, as a folder in the Hugging Face layout: the smallest ones "
            + "set to zero (--weights), or the least units of the feed-forward parts taken away (--units).") { model, target, weights,
                units, type };
        command.SetAction((parsed, cancellationToken) =>
        {
            var (from, to) = (parsed.GetRequiredValue(model), parsed.GetRequiredValue(target));
            if (IsGguf(to))
                throw new UsageException($"'{to}' ends in {GgufEnding}; prune makes a folder, which 'kotonoha quantize' makes a file of");
            bool byUnits = parsed.GetValue(units) is not null;
            if (byUnits == parsed.GetValue(weights) is not null)
                throw new UsageException("prune: give either --weights or --units");
            double share = parsed.GetValue(weights) ?? parsed.GetValue(units)!.Value;
            return share is >= 0 and < 1
                ? PruneAsync(from, to, byUnits, share, TypeOf(parsed.GetValue(type), FolderTypes), cancellationToken)
                : throw new UsageException(string.Create(CultureInfo.InvariantCulture,
                    $"{(byUnits ? "--units" : "--weights")} {share}: from 0 to below 1"));
        });
        return command;
    }

    private static Argument<string> Model()
        => new("MODEL") { Description = "A model's folder, a GGUF file, or OWNER/NAME of a pulled model." };

    private static Option<string?> Type(string description) => new("--type")
    {
        Description = $"{description} One of {string.Join(", ", GgufExport.Types.Select(t => t.Name().ToLowerInvariant()))}; a folder "
            + "takes the first three.",
        HelpName = "T",
    };

    private static Option<string?> Name() => new("--name") { Description = "The model's name in the GGUF file.", HelpName = "NAME" };

    private static bool IsGguf(string path) => path.EndsWith(GgufEnding, StringComparison.OrdinalIgnoreCase);

    private static async Task<int> WriteAsync(
        string model, string target, string? typeName, string? name, string? adapter, CancellationToken cancellationToken)
    {
        var type = TypeOf(typeName, IsGguf(target) ? GgufExport.Types : FolderTypes);
        var source = HubModels.Resolve(model);
        adapter = adapter is null ? null : HubModels.Resolve(adapter);
        MakeFolderFor(target);
        var remarks = await ProgressDisplay.RunAsync(progress => Task.Run(() => Write(progress), cancellationToken));
        foreach (var remark in remarks)
            await Console.Error.WriteLineAsync($"  {remark}");
        await Console.Out.WriteLineAsync(Path.GetFullPath(target));
        return 0;

        IReadOnlyList<string> Write(IProgress<ProgressReport> progress) => IsGguf(target)
            ? ModelExport.SaveGguf(source, target, type, name, adapter, progress, cancellationToken)
            : ModelExport.SaveFolder(source, target, type, adapter, progress, cancellationToken);
    }

    private static async Task<int> PruneAsync(
        string model, string target, bool byUnits, double share, DataType type, CancellationToken cancellationToken)
    {
        var source = HubModels.Resolve(model);
        if (EncoderCheckpoint.IsEncoder(source))
            throw new UsageException($"'{model}' is an encoder; prune takes language models");
        string[] stored = [.. ModelSummary.Read(model).Tensors.Select(t => t.Type).Distinct().Order(StringComparer.Ordinal)];
        if (stored.Except(FolderTypes.Select(t => t.Name())).ToArray() is { Length: > 0 } quantised)
            await Console.Error.WriteLineAsync(
                $"  The weights of '{model}' are quantised ({string.Join(", ", quantised)}); they are raised to single precision.");
        MakeFolderFor(target);
        var lines = await ProgressDisplay.RunAsync(progress => Task.Run(() => Write(progress), cancellationToken));
        foreach (var line in lines)
            await Console.Error.WriteLineAsync($"  {line}");
        await Console.Out.WriteLineAsync(Path.GetFullPath(target));
        return 0;

        List<string> Write(IProgress<ProgressReport> progress)
        {
            using var whole = ModelCheckpoint.Load(source);
            var lines = new List<string>();
            var parts = ModelExport.PartsOf(source, lines);
            long before = whole.ParameterCount;
            CausalModel pruned = whole;
            if (byUnits)
                pruned = Pruning.FeedForward(whole, 1 - share);
            else
                Pruning.Magnitude(whole, share);
            try
            {
                ModelExport.SaveFolder(pruned, parts, target, type, progress, cancellationToken);
                long zeros = ZerosOf(pruned), bytes = ModelSummary.Read(target).Bytes;
                lines.Add(string.Create(CultureInfo.InvariantCulture,
                    $"{before:N0} parameters before, {pruned.ParameterCount:N0} after "
                        + $"({1 - (double)pruned.ParameterCount / before:P1} less)"));
                lines.Add(string.Create(CultureInfo.InvariantCulture,
                    $"{zeros:N0} of them are zero ({(double)zeros / pruned.ParameterCount:P1})"));
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N2} MB of weights in {type.Name()}"
                    + $"{(byUnits || share == 0 ? "" : "; the zeros are stored like other numbers, so the file is no smaller for them")}"));
                return lines;
            }
            finally
            {
                if (pruned != whole)
                    pruned.Dispose();
            }
        }
    }

    private static long ZerosOf(CausalModel model)
    {
        long zeros = 0;
        foreach (var parameter in model.Parameters)
            zeros += parameter.Values.Count(0f);
        return zeros;
    }

    private static DataType TypeOf(string? name, IReadOnlyList<DataType> allowed)
    {
        var type = DataType.Float32;
        return name is null || (DataTypes.TryParse(name.ToUpperInvariant(), out type) && allowed.Contains(type))
            ? type
            : throw new UsageException($"--type {name}: one of {string.Join(", ", allowed.Select(t => t.Name().ToLowerInvariant()))}");
    }

    private static void MakeFolderFor(string target)
    {
        if (Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(target))) is not { } folder)
            return;
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            // Where nothing can be made (/proc), the system says that something is not there.
            throw new UsageException($"the folder '{folder}' cannot be made; name a place that can be written");
        }
    }
}
