using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Training;
using Kotonoha.Cli.Workspaces;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha train</c>: the GPT of a folder, or a model of conversations.</summary>
internal static class TrainCommand
{
    public const string Name = "train";

    public static Command Create()
    {
        var options = new FolderOptions(searches: false);
        var steps = StepsOption();
        var again =
            new Option<bool>("--again") { Description = "Train anew although there is a model (documents have changed, or other steps)." };
        var chat = new Option<string?>("--chat")
        {
            Description = "Train on conversations instead: a file with one JSON object a line (messages and tools as OpenAI writes them, "
                + "prompt and completion, or ShareGPT's conversations). The loss is taken on the answers alone.",
            HelpName = "FILE",
        };
        var output = new Option<string?>("--out") { Description = "With --chat: the folder for the model.", HelpName = "DIR" };
        var model = new Option<string?>("--model")
        {
            Description = "With --chat: the model to go on from (default: a small new one).",
            HelpName = "DIR",
        };
        var context = new Option<int?>("--context")
        {
            Description = "With --chat: the tokens of the longest conversation (default: the model's context, at most 2048; 512 for a "
                + "new model).",
            HelpName = "N",
        };
        var cut = new Option<bool>("--cut-long") { Description = "With --chat: cut longer conversations instead of skipping them." };
        var rate = new Option<double?>("--learning-rate")
        {
            Description = "With --chat: the highest learning rate (default: 0.002 for a new model, 0.0001 with --model).",
            HelpName = "R",
        };
        Option[] chatOptions = [output, model, context, cut, rate];
        var command = new Command(
            Name, "Train a GPT from scratch on a folder of documents: tokenizer first, then the model. Or train on conversations.");
        options.AddTo(command);
        command.Options.Add(steps);
        command.Options.Add(again);
        command.Options.Add(chat);
        foreach (var option in chatOptions)
            command.Options.Add(option);
        foreach (var recipe in RecipeCommands.Create())
            command.Subcommands.Add(recipe);
        command.SetAction(
            (parsed, cancellationToken) =>
            {
                bool given(Option option) => parsed.GetResult(option) is { Implicit: false };
                if (parsed.GetValue(chat) is not { } file)
                    return chatOptions.FirstOrDefault(given) is { } stray
                        ? throw new UsageException($"{stray.Name} goes with --chat")
                        : RunAsync(options.Read(parsed), Steps(parsed.GetValue(steps)), parsed.GetValue(again), cancellationToken);
                if (((Option[])[options.Documents, options.Home, again]).FirstOrDefault(given) is { } other)
                    throw new UsageException($"--chat and {other.Name} exclude each other");
                return RunChatAsync(
                    new ChatTraining(
                        file,
                        parsed.GetValue(output) ?? throw new UsageException("--chat needs --out, the folder for the model"),
                        parsed.GetValue(model),
                        Steps(parsed.GetValue(steps)),
                        parsed.GetValue(context) is < 2 and var few
                            ? throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--context {few}: at least 2"))
                            : parsed.GetValue(context),
                        parsed.GetValue(cut),
                        parsed.GetValue(rate) is <= 0 and var none
                            ? throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--learning-rate {none}: above 0"))
                            : parsed.GetValue(rate),
                        ThreadCount.Check(parsed.GetValue(options.Threads))),
                    cancellationToken);
            });
        return command;
    }

    private static async Task<int> RunChatAsync(ChatTraining asked, CancellationToken cancellationToken)
    {
        await ChatTrainer.RunAsync(asked, cancellationToken);
        return 0;
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
