using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Training;
using Kotonoha.Cli.Workspaces;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha train</c>: the GPT of a folder, or what a recipe makes.</summary>
internal static class TrainCommand
{
    public const string Name = "train";

    public static Command Create()
    {
        var options = new FolderOptions(searches: false);
        var steps = StepsOption();
        var again =
            new Option<bool>("--again") { Description = "Train anew although there is a model (documents have changed, or other steps)." };
        var command = new Command(
            Name, "Train a GPT from scratch on a folder of documents: tokenizer first, then the model. Or run a recipe.");
        options.AddTo(command);
        command.Options.Add(steps);
        command.Options.Add(again);
        var config = RecipeCommands.ConfigOption("Run the recipe of a YAML file, such as the train.yaml of an earlier run.");
        command.Options.Add(config);
        foreach (var recipe in RecipeCommands.Create())
            command.Subcommands.Add(recipe);
        command.SetAction((parsed, cancellationToken) =>
        {
            if (parsed.GetValue(config) is not { } file)
                return RunAsync(options.Read(parsed), Steps(parsed.GetValue(steps)), parsed.GetValue(again), cancellationToken);
            if (parsed.CommandResult.Children.OfType<OptionResult>().FirstOrDefault(
                o => !o.Implicit && !o.Option.Recursive && o.Option != config) is { } other)
                throw new UsageException($"{other.Option.Name} and --config: name the recipe too (kotonoha train RECIPE --config FILE "
                    + $"{other.Option.Name} …), or write the setting into the file");
            return RecipeRunner.RunAsync(RecipeSettings.Read(file, null), cancellationToken);
        });
        return command;
    }

    public static Option<int> StepsOption()
        => new("--steps")
        {
            Description = "Training steps; the same documents and steps give the same model.",
            DefaultValueFactory = _ => ModelBuilder.DefaultSteps,
            HelpName = "N"
        };

    public static int Steps(int steps)
        => steps >= 1 ? steps : throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--steps {steps}: at least 1"));

    private static async Task<int> RunAsync(FolderSettings settings, int steps, bool again, CancellationToken cancellationToken)
    {
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        using var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
        if (again)
            ModelBuilder.Forget(workspace);
        if (ModelBuilder.Exists(workspace))
        {
            await Console.Error.WriteLineAsync($"There is a model in {workspace.Model}; --again trains anew.");
            return 0;
        }

        await ModelBuilder.BuildAsync(workspace, steps, settings.Threads, cancellationToken);
        return 0;
    }
}
