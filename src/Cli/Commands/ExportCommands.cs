using System.CommandLine;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha export</c>, <c>quantize</c> and <c>import</c>: models for other programs, and from them.</summary>
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
        var type = DataType.Float32;
        var allowed = IsGguf(target) ? GgufExport.Types : FolderTypes;
        if (typeName is not null && (!DataTypes.TryParse(typeName.ToUpperInvariant(), out type) || !allowed.Contains(type)))
            throw new UsageException($"--type {typeName}: one of {string.Join(", ", allowed.Select(t => t.Name().ToLowerInvariant()))}");
        var source = HubModels.Resolve(model);
        adapter = adapter is null ? null : HubModels.Resolve(adapter);
        if (Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(target))) is { } folder)
            MakeFolder(folder);
        var remarks = await ProgressDisplay.RunAsync(progress => Task.Run(() => Write(progress), cancellationToken));
        foreach (var remark in remarks)
            await Console.Error.WriteLineAsync($"  {remark}");
        await Console.Out.WriteLineAsync(Path.GetFullPath(target));
        return 0;

        IReadOnlyList<string> Write(IProgress<ProgressReport> progress) => IsGguf(target)
            ? ModelExport.SaveGguf(source, target, type, name, adapter, progress, cancellationToken)
            : ModelExport.SaveFolder(source, target, type, adapter, progress, cancellationToken);
    }

    private static void MakeFolder(string folder)
    {
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
